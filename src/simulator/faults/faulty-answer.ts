import { renderNumber } from "../api/endpoints/numbers.ts";
import type { TwilioError } from "../api/errors.ts";
import type { ApiAnswer, SimulatorContext } from "../api/operation.ts";
import type { ApiAddress } from "../api/router.ts";
import type { SimulatedNumber } from "../state/resources.ts";
import type { SimulatedFault } from "./faults.ts";

/** The answer that a fault gives without carrying out the call. Undefined: the call is to be carried out. */
export function faultAnswer(fault: SimulatedFault): ApiAnswer | TwilioError | undefined {
  if (fault.kind !== "status") return undefined;
  const headers: Record<string, string> =
    fault.retryAfterSeconds === undefined ? {} : { "retry-after": String(fault.retryAfterSeconds) };
  // Twilio's API writes its own errors as JSON. Errors with a status of 500 or above usually come from a proxy in front of it.
  const isJson = fault.body === "json" || (fault.body === undefined && fault.status < 500);
  if (!isJson) return { status: fault.status, headers: { ...headers, "content-type": "text/html" } };
  const code = { 401: 20003, 404: 20404, 429: 20429 }[fault.status] ?? 20500;
  const message =
    { 20003: "Authenticate", 20404: "Not found", 20429: "Too Many Requests" }[code] ??
    "Internal Server Error";
  const more_info = `https://www.twilio.com/docs/errors/${code}`;
  return { status: fault.status, headers, body: { code, message, more_info, status: fault.status } };
}

/** A call's answer before a fault changes it, and the data of the call that the fault needs for the change. */
export interface IntactAnswer {
  status: number;
  text: string;
  fault: SimulatedFault | undefined;
  address: ApiAddress;
  context: SimulatorContext;
}

interface FaultyAnswer {
  status: number;
  text: string;
  contentType?: string;
}

/** Returns the answer that is sent: changed by the fault, or unchanged when this kind of fault changes no answer. */
export function applyFault({ status, text, fault, address, context }: IntactAnswer): FaultyAnswer {
  // A proxy in front of the API answers an HTML page for people, not JSON.
  if (fault?.kind === "status" && text === "")
    return { status, text: `<html><body><h1>${status}</h1></body></html>`, contentType: "text/html" };
  if (fault?.kind === "garbage")
    return { status: 200, text: '{"account_sid": "AC', contentType: "application/json" };
  // The fault otherNumber changes only the answers of successful calls: a call that is refused stays refused.
  if (fault?.kind === "otherNumber" && status < 300)
    return { status: 200, text: wrongBody(text, address, context) };
  if (fault?.kind === "nextPage") return { status, text: withNextPage(text, fault.url) };
  if (fault?.kind === "listLacks") return { status, text: without(text, fault.number) };
  return { status, text };
}

/** Removes one number or short code from an answer that lists numbers or short codes. Any other answer stays unchanged. */
function without(text: string, number: string): string {
  const body = JSON.parse(text || "{}") as Record<string, unknown>;
  for (const [list, name] of [
    ["incoming_phone_numbers", "phone_number"],
    ["short_codes", "short_code"],
  ] as const) {
    const rows = body[list];
    if (Array.isArray(rows)) body[list] = rows.filter((row) => row[name] !== number);
  }
  return JSON.stringify(body);
}

/** Replaces the next page in a list's answer, in both of Twilio's list formats. Any other answer stays unchanged. */
function withNextPage(text: string, url: string): string {
  const body = JSON.parse(text || "{}") as { next_page_uri?: unknown; meta?: { next_page_url?: unknown } };
  if (body.next_page_uri !== undefined) body.next_page_uri = url;
  if (body.meta?.next_page_url !== undefined) body.meta.next_page_url = url;
  return JSON.stringify(body);
}

/** A well-formed body that describes the wrong resource: another number of the account, or the same resource with a different SID. */
function wrongBody(text: string, address: ApiAddress, context: SimulatorContext): string {
  const body = JSON.parse(text || "{}") as Record<string, unknown>;
  const region = context.state.region(address.region);
  const number = typeof body.sid === "string" ? region.numbers.get(body.sid) : undefined;
  const other: SimulatedNumber | undefined = region.numbers
    .ofAccount(number?.accountSid ?? "")
    .find(({ sid }) => sid !== number?.sid);
  if (other !== undefined) return JSON.stringify(renderNumber(other));
  if (typeof body.sid !== "string") return JSON.stringify(body);
  return JSON.stringify({ ...body, sid: body.sid.replace(/.$/, (last) => (last === "0" ? "1" : "0")) });
}
