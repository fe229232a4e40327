import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Route, RouteKey } from "./route.ts";

// In a self-check, the controller sends a request like Twilio's to the public URL. It learns whether one of our receivers answers, which
// version of the route that receiver has, and how the request arrived there. Challenge and answer carry HMACs under the route's own random
// key. The prefixes of the HMACs differ, so that a challenge cannot be sent back as its own answer. A request without a valid HMAC is
// treated like that of any unauthenticated client, which learns nothing.
const ASK = "smschannel self-check 1";
const ANSWER = "smschannel self-check answer 1";
const REPORT = "smschannel self-check report 2";
const SIGNATURE = "smschannel self-check signature 2";

/** How long a challenge is valid: longer than any self-check takes, and too short to be of use to somebody who recorded it. */
const LIFETIME_MS = 60_000;
/** How far the clocks of controller and receiver may differ. */
const SKEW_MS = 60_000;

/**
 * The random part of a challenge begins with this text when the sender can read reports. Older receivers take the text for random bytes
 * and give the older form of answer, so that controller and receivers can be upgraded in any order.
 */
const READS_REPORTS = "c2VsZmNoZWNr";

/**
 * The header in which the challenge is sent once more, so that a receiver recognises a self-check even when something on the way changed
 * the body.
 */
export const CHECK_HEADER = "x-smschannel-check";

type Keyed = RouteKey & Pick<Route, "checkKey">;

/** A challenge as a receiver got it. `isGenuine` says whether the controller made it. */
export interface Asked {
  challenge: string;
  expires: string;
  mac: string;
  /**
   * The stream that is checked, as `{namespace}/{stream}`. It is in the challenge, because the path of the request may have been changed
   * on the way.
   */
  path: string | undefined;
}

/** What a receiver reports about itself and about the request that brought the challenge. */
export interface Report {
  /** The generation of the route that this receiver has. */
  generation: number;
  /** True when the database of the receiver takes texts. */
  storeTakes: boolean;
  /** True when nothing on the way spoiled the request: a text from Twilio that was changed in the same way would have been accepted. */
  fits: boolean;
  method: string;
  /** Path and query of the request. */
  target: string;
  contentType?: string;
  /** The value of the header X-Twilio-Signature. */
  signature?: string;
  /** The bytes of the body as base64. Present only when `fits` is false, to find out what was changed. */
  body?: string;
}

/** What the controller learns from the answer to a challenge. */
export type Answered =
  | { ok: false }
  /** The answer of an older receiver has no report. */
  | { ok: true; generation: number; report?: Report };

/** A challenge that the controller sends: as fields of a form, as a header and as a body. */
export interface Challenge {
  /** The fields to put before all other fields of the form. */
  fields: [name: string, value: string][];
  /** The challenge as a value for the header `CHECK_HEADER`. */
  header: string;
  /** A form-encoded body of the challenge's fields alone. Receivers of all versions answer it even when the request has no signature. */
  body: string;
  /**
   * Reads the body of an answer with status 200. `ok` is false unless the answer was made with the route's key for exactly this challenge.
   */
  expect(answer: string): Answered;
}

/** Makes a new challenge for a self-check of the route. `path` is the stream that is checked, as `{namespace}/{stream}`. */
export function createChallenge(route: Keyed, nowMs: number, path?: string): Challenge {
  const challenge = READS_REPORTS + randomBytes(23).toString("base64url");
  const expires = String(nowMs + LIFETIME_MS);
  const mac = macOf(route, ASK, challenge, expires).toString("base64url");
  const fields: [string, string][] = [
    ["SmsChannelChallenge", challenge],
    ["SmsChannelExpires", expires],
    ["SmsChannelMac", mac],
    ...(path === undefined ? [] : [["SmsChannelRoute", path] as [string, string]]),
  ];
  return {
    fields,
    header: [challenge, expires, mac, ...(path === undefined ? [] : [path])].join("."),
    body: new URLSearchParams(fields).toString(),
    expect: (answer) => plainAnswer(route, challenge, answer) ?? reported(route, challenge, answer),
  };
}

function plainAnswer(route: Keyed, challenge: string, answer: string): Answered | undefined {
  const parts = /^([0-9]{1,15}) ([A-Za-z0-9_-]{43})\n?$/.exec(answer);
  if (parts === null) return undefined;
  const [, generation, mac] = parts as unknown as [string, string, string];
  if (!equal(mac, macOf(route, ANSWER, challenge, generation))) return { ok: false };
  return { ok: true, generation: Number(generation) };
}

function reported(route: Keyed, challenge: string, answer: string): Answered {
  const parts = /^(\{.*\})\n([A-Za-z0-9_-]{43})\n?$/.exec(answer);
  if (parts === null) return { ok: false };
  const [, json, mac] = parts as unknown as [string, string, string];
  if (!equal(mac, macOf(route, REPORT, challenge, json))) return { ok: false };
  // The MAC is right, so a receiver of ours wrote the report. It has the fields of `Report`, and a later version may have added some.
  const report = JSON.parse(json) as Report;
  return { ok: true, generation: report.generation, report };
}

/** Reads a challenge from the value of the header. Undefined when the value does not have the form of a challenge. */
export function askedInHeader(value: string | string[] | undefined): Asked | undefined {
  if (typeof value !== "string" || value.length > LONGEST_HEADER) return undefined;
  const parts = /^([\w-]{43})\.([0-9]{1,15})\.([\w-]{43})(?:\.([\w.-]+\/[\w.-]+))?$/.exec(value);
  if (parts === null) return undefined;
  const [, challenge, expires, mac, path] = parts as unknown as [string, string, string, string, string?];
  return { challenge, expires, mac, path };
}

const LONGEST_HEADER = 512;
/**
 * The largest requests of Twilio have 16 KiB. We do not search for a challenge in a body of more than twice that size: the search would
 * cost the sender nothing and us much.
 */
const LARGEST_BODY = 32 * 1024;

/** Reads a challenge from the fields of a body. The bytes need no decoding, because only the slash of the path may be percent-encoded. */
export function askedInBody(body: Buffer): Asked | undefined {
  if (body.length > LARGEST_BODY || !body.includes("SmsChannelChallenge=")) return undefined;
  const text = body.toString("latin1");
  const value = (name: string, pattern: string) =>
    new RegExp(`(?:^|&)${name}=(${pattern})(?:&|$)`).exec(text)?.[1];
  const challenge = value("SmsChannelChallenge", "[\\w-]{43}");
  const expires = value("SmsChannelExpires", "[0-9]{1,15}");
  const mac = value("SmsChannelMac", "[\\w-]{43}");
  if (challenge === undefined || expires === undefined || mac === undefined) return undefined;
  const path = value("SmsChannelRoute", "[\\w.-]{1,63}(?:/|%2[Ff])[\\w.-]{1,253}");
  return { challenge, expires, mac, path: path?.replace(/%2f/i, "/") };
}

/** True when the challenge was made with the key of this route and is still valid. */
export function isGenuine(route: Keyed, { challenge, expires, mac }: Asked, nowMs: number): boolean {
  if (!equal(mac, macOf(route, ASK, challenge, expires))) return false;
  return Number(expires) + SKEW_MS >= nowMs && Number(expires) <= nowMs + LIFETIME_MS + SKEW_MS;
}

/** The body of the answer to a genuine challenge, in the newest form that the sender of the challenge can read. */
export function answerTo(route: Keyed, { challenge }: Asked, report: Report): string {
  if (!challenge.startsWith(READS_REPORTS)) {
    const generation = String(report.generation);
    return `${generation} ${macOf(route, ANSWER, challenge, generation).toString("base64url")}\n`;
  }
  const json = JSON.stringify(report);
  return `${json}\n${macOf(route, REPORT, challenge, json).toString("base64url")}\n`;
}

/**
 * Makes the X-Twilio-Signature of a self-check. It has the form of Twilio's signature and covers the same bytes, so that whatever spoils a
 * text's signature spoils this signature, too. But it uses the key of the self-check and a prefix, so that it can never pass for the
 * signature of a text.
 */
export function checkSignature({ checkKey }: Pick<Route, "checkKey">, base: Uint8Array): string {
  return createHmac("sha1", checkKey).update(`${SIGNATURE}\n`).update(base).digest("base64");
}

/** The HMAC of the parts, one part per line. No part can contain a line break, so different parts never give the same bytes. */
function macOf(route: Keyed, ...parts: string[]): Buffer {
  return createHmac("sha256", route.checkKey)
    .update([...parts, route.namespaceUid, route.stream, route.accountSid].join("\n"))
    .digest();
}

function equal(given: string, want: Buffer): boolean {
  const got = Buffer.from(given, "base64url");
  return got.length === want.length && timingSafeEqual(got, want);
}
