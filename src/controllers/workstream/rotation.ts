/**
 * Decides which tokens verify signatures while a token is being replaced. A Twilio account has a primary and a
 * secondary token. Both can log in, but texts are signed with the primary until the user promotes the secondary in
 * the console. The operator cannot see that moment. So the old and the new token must both verify signatures around
 * that moment, and the old one must end some time later.
 */

import type { TokenRecord } from "../records/record.ts";

/** How long a token that left the Secret still verifies signatures at the most. */
export const FORMER_TOKEN_MS = 24 * 3_600_000;
/**
 * How long a former token still verifies signatures after the first text that was signed with a newer token. Twilio
 * may retry an older text in that time.
 */
export const AFTER_NEWER_SEEN_MS = 3_600_000;
/**
 * How many former tokens are kept at the most. Twilio has two tokens at a time, so few are ever in use. But the
 * owner of an account can make new tokens all day, and each token takes space in a Secret that tenants share.
 */
export const MOST_FORMER_TOKENS = 8;

/** The recorded tokens, the tokens that Twilio accepts, and what receivers have seen. */
export interface RotationInput {
  /** The recorded tokens of the route. */
  known: readonly TokenRecord[];
  /** The tokens in the Secret that Twilio accepts now, in the order in which the Secret has them. */
  accepted: readonly string[];
  /**
   * When a receiver first accepted a text signed with this token, as far as this process knows. Undefined if no such
   * text is known.
   */
  firstAcceptedAt(token: string): number | undefined;
  /** True when the user asked that former tokens end now, for example after a leak. */
  forget: boolean;
  now: number;
}

/**
 * Decides which tokens verify signatures. A token that left the Secret stays valid until an hour after a text signed
 * with a newer token was first accepted. After a day it ends in any case. Current tokens come first and have no end.
 * Pure.
 */
export function rotate({ known, accepted, firstAcceptedAt, forget, now }: RotationInput): TokenRecord[] {
  const current: TokenRecord[] = accepted.map((token) => ({ token }));
  if (forget) return current;
  const newerSeen = accepted.map(firstAcceptedAt).filter((at) => at !== undefined);
  const former = known
    .filter(({ token }) => !accepted.includes(token))
    .map((record) => retire(record, newerSeen, now))
    .filter(({ notAfterMs }) => notAfterMs > now)
    // Tokens that were current until now stand before the tokens that were already former, so the newest former
    // tokens are kept.
    .slice(0, MOST_FORMER_TOKENS);
  return [...current, ...former];
}

/** Gives a former token its end. Once an end was set, it can only become earlier. */
function retire(record: TokenRecord, newerSeen: readonly number[], now: number) {
  const retiredAtMs = record.retiredAtMs ?? now;
  // A text that a current token signed before the former token was retired does not prove a promotion: with two
  // tokens in the Secret, both were current then. Only texts from after the retirement show which token Twilio
  // signs with.
  const proof = newerSeen.map((at) => Math.max(at, retiredAtMs) + AFTER_NEWER_SEEN_MS);
  const notAfterMs = Math.min(
    record.notAfterMs ?? Number.POSITIVE_INFINITY,
    retiredAtMs + FORMER_TOKEN_MS,
    ...proof,
  );
  return { token: record.token, retiredAtMs, notAfterMs };
}

/**
 * When the next former token ends, so that the controller wakes up to remove it from the receivers' Secrets;
 * undefined when none ends.
 */
export function nextTokenEnd(tokens: readonly TokenRecord[]): number | undefined {
  const ends = tokens.flatMap(({ notAfterMs }) => (notAfterMs === undefined ? [] : [notAfterMs]));
  return ends.length === 0 ? undefined : Math.min(...ends);
}
