/**
 * The requests of the self-check. They contain fields and headers that proxies and firewalls are known to change, so
 * that such a fault is found before it affects the text of a customer (ADR 24).
 */

import { randomUUID } from "node:crypto";
import { type Answered, CHECK_HEADER, checkSignature, createChallenge } from "../../routes/challenge.ts";
import { streamPathOf } from "../../routes/urls.ts";
import type { Pair } from "../../twilio/form.ts";
import { signatureBase } from "../../twilio/signature.ts";
import type { ProbeTarget } from "./target.ts";

/** One request of a self-check, and the function that judges its answer. */
export interface CheckRequest {
  headers: Record<string, string>;
  /** The fields of the form as the signature covers them, for comparison with the request that arrived. */
  pairs: readonly Pair[];
  body: string;
  /** Judges the body of an answer with status 200. */
  expect(answer: string): Answered;
}

const FORM = "application/x-www-form-urlencoded; charset=utf-8";
/** The message SID in the texts of a self-check. Twilio never assigns this SID. */
const MESSAGE = `SM${"0".repeat(32)}`;

/**
 * The fields that every text has, in the order in which Twilio sends them. The phone numbers are the ones that Twilio
 * reserves for tests.
 */
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
 * Fields with content that proxies and firewalls are known to change, one field for each kind of change. They hold
 * nothing that a firewall would take for an attack, because the self-check does not test whether a text is blocked
 * for what it says.
 */
const ODDITIES: readonly Pair[] = [
  // Twilio sends no field name twice, but its libraries define how such a form is signed, so the self-check sends one.
  ["Tag", "one"],
  ["Tag", "two"],
  ["ButtonText", "ends with a blank "],
  ["ButtonPayload", "first line\nsecond line"],
  // The same letter as one character and as two, because some software normalises Unicode.
  ["Address", "Caf\u00e9 Cafe\u0301"],
  ["Label", "2 + 2, 100% & don't"],
  ["ButtonType", "a%2Bb"],
];

/**
 * Whether only some texts have this field, or its content differs so much between texts that a change in one text may
 * not happen to another.
 */
export const isOfSomeTexts = (name: string) =>
  name === "Body" || ODDITIES.some(([candidate]) => candidate === name);

/**
 * The longest text: 1,600 characters as JavaScript and Twilio count them. Each emoji counts as two characters and takes
 * 12 bytes when it is percent-encoded.
 */
const LONGEST = "📦".repeat(800);

/**
 * Encodes a form as Twilio does, except that one value has `%20` for blanks. `+` and `%20` both stand for a blank,
 * and both must arrive unchanged.
 */
const encode = (pairs: readonly Pair[]) =>
  pairs
    .map(([name, value]) => {
      const field = new URLSearchParams([[name, value]]).toString();
      return name === "FromCity" ? field.replaceAll("+", "%20") : field;
    })
    .join("&");

/** The forms are encoded once, because thousands of routes are checked when a controller starts. */
const form = (pairs: readonly Pair[]) => ({ pairs, body: encode(pairs) });
const FORMS = {
  odd: form([...TEXT, ...ODDITIES]),
  long: form(TEXT.map(([name, value]): Pair => [name, name === "Body" ? LONGEST : value])),
};

/**
 * A request as Twilio sends it. It contains a challenge, and is signed as Twilio signs but with a key of the
 * self-check. `odd` holds everything that is easily changed on the way; `long` is as long as a text can be.
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
 * A request with only the challenge and no signature. Receivers of every version answer it, and no proxy or firewall
 * has a reason to change or refuse it.
 */
export function plain(target: ProbeTarget, nowMs: number): CheckRequest {
  const { fields, body, expect } = createChallenge(keyOf(target), nowMs, streamPathOf(target.url));
  const headers = { "content-type": FORM, "user-agent": "smschannel-self-check" };
  return { headers, pairs: fields, body, expect };
}

/** The route's check key as bytes. */
const keyOf = (target: ProbeTarget) => ({ ...target, checkKey: Buffer.from(target.checkKey, "base64") });
