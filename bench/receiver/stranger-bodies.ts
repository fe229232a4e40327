import { ACCOUNT, URL_OF_STREAM } from "./server.ts";

/**
 * The kinds of strangers: clients without a valid signature. Each kind sends the most expensive request of its kind; docs/adr/0027 says
 * what such a request may cost.
 */
export type StrangerKind = keyof typeof STRANGERS;

const PATH = new URL(URL_OF_STREAM).pathname;
const KIB = 1024;
const FORM = "Content-Type: application/x-www-form-urlencoded";
const CHUNKED = "Transfer-Encoding: chunked";
/** A header that looks like a signature. Without a signature, or without an account that has a route, the receiver reads no large body. */
const SIGNED_WRONGLY = `X-Twilio-Signature: ${"A".repeat(27)}=`;
const NAMES_THE_ACCOUNT = `AccountSid=${ACCOUNT}`;

function request(headers: string[], body: string): Buffer {
  const length = headers.includes(CHUNKED) ? [] : [`Content-Length: ${body.length}`];
  const head = [`POST ${PATH} HTTP/1.1`, "Host: sms.example.com", ...headers, ...length];
  return Buffer.from(`${head.join("\r\n")}\r\n\r\n${body}`);
}

/** A form with fields of equal size, `bytes` in total. The first field names the account. */
function fields(count: number, bytes: number, value: string): string {
  const each = Math.floor(bytes / count) - 6;
  const fill = value.repeat(Math.max(1, Math.floor(each / value.length)));
  const others = Array.from({ length: count - 1 }, (_, i) => `f${String(i).padStart(3, "0")}=${fill}`);
  return [NAMES_THE_ACCOUNT, ...others].join("&");
}

const plain = (bytes: number) => `${NAMES_THE_ACCOUNT}&Body=`.padEnd(bytes, "a");
const chunks = (bytes: number) => `${"1\r\na\r\n".repeat(bytes)}0\r\n\r\n`;

/** The kinds of strangers by their names in the report's table, each with the bytes that one connection sends. */
export const STRANGERS = {
  "a field, unsigned": request([FORM], "a=1"),
  "4 KiB, signed wrongly": request([FORM, SIGNED_WRONGLY], plain(4 * KIB)),
  "32 KiB in 128 fields that are no UTF-8": request([FORM, SIGNED_WRONGLY], fields(128, 32 * KIB, "%ff")),
  "32 KiB in 1,000 fields that are no UTF-8": request([FORM, SIGNED_WRONGLY], fields(1000, 32 * KIB, "%ff")),
  "256 KiB, unsigned": request([FORM], plain(256 * KIB)),
  "256 KiB, signed wrongly": request([FORM, SIGNED_WRONGLY], plain(256 * KIB)),
  "256 KiB of JSON": request(["Content-Type: application/json"], `"${"a".repeat(256 * KIB - 2)}"`),
  "256 KiB in chunks of a byte": request([FORM, SIGNED_WRONGLY, CHUNKED], chunks(256 * KIB)),
  "64 KiB of requests sent at once": Buffer.from(
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(Math.floor((64 * KIB) / 27)),
  ),
} as const;
