/**
 * Which tokens verify signatures while a token is being exchanged. Twilio has two tokens, primary and secondary;
 * both log in at once, but texts are signed with the primary until the user promotes the secondary in the console.
 * That moment cannot be seen from outside, so old and new must both verify around it, and the old one must end some
 * time.
 */

import type { TokenRecord } from "../records/record.ts";

/** How long a token that left the Secret still verifies, at the most. */
export const FORMER_TOKEN_MS = 24 * 3_600_000;
/**
 * How long it still verifies after the first text signed by a newer token: Twilio may retry an older text
 * meanwhile.
 */
export const AFTER_NEWER_SEEN_MS = 3_600_000;
/**
 * No more former tokens than these are kept. Twilio has two at a time, so few are ever in use; but the owner of an
 * account can make new ones all day, and each takes room in a Secret that tenants share.
 */
export const MOST_FORMER_TOKENS = 8;

/** What is recorded, what Twilio accepts, and what receivers have seen. */
export interface RotationInput {
  /** The tokens as recorded. */
  known: readonly TokenRecord[];
  /** The Secret's tokens that Twilio accepts now, in the Secret's order. */
  accepted: readonly string[];
  /** When a text signed by this token was first accepted since the token became current, where that is known. */
  firstAcceptedAt(token: string): number | undefined;
  /** The user asked that former tokens end now, as after a leak. */
  forget: boolean;
  now: number;
}

/**
 * Decides which tokens verify signatures. A token that leaves the Secret goes on until texts signed by a newer one
 * have been accepted for an hour, a day at the most. Current tokens come first and have no end. Pure.
 */
export function rotate({ known, accepted, firstAcceptedAt, forget, now }: RotationInput): TokenRecord[] {
  const current: TokenRecord[] = accepted.map((token) => ({ token }));
  if (forget) return current;
  const newerSeen = accepted.map(firstAcceptedAt).filter((at) => at !== undefined);
  const former = known
    .filter(({ token }) => !accepted.includes(token))
    .map((record) => retire(record, newerSeen, now))
    .filter(({ notAfterMs }) => notAfterMs > now)
    // Tokens that were current a moment ago stand before those that were former already, so the newest stay.
    .slice(0, MOST_FORMER_TOKENS);
  return [...current, ...former];
}

/** The token with its end. An end that was set once only moves closer. */
function retire(record: TokenRecord, newerSeen: readonly number[], now: number) {
  const retiredAtMs = record.retiredAtMs ?? now;
  // A text that a current token signed before this one was retired proves nothing about a promotion: with two keys
  // in the Secret both were current. Only texts from after that moment tell which one Twilio signs with.
  const proof = newerSeen.map((at) => Math.max(at, retiredAtMs) + AFTER_NEWER_SEEN_MS);
  const notAfterMs = Math.min(
    record.notAfterMs ?? Number.POSITIVE_INFINITY,
    retiredAtMs + FORMER_TOKEN_MS,
    ...proof,
  );
  return { token: record.token, retiredAtMs, notAfterMs };
}

/** When a former token ends next, so that the controller wakes to compile it away; undefined when none does. */
export function nextTokenEnd(tokens: readonly TokenRecord[]): number | undefined {
  const ends = tokens.flatMap(({ notAfterMs }) => (notAfterMs === undefined ? [] : [notAfterMs]));
  return ends.length === 0 ? undefined : Math.min(...ends);
}
