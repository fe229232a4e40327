import { asRaw, type InboxKind, type InboxRow } from "../inbox/rows.ts";
import type { Route } from "../routes/route.ts";
import type { UrlKind } from "../routes/urls.ts";
import type { RequestFields } from "./fields.ts";

/** A request whose signature and account were verified. */
export interface Verified {
  kind: UrlKind;
  route: Route;
  query: string | undefined;
  body: Buffer;
  fields: RequestFields;
  /** The signature that was verified. */
  signature: string;
}

/**
 * Makes the row to store for a verified request. Undefined when the request names no message. All columns but the body are cleaned here,
 * so that nothing a customer writes can make the insert fail.
 */
export function rowOf({ kind, route, query, body, fields, signature }: Verified): InboxRow | undefined {
  const messageSid = fields.get("MessageSid");
  if (!messageSid) return undefined;
  const event = kind === "status" ? statusOf(fields) : "";
  const [to, from] = [fields.get("To") ?? "", fields.get("From") ?? ""];
  const [ours, theirs] = kind === "status" ? [from, to] : [to, from];
  const row: InboxRow = {
    kind: kindOf(kind, route, ours),
    namespaceUid: route.namespaceUid,
    stream: route.stream,
    generation: route.generation,
    accountSid: route.accountSid,
    messageSid,
    event: event ?? "",
    ourNumber: partyOf(ours),
    customer: partyOf(theirs),
    query: query === undefined || query === "" ? null : query,
    body,
    signature,
  };
  // A message SID that is not of the known form is stored, because Twilio may send one some day, but it is not used as a key. The reason:
  // Twilio signs the fields without separators between them. So a recorded request can be cut into fields differently, with the name of the
  // next field inside the value of MessageSid.
  return SID.test(messageSid) && event !== undefined ? row : asRaw(row);
}

const SID = /^(SM|MM)[0-9a-f]{32}$/;

/**
 * The kind of the row. A text to a number that the stream does not have, or over WhatsApp or the like, is `unrouted`: it is stored but
 * never answered.
 */
function kindOf(kind: UrlKind, route: Route, to: string): InboxKind {
  if (kind === "status") return kind;
  return hasNumber(route, to) ? kind : "unrouted";
}

/** True when `address` is one of the numbers of the stream. The address of another channel, such as `whatsapp:+1…`, never is. */
export function hasNumber(route: Pick<Route, "numbers">, address: string): boolean {
  const digits = digitsOf(address);
  return digits !== undefined && route.numbers.includes(digits);
}

/** The digits of `+14255550123` or of the short code `12345`. Undefined for `whatsapp:+1…`, `rcs:…` and everything else. */
function digitsOf(address: string): string | undefined {
  if (!/^\+?[0-9]{3,15}$/.test(address)) return undefined;
  return address.charCodeAt(0) === 0x2b ? address.slice(1) : address;
}

/**
 * The digits of a number. In any other address, such as a sender's name or `whatsapp:+1…`, control characters are replaced: PostgreSQL
 * stores no NUL, and the other control characters garble logs.
 */
function partyOf(address: string): string | null {
  if (address === "") return null;
  return digitsOf(address) ?? clean(address);
}

/** All states of a message that Twilio documents: https://www.twilio.com/docs/messaging/api/message-resource#message-status-values */
const STATES = new Set([
  "accepted",
  "scheduled",
  "queued",
  "sending",
  "sent",
  "delivered",
  "undelivered",
  "partially_delivered",
  "read",
  "failed",
  "canceled",
  "receiving",
  "received",
]);

/** The event of a status callback, such as `delivered` or `failed:30003`. Undefined for an unknown state or a malformed error code. */
function statusOf(fields: RequestFields): string | undefined {
  const status = fields.get("MessageStatus") || fields.get("SmsStatus") || "";
  if (!STATES.has(status)) return undefined;
  const errorCode = fields.get("ErrorCode");
  if (!errorCode) return status;
  return /^[0-9]{1,6}$/.test(errorCode) ? `${status}:${errorCode}` : undefined;
}

const clean = (text: string) =>
  text
    .slice(0, 64)
    .toWellFormed()
    .replace(/\p{Cc}/gu, "\ufffd");
