import type { SimulatedNumber } from "../../state/resources.ts";
import { rfc2822 } from "../dates.ts";
import { badRequest, notFound } from "../errors.ts";
import { type FormFields, field, readForm } from "../form.ts";
import { type ApiCall, type ApiOperation, noContent, ok, type SimulatorContext } from "../operation.ts";
import { page2010 } from "../paging.ts";

const permission = "/twilio/phone-numbers/incoming-phone-numbers";
const list = "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers";
const instance = `${list}/{Sid}.json`;

export const numberOperations: ApiOperation[] = [
  listing("ListIncomingPhoneNumber", `${list}.json`),
  listing("ListIncomingPhoneNumberLocal", `${list}/Local.json`, "local"),
  listing("ListIncomingPhoneNumberMobile", `${list}/Mobile.json`, "mobile"),
  listing("ListIncomingPhoneNumberTollFree", `${list}/TollFree.json`, "tollfree"),
  {
    name: "FetchIncomingPhoneNumber",
    product: "api",
    method: "GET",
    path: instance,
    permission: `${permission}/read`,
    handle: (call) => ok(renderNumber(find(call))),
  },
  {
    name: "UpdateIncomingPhoneNumber",
    product: "api",
    method: "POST",
    path: instance,
    permission: `${permission}/update`,
    handle: (call, context) => ok(renderNumber(update(call, context))),
  },
  {
    name: "DeleteIncomingPhoneNumber",
    product: "api",
    method: "DELETE",
    path: instance,
    permission: `${permission}/delete`,
    handle(call) {
      call.region.releaseNumber(find(call).sid);
      return noContent;
    },
  },
];

/** Twilio has one list of all numbers and one list for each type. All of these lists take the same filters. */
function listing(name: string, path: string, type?: SimulatedNumber["type"]): ApiOperation {
  return {
    name,
    product: "api",
    method: "GET",
    path,
    permission: `${permission}/list`,
    handle(call) {
      const filters = [
        (n: SimulatedNumber) => type === undefined || n.type === type,
        phoneNumberFilter(call.query.get("PhoneNumber")),
        equals(call.query.get("FriendlyName"), (n) => n.friendlyName),
        equals(call.query.get("Origin"), (n) => n.origin),
        (n: SimulatedNumber) => call.query.get("Beta") !== "false" || !n.beta,
      ];
      const rows = call.region.numbers.ofAccount(call.account.sid).filter((n) => filters.every((f) => f(n)));
      return page2010(
        call,
        "incoming_phone_numbers",
        // Twilio lists the newest number first.
        rows.reverse(),
        type === undefined ? renderNumber : renderTyped,
      );
    },
  };
}

/**
 * Twilio's PhoneNumber filter is a pattern: it matches any part of the number, and `*` stands for any digit. A client that looks for one
 * number must compare the results itself.
 */
function phoneNumberFilter(pattern: string | null): (number: SimulatedNumber) => boolean {
  if (pattern === null || pattern === "") return () => true;
  const wanted = new RegExp(
    pattern
      .replace(/[^0-9*+]/g, "")
      .replaceAll("+", "\\+")
      .replaceAll("*", "[0-9]"),
  );
  return ({ phoneNumber }) => wanted.test(phoneNumber);
}

const equals =
  (wanted: string | null, of: (number: SimulatedNumber) => string) => (number: SimulatedNumber) =>
    wanted === null || of(number) === wanted;

function find(call: ApiCall): SimulatedNumber {
  const number = call.region.numbers.of(call.account.sid, call.params.Sid!);
  if (number === undefined) throw notFound(call.path);
  return number;
}

const fields: FormFields<SimulatedNumber> = {
  FriendlyName: field.text("friendlyName", 64),
  SmsUrl: field.url("smsUrl"),
  SmsMethod: field.method("smsMethod"),
  SmsFallbackUrl: field.url("smsFallbackUrl"),
  SmsFallbackMethod: field.method("smsFallbackMethod"),
  SmsApplicationSid: { kind: "application", sets: "smsApplicationSid" },
  StatusCallback: field.url("statusCallback"),
  StatusCallbackMethod: field.method("statusCallbackMethod"),
  VoiceUrl: field.url("voiceUrl"),
  VoiceMethod: field.method("voiceMethod"),
  VoiceFallbackUrl: field.url("voiceFallbackUrl"),
  VoiceFallbackMethod: field.method("voiceFallbackMethod"),
  VoiceApplicationSid: { kind: "application", sets: "voiceApplicationSid" },
  VoiceCallerIdLookup: field.boolean("voiceCallerIdLookup"),
  TrunkSid: field.text("trunkSid"),
  BundleSid: field.text("bundleSid"),
  AddressSid: field.text("addressSid"),
  IdentitySid: field.text("identitySid"),
  AccountSid: field.text("accountSid"),
};

/** Checks all fields before it changes anything: one invalid field must leave the number unchanged. */
function update(call: ApiCall, context: SimulatorContext): SimulatedNumber {
  const number = find(call);
  const { accountSid, ...changes } = readForm(call, context, fields);
  const next = { ...number, ...changes };
  // The URL and its fallback are checked as they will be after the update, because one form may set or clear both. A number that
  // already has a fallback without a URL can still be changed in other ways.
  const touches = (...names: string[]) => names.some((name) => call.form.has(name));
  if (touches("SmsUrl", "SmsFallbackUrl") && next.smsFallbackUrl !== "" && next.smsUrl === "")
    throw badRequest(21406);
  if (touches("VoiceUrl", "VoiceFallbackUrl") && next.voiceFallbackUrl !== "" && next.voiceUrl === "")
    throw badRequest(21405);
  if (accountSid !== undefined) transfer(call, number, accountSid);
  return Object.assign(number, changes, { dateUpdated: context.clock.now() });
}

/**
 * Moves a number between a parent account and its subaccounts; Twilio allows no other move. The number leaves its Messaging Service, which
 * stays in the old account.
 */
function transfer(call: ApiCall, number: SimulatedNumber, accountSid: string): void {
  const target = call.region.accounts.get(accountSid);
  if (target === undefined || target.ownerAccountSid !== call.account.ownerAccountSid)
    throw badRequest(21470);
  if (target.sid === number.accountSid) return;
  call.region.pool.delete(number.sid);
  call.region.numbers.transfer(number.sid, target.sid);
}

/** A number without its type. Twilio leaves the type out in the lists of one type. */
function renderTyped(number: SimulatedNumber): Record<string, unknown> {
  const { type: _, ...rest } = renderNumber(number);
  return rest;
}

/** A number as the 2010 API writes it. Most unset strings are "", but some unset SIDs are null. */
export function renderNumber(number: SimulatedNumber): Record<string, unknown> {
  const { sid, accountSid } = number;
  return {
    account_sid: accountSid,
    address_sid: number.addressSid || null,
    address_requirements: "none",
    api_version: "2010-04-01",
    beta: number.beta,
    capabilities: number.capabilities,
    date_created: rfc2822(number.dateCreated),
    date_updated: rfc2822(number.dateUpdated),
    friendly_name: number.friendlyName,
    identity_sid: number.identitySid || null,
    phone_number: number.phoneNumber,
    origin: number.origin,
    sid,
    sms_application_sid: number.smsApplicationSid,
    sms_fallback_method: number.smsFallbackMethod,
    sms_fallback_url: number.smsFallbackUrl,
    sms_method: number.smsMethod,
    sms_url: number.smsUrl,
    status_callback: number.statusCallback,
    status_callback_method: number.statusCallbackMethod,
    trunk_sid: number.trunkSid || null,
    uri: `/2010-04-01/Accounts/${accountSid}/IncomingPhoneNumbers/${sid}.json`,
    voice_receive_mode: "voice",
    voice_application_sid: number.voiceApplicationSid,
    voice_caller_id_lookup: number.voiceCallerIdLookup,
    voice_fallback_method: number.voiceFallbackMethod,
    voice_fallback_url: number.voiceFallbackUrl,
    voice_method: number.voiceMethod,
    voice_url: number.voiceUrl,
    emergency_status: "Inactive",
    emergency_address_sid: null,
    emergency_address_status: "unregistered",
    bundle_sid: number.bundleSid || null,
    status: "in-use",
    type: number.type,
  };
}
