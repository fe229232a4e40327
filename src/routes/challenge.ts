import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Route, RouteKey } from "./route.ts";

// The self-check: the controller asks through the public URL whether this very receiver, with this very route, answers, and what
// arrives there of a request like Twilio's. Both directions are HMACs under the route's own random key, over different prefixes,
// so that neither can be turned into the other; whoever does not hold the key gets what every stranger gets, and learns nothing.
const ASK = "smschannel self-check 1";
const ANSWER = "smschannel self-check answer 1";
const REPORT = "smschannel self-check report 2";
const SIGNATURE = "smschannel self-check signature 2";

/** How long a challenge can be answered. */
const LIFETIME_MS = 60_000;
/** How far the clocks of controller and receiver may differ. */
const SKEW_MS = 60_000;

/**
 * What the random part of a challenge begins with when the asker reads reports. Receivers that know no reports take it for
 * random bytes, and answer as they always did; so controller and receivers can be upgraded in any order.
 */
const READS_REPORTS = "c2VsZmNoZWNr";

/** The challenge as a header's value: so it is known again when the body has become another on the way. */
export const CHECK_HEADER = "x-smschannel-check";

type Keyed = RouteKey & Pick<Route, "checkKey">;

/** A challenge as it was received; nothing is proven yet. */
export interface Asked {
  challenge: string;
  expires: string;
  mac: string;
  /** `{namespace}/{stream}` that the asker means, for a request whose path was changed on the way. */
  path: string | undefined;
}

/** What a receiver says of itself and of the request that brought the challenge. */
export interface Report {
  /** Of the route, as this receiver has it. */
  generation: number;
  /** Does its store take texts? */
  storeTakes: boolean;
  /** Would a text of Twilio's that arrived like this have been taken? */
  fits: boolean;
  method: string;
  /** Path and query. */
  target: string;
  contentType?: string;
  /** The value of X-Twilio-Signature. */
  signature?: string;
  /** The body's bytes, as base64; only where the request does not fit. */
  body?: string;
}

export type Answered =
  | { ok: false }
  /** Without a report: from a receiver that knows none. */
  | { ok: true; generation: number; report?: Report };

export interface Challenge {
  /** To stand before all other fields of a form. */
  fields: [name: string, value: string][];
  /** The same as the value of `CHECK_HEADER`. */
  header: string;
  /** The fields alone, form-encoded: what a receiver of any version answers when no signature comes with it. */
  body: string;
  /** Judges the body of a 200: was it made by somebody who holds the route's key, for this challenge, and what does it say? */
  expect(answer: string): Answered;
}

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
  // Whoever holds the key made it: its shape is that of `Report`, perhaps with more of a later version.
  const report = JSON.parse(json) as Report;
  return { ok: true, generation: report.generation, report };
}

/** The challenge in a header's value; undefined when it has not the form of one. */
export function askedInHeader(value: string | string[] | undefined): Asked | undefined {
  if (typeof value !== "string" || value.length > LONGEST_HEADER) return undefined;
  const parts = /^([\w-]{43})\.([0-9]{1,15})\.([\w-]{43})(?:\.([\w.-]+\/[\w.-]+))?$/.exec(value);
  if (parts === null) return undefined;
  const [, challenge, expires, mac, path] = parts as unknown as [string, string, string, string, string?];
  return { challenge, expires, mac, path };
}

const LONGEST_HEADER = 512;
/** The largest request of Twilio's has 16 KiB; beyond twice as much nobody's challenge is looked for. */
const LARGEST_BODY = 32 * 1024;

/** The challenge among a body's fields. Reads the bytes as they are: none of the values needs an escape but the path's slash. */
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

/** Was this challenge made by somebody who holds the route's key, not long ago? */
export function isGenuine(route: Keyed, { challenge, expires, mac }: Asked, nowMs: number): boolean {
  if (!equal(mac, macOf(route, ASK, challenge, expires))) return false;
  return Number(expires) + SKEW_MS >= nowMs && Number(expires) <= nowMs + LIFETIME_MS + SKEW_MS;
}

/** The body of the answer to a genuine challenge, in the form that its asker reads. */
export function answerTo(route: Keyed, { challenge }: Asked, report: Report): string {
  if (!challenge.startsWith(READS_REPORTS)) {
    const generation = String(report.generation);
    return `${generation} ${macOf(route, ANSWER, challenge, generation).toString("base64url")}\n`;
  }
  const json = JSON.stringify(report);
  return `${json}\n${macOf(route, REPORT, challenge, json).toString("base64url")}\n`;
}

/**
 * What stands in X-Twilio-Signature of a self-check: of the same form as Twilio's and over the same bytes, but with the check's
 * key and after a line of its own. It is good for no text.
 */
export function checkSignature({ checkKey }: Pick<Route, "checkKey">, base: Uint8Array): string {
  return createHmac("sha1", checkKey).update(`${SIGNATURE}\n`).update(base).digest("base64");
}

/** Each part on a line of its own: none of them can hold a line break, so no two lists of parts give the same bytes. */
function macOf(route: Keyed, ...parts: string[]): Buffer {
  return createHmac("sha256", route.checkKey)
    .update([...parts, route.namespaceUid, route.stream, route.accountSid].join("\n"))
    .digest();
}

function equal(given: string, want: Buffer): boolean {
  const got = Buffer.from(given, "base64url");
  return got.length === want.length && timingSafeEqual(got, want);
}
