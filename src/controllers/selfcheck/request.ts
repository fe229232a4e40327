/**
 * The requests of the self-check. A field or header that something on the way is known to change stands in each of
 * them, so that a fault is found before a customer's text meets it (ADR 24).
 */

import { randomUUID } from "node:crypto";
import { type Answered, CHECK_HEADER, checkSignature, createChallenge } from "../../routes/challenge.ts";
import { streamPathOf } from "../../routes/urls.ts";
import type { Pair } from "../../twilio/form.ts";
import { signatureBase } from "../../twilio/signature.ts";
import type { ProbeTarget } from "./target.ts";

/** One request of a self-check, and how its answer is judged. */
export interface CheckRequest {
  headers: Record<string, string>;
  /** The form's fields as a signature takes them, to be compared with what arrived. */
  pairs: readonly Pair[];
  body: string;
  /** Judges the body of a 200. */
  expect(answer: string): Answered;
}

const FORM = "application/x-www-form-urlencoded; charset=utf-8";
/** A SID that Twilio never gives. */
const MESSAGE = `SM${"0".repeat(32)}`;

/** The fields of every text, in Twilio's order. The numbers are Twilio's own for tests. */
const TEXT: readonly Pair[] = [
  ["ToCountry", "US"],
  ["ToState", ""],
  ["SmsMessageSid", MESSAGE],
  ["NumMedia", "0"],
  ["ToCity", ""],
  ["FromZip", "98052"],
  ["SmsSid", MESSAGE],
  ["SmsStatus", "received"],
  ["FromCity", "SAN FRANCISCO"],
  ["Body", "smschannel self-check 📦"],
  ["FromCountry", "US"],
  ["To", "+15005550006"],
  ["NumSegments", "1"],
  ["MessageSid", MESSAGE],
  ["AccountSid", `AC${"0".repeat(32)}`],
  ["From", "+15005550001"],
  ["ApiVersion", "2010-04-01"],
];

/**
 * What texts can contain and things on the way are known to change, one field for each kind of change. Nothing that
 * a firewall would take for an attack: a text that is refused for what it says is another matter.
 */
const ODDITIES: readonly Pair[] = [
  // Twilio sends no name twice, but signs such forms as its libraries read them.
  ["Tag", "one"],
  ["Tag", "two"],
  ["ButtonText", "ends with a blank "],
  ["ButtonPayload", "first line\nsecond line"],
  // The same letter as one character and as two: some software normalises Unicode.
  ["Address", "Caf\u00e9 Cafe\u0301"],
  ["Label", "2 + 2, 100% & don't"],
  ["ButtonType", "a%2Bb"],
];

/**
 * Is it a field that only some texts have, or whose content differs so much that a change in one text may not
 * happen to another?
 */
export const isOfSomeTexts = (name: string) =>
  name === "Body" || ODDITIES.some(([candidate]) => candidate === name);

/**
 * The longest text: 1,600 characters as JavaScript and Twilio count them. Each pair of them takes 12 bytes
 * percent-encoded.
 */
const LONGEST = "📦".repeat(800);

/**
 * Encodes a form as Twilio does, but for one value with `%20` for blanks: `+` and `%20` are both right, and both
 * must arrive.
 */
const encode = (pairs: readonly Pair[]) =>
  pairs
    .map(([name, value]) => {
      const field = new URLSearchParams([[name, value]]).toString();
      return name === "FromCity" ? field.replaceAll("+", "%20") : field;
    })
    .join("&");

/** Encoded once: thousands of routes are checked when a controller starts. */
const form = (pairs: readonly Pair[]) => ({ pairs, body: encode(pairs) });
const FORMS = {
  odd: form([...TEXT, ...ODDITIES]),
  long: form(TEXT.map(([name, value]): Pair => [name, name === "Body" ? LONGEST : value])),
};

/**
 * A request as Twilio sends it, signed as Twilio signs, but with a key of the check's own, and with a challenge in
 * it. `odd` holds everything that is easily changed on the way; `long` is as long as a text can be.
 */
export function twilioLike(target: ProbeTarget, kind: "odd" | "long", nowMs: number): CheckRequest {
  const key = keyOf(target);
  const challenge = createChallenge(key, nowMs, streamPathOf(target.url));
  const text = FORMS[kind];
  const pairs = [...challenge.fields, ...text.pairs];
  return {
    headers: {
      "content-type": FORM,
      "user-agent": "TwilioProxy/1.1",
      accept: "*/*",
      "cache-control": "max-age=259200",
      "x-twilio-signature": checkSignature(key, signatureBase(target.url, pairs)),
      "i-twilio-idempotency-token": randomUUID(),
      [CHECK_HEADER]: challenge.header,
    },
    pairs,
    body: `${challenge.body}&${text.body}`,
    expect: challenge.expect,
  };
}

/**
 * The challenge alone, without a signature: receivers of every version answer it, and nothing on the way has a
 * reason to change or refuse it.
 */
export function plain(target: ProbeTarget, nowMs: number): CheckRequest {
  const { fields, body, expect } = createChallenge(keyOf(target), nowMs, streamPathOf(target.url));
  const headers = { "content-type": FORM, "user-agent": "smschannel-self-check" };
  return { headers, pairs: fields, body, expect };
}

/** The route's check key as bytes. */
const keyOf = (target: ProbeTarget) => ({ ...target, checkKey: Buffer.from(target.checkKey, "base64") });
