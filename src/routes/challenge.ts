import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Route, RouteKey } from "./route.ts";

// The self-check: the controller asks through the public URL whether this very receiver, with this very route, answers.
// Both directions are HMACs under the route's own random key, over different prefixes, so that neither can be turned into
// the other; whoever does not hold the key gets what every stranger gets, and learns nothing.
const ASK = "smschannel self-check 1";
const ANSWER = "smschannel self-check answer 1";

/** How long a challenge can be answered. */
const LIFETIME_MS = 60_000;
/** How far the clocks of controller and receiver may differ. */
const SKEW_MS = 60_000;

type Keyed = RouteKey & Pick<Route, "checkKey">;

export interface Challenge {
  /** The request's body, form-encoded. */
  body: string;
  /** Judges the body of a 200: was it made by somebody who holds the route's key, for this challenge, and from which generation? */
  expect(answer: string): { ok: boolean; generation?: number };
}

export function createChallenge(route: Keyed, nowMs: number): Challenge {
  const challenge = randomBytes(32).toString("base64url");
  const expires = String(nowMs + LIFETIME_MS);
  const mac = macOf(route, ASK, challenge, expires).toString("base64url");
  return {
    body: new URLSearchParams({
      SmsChannelChallenge: challenge,
      SmsChannelExpires: expires,
      SmsChannelMac: mac,
    }).toString(),
    expect(answer) {
      const parts = /^([0-9]{1,15}) ([A-Za-z0-9_-]{43})\n?$/.exec(answer);
      if (parts === null) return { ok: false };
      const [, generation, mac] = parts as unknown as [string, string, string];
      if (!equal(mac, macOf(route, ANSWER, challenge, generation))) return { ok: false };
      return { ok: true, generation: Number(generation) };
    },
  };
}

/** The answer to a challenge that verifies and is still fresh; undefined for everything else. */
export function answerChallenge(
  route: Keyed & Pick<Route, "generation">,
  params: { get(name: string): string | null | undefined },
  nowMs: number,
): string | undefined {
  const challenge = params.get("SmsChannelChallenge");
  const expires = params.get("SmsChannelExpires");
  const mac = params.get("SmsChannelMac");
  if (!challenge || !expires || !mac) return undefined;
  if (!/^[A-Za-z0-9_-]{43}$/.test(challenge) || !/^[0-9]{1,15}$/.test(expires)) return undefined;
  if (!equal(mac, macOf(route, ASK, challenge, expires))) return undefined;
  if (Number(expires) + SKEW_MS < nowMs || Number(expires) > nowMs + LIFETIME_MS + SKEW_MS) return undefined;
  const generation = String(route.generation);
  return `${generation} ${macOf(route, ANSWER, challenge, generation).toString("base64url")}\n`;
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
