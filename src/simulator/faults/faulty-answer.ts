import { renderNumber } from "../api/endpoints/numbers.ts";
import type { TwilioError } from "../api/errors.ts";
import type { ApiAnswer, SimulatorContext } from "../api/operation.ts";
import type { ApiAddress } from "../api/router.ts";
import type { SimulatedNumber } from "../state/resources.ts";
import type { SimulatedFault } from "./faults.ts";

/** What is answered instead of doing the work; undefined: the fault lets the work be done. */
export function faultAnswer(fault: SimulatedFault): ApiAnswer | TwilioError | undefined {
  if (fault.kind !== "status") return undefined;
  const headers: Record<string, string> =
    fault.retryAfterSeconds === undefined ? {} : { "retry-after": String(fault.retryAfterSeconds) };
  const isJson = fault.body === "json" || (fault.body === undefined && fault.status < 500);
  if (!isJson) return { status: fault.status, headers: { ...headers, "content-type": "text/html" } };
  const code = { 401: 20003, 404: 20404, 429: 20429 }[fault.status] ?? 20500;
  const message =
    { 20003: "Authenticate", 20404: "Not found", 20429: "Too Many Requests" }[code] ??
    "Internal Server Error";
  const more_info = `https://www.twilio.com/docs/errors/${code}`;
  return { status: fault.status, headers, body: { code, message, more_info, status: fault.status } };
}

export interface Whole {
  status: number;
  text: string;
  fault: SimulatedFault | undefined;
  address: ApiAddress;
  context: SimulatorContext;
}

interface Spoiled {
  status: number;
  text: string;
  contentType?: string;
}

/** The answer as the fault wants it on the wire. */
export function spoil({ status, text, fault, address, context }: Whole): Spoiled {
  // What an edge in front of the API answers: a page for people, no JSON.
  if (fault?.kind === "status" && text === "")
    return { status, text: `<html><body><h1>${status}</h1></body></html>`, contentType: "text/html" };
  if (fault?.kind === "garbage")
    return { status: 200, text: '{"account_sid": "AC', contentType: "application/json" };
  if (fault?.kind === "otherNumber") return { status: 200, text: wrongBody(text, address, context) };
  if (fault?.kind === "nextPage") return { status, text: withNextPage(text, fault.url) };
  if (fault?.kind === "listLacks") return { status, text: without(text, fault.number) };
  return { status, text };
}

/** Only where there is such a list; every other answer is left as it is. */
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

/** Only where there is a list; every other answer is left as it is. */
function withNextPage(text: string, url: string): string {
  const body = JSON.parse(text || "{}") as { next_page_uri?: unknown; meta?: { next_page_url?: unknown } };
  if (body.next_page_uri !== undefined) body.next_page_uri = url;
  if (body.meta?.next_page_url !== undefined) body.meta.next_page_url = url;
  return JSON.stringify(body);
}

/** A body of the right shape about something else: another number where there is one, else the same with another SID. */
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
