import type { SimulatedShortCode } from "../../state/resources.ts";
import { rfc2822 } from "../dates.ts";
import { badRequest, notFound } from "../errors.ts";
import { type FormFields, field, readForm } from "../form.ts";
import { type ApiCall, type ApiOperation, ok, type SimulatorContext } from "../operation.ts";
import { page2010 } from "../paging.ts";

const permission = "/twilio/messaging/short-codes";
const list = "/2010-04-01/Accounts/{AccountSid}/SMS/ShortCodes";
const instance = `${list}/{Sid}.json`;

export const shortCodeOperations: ApiOperation[] = [
  {
    name: "ListShortCode",
    product: "api",
    method: "GET",
    path: `${list}.json`,
    permission: `${permission}/list`,
    handle(call) {
      // Short codes are filtered with the same patterns as numbers: `*` stands for any digit.
      const pattern = (call.query.get("ShortCode") ?? "").replace(/[^0-9*]/g, "").replaceAll("*", "[0-9]");
      const friendlyName = call.query.get("FriendlyName");
      const rows = call.region.shortCodes
        .ofAccount(call.account.sid)
        .filter((code) => new RegExp(pattern).test(code.shortCode))
        .filter((code) => friendlyName === null || code.friendlyName === friendlyName);
      return page2010(call, "short_codes", rows, renderShortCode);
    },
  },
  {
    name: "FetchShortCode",
    product: "api",
    method: "GET",
    path: instance,
    permission: `${permission}/read`,
    handle: (call) => ok(renderShortCode(find(call))),
  },
  {
    name: "UpdateShortCode",
    product: "api",
    method: "POST",
    path: instance,
    permission: `${permission}/update`,
    handle: (call, context) => ok(renderShortCode(update(call, context))),
  },
];

/** The form fields of a short code. ApiVersion is accepted, but ignored: the simulator has only one version. */
const fields: FormFields<SimulatedShortCode & { apiVersion: string }> = {
  FriendlyName: field.text("friendlyName", 64),
  ApiVersion: field.text("apiVersion"),
  SmsUrl: field.url("smsUrl"),
  SmsMethod: field.method("smsMethod"),
  SmsFallbackUrl: field.url("smsFallbackUrl"),
  SmsFallbackMethod: field.method("smsFallbackMethod"),
};

function find(call: ApiCall): SimulatedShortCode {
  const code = call.region.shortCodes.of(call.account.sid, call.params.Sid!);
  if (code === undefined) throw notFound(call.path);
  return code;
}

/** Updates a short code. As with numbers, a fallback URL needs a main URL, and nothing changes unless all fields are valid. */
function update(call: ApiCall, context: SimulatorContext): SimulatedShortCode {
  const code = find(call);
  const { apiVersion: _, ...changes } = readForm(call, context, fields);
  const next = { ...code, ...changes };
  const touched = call.form.has("SmsUrl") || call.form.has("SmsFallbackUrl");
  if (touched && next.smsFallbackUrl !== "" && next.smsUrl === "") throw badRequest(21406);
  return Object.assign(code, changes, { dateUpdated: context.clock.now() });
}

function renderShortCode(code: SimulatedShortCode): Record<string, unknown> {
  return {
    account_sid: code.accountSid,
    api_version: "2010-04-01",
    date_created: rfc2822(code.dateCreated),
    date_updated: rfc2822(code.dateUpdated),
    friendly_name: code.friendlyName,
    short_code: code.shortCode,
    sid: code.sid,
    sms_fallback_method: code.smsFallbackMethod,
    sms_fallback_url: code.smsFallbackUrl,
    sms_method: code.smsMethod,
    sms_url: code.smsUrl,
    uri: `/2010-04-01/Accounts/${code.accountSid}/SMS/ShortCodes/${code.sid}.json`,
  };
}
