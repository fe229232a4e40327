import type { PoolMember, SimulatedSender } from "../../state/resources.ts";
import { iso8601 } from "../dates.ts";
import { badRequest, notFound, TwilioError } from "../errors.ts";
import { noteUnknown } from "../form.ts";
import { type ApiCall, type ApiOperation, created, noContent, ok } from "../operation.ts";
import { pageV1, twilioUrl } from "../paging.ts";
import { findService } from "./services.ts";

/** Twilio's default limit of senders in a pool. Twilio's support raises it on request. */
const LARGEST_POOL = 400;

/** One kind of sender in a Messaging Service's pool. Numbers and short codes have the same operations under different names. */
interface PoolSenderKind {
  collection: "PhoneNumbers" | "ShortCodes";
  singular: "PhoneNumber" | "ShortCode";
  key: "phone_numbers" | "short_codes";
  /** The form field that names the sender. */
  fieldName: "PhoneNumberSid" | "ShortCodeSid";
  permission: string;
  /** The sender with this SID, if the calling account owns it. */
  owned(call: ApiCall, sid: string): SimulatedSender | undefined;
}

const numbers: PoolSenderKind = {
  collection: "PhoneNumbers",
  singular: "PhoneNumber",
  key: "phone_numbers",
  fieldName: "PhoneNumberSid",
  permission: "/twilio/messaging/services.phone-numbers",
  owned: (call, sid) => call.region.numbers.of(call.account.sid, sid),
};
const shortCodes: PoolSenderKind = {
  collection: "ShortCodes",
  singular: "ShortCode",
  key: "short_codes",
  fieldName: "ShortCodeSid",
  permission: "/twilio/messaging/services.short-codes",
  owned: (call, sid) => call.region.shortCodes.of(call.account.sid, sid),
};

export const poolOperations: ApiOperation[] = [numbers, shortCodes].flatMap((kind): ApiOperation[] => [
  {
    name: `List${kind.singular}`,
    product: "messaging",
    method: "GET",
    path: `/v1/Services/{ServiceSid}/${kind.collection}`,
    permission: `${kind.permission}/list`,
    handle: (call) =>
      pageV1(call, { product: "messaging", key: kind.key }, members(call, kind), (row) =>
        render(call, kind, row),
      ),
  },
  {
    name: `Create${kind.singular}`,
    product: "messaging",
    method: "POST",
    path: `/v1/Services/{ServiceSid}/${kind.collection}`,
    permission: `${kind.permission}/create`,
    handle: (call) => created(render(call, kind, add(call, kind))),
  },
  {
    name: `Fetch${kind.singular}`,
    product: "messaging",
    method: "GET",
    path: `/v1/Services/{ServiceSid}/${kind.collection}/{Sid}`,
    permission: `${kind.permission}/read`,
    handle: (call) => ok(render(call, kind, find(call, kind))),
  },
  {
    name: `Delete${kind.singular}`,
    product: "messaging",
    method: "DELETE",
    path: `/v1/Services/{ServiceSid}/${kind.collection}/{Sid}`,
    permission: `${kind.permission}/delete`,
    handle(call) {
      call.region.pool.delete(find(call, kind).sid);
      return noContent;
    },
  },
]);

/** The pool's members of one kind. The pool stores numbers and short codes together, but the API lists them separately. */
function members(call: ApiCall, kind: PoolSenderKind): PoolMember[] {
  const { sid } = findService(call, call.params.ServiceSid!);
  return [...call.region.pool.values()].filter(
    (member) => member.serviceSid === sid && kind.owned(call, member.sid) !== undefined,
  );
}

function find(call: ApiCall, kind: PoolSenderKind): PoolMember {
  const member = members(call, kind).find(({ sid }) => sid === call.params.Sid);
  if (member === undefined) throw notFound(call.path);
  return member;
}

/**
 * Adds a sender to the pool. Checks in the same order as Twilio. A sender that belongs to another service must leave that service first.
 */
function add(call: ApiCall, kind: PoolSenderKind): PoolMember {
  const service = findService(call, call.params.ServiceSid!);
  noteUnknown(call, (name) => name === kind.fieldName);
  if (!call.form.has(kind.fieldName))
    throw badRequest(20001, `Missing required parameter: ${kind.fieldName}`);
  const sender = kind.owned(call, call.form.get(kind.fieldName) ?? "");
  if (sender === undefined) throw new TwilioError(404, 21711);
  // Twilio has two error codes: one for a sender that is already in this service, one for a sender in another service.
  const already = call.region.pool.get(sender.sid);
  if (already !== undefined) throw new TwilioError(409, already.serviceSid === service.sid ? 21710 : 21712);
  // A sender that can only do MMS is allowed, so `canText` would be too strict.
  if ("capabilities" in sender && !sender.capabilities.sms && !sender.capabilities.mms)
    throw badRequest(21715);
  if (members(call, kind).length >= LARGEST_POOL) throw badRequest(21714);
  return call.region.join(service.sid, sender.sid);
}

function render(call: ApiCall, kind: PoolSenderKind, member: PoolMember): Record<string, unknown> {
  const sender = kind.owned(call, member.sid)!;
  const date = iso8601(member.dateCreated);
  return {
    account_sid: sender.accountSid,
    service_sid: member.serviceSid,
    sid: member.sid,
    date_created: date,
    date_updated: date,
    ...("phoneNumber" in sender ? { phone_number: sender.phoneNumber } : { short_code: sender.shortCode }),
    country_code: "US",
    capabilities: capabilities(sender),
    url: twilioUrl(call, "messaging", `/v1/Services/${member.serviceSid}/${kind.collection}/${member.sid}`),
  };
}

function capabilities(sender: SimulatedSender): string[] {
  if (!("capabilities" in sender)) return ["SMS"];
  const { voice, sms, mms } = sender.capabilities;
  return [mms && "MMS", sms && "SMS", voice && "Voice"].filter((name) => name !== false);
}
