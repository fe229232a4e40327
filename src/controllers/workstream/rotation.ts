import type { TokenRecord } from "../records/record.ts";

/** How long a token that was overwritten still verifies, at the most. */
export const FORMER_TOKEN_MS = 24 * 3_600_000;
/** How long after the first text signed by a newer token. */
export const AFTER_NEWER_SEEN_MS = 3_600_000;
/**
 * More former tokens than these are not kept. Twilio has two tokens at a time, so that far fewer are ever in use; but whoever
 * owns an account can make new ones all day, and each takes room in a Secret that other tenants share.
 */
export const MOST_FORMER_TOKENS = 8;

export interface RotationInput {
  /** The tokens as recorded. */
  known: readonly TokenRecord[];
  /** The Secret's tokens that Twilio accepts now, in the Secret's order. */
  accepted: readonly string[];
  /** When a text signed by this token was first accepted since it became current, where that is known. */
  firstAcceptedAt(token: string): number | undefined;
  /** The user asked that former tokens end now. */
  forget: boolean;
  now: number;
}

/**
 * Decides which tokens verify signatures. A text may be signed by the former token until it is promoted at Twilio, which the
 * operator cannot see coming; so a token that leaves the Secret goes on until one signed by a newer token has been accepted
 * for an hour, a day at the most. Current tokens come first and have no end.
 */
export function rotate({ known, accepted, firstAcceptedAt, forget, now }: RotationInput): TokenRecord[] {
  const current: TokenRecord[] = accepted.map((token) => ({ token }));
  if (forget) return current;
  const newerSeen = accepted.map(firstAcceptedAt).filter((at) => at !== undefined);
  const former = known
    .filter(({ token }) => !accepted.includes(token))
    .map((record) => retire(record, newerSeen, now))
    .filter(({ notAfterMs }) => notAfterMs > now)
    // What was current a moment ago stands before what was former already: the newest come first.
    .slice(0, MOST_FORMER_TOKENS);
  return [...current, ...former];
}

function retire(record: TokenRecord, newerSeen: readonly number[], now: number) {
  const retiredAtMs = record.retiredAtMs ?? now;
  // A text that a current token signed before this one was retired proves nothing about the promotion: with two keys in the
  // Secret both were current, and only texts from after that moment tell which one Twilio signs with.
  const proof = newerSeen.map((at) => Math.max(at, retiredAtMs) + AFTER_NEWER_SEEN_MS);
  const notAfterMs = Math.min(
    record.notAfterMs ?? Number.POSITIVE_INFINITY,
    retiredAtMs + FORMER_TOKEN_MS,
    ...proof,
  );
  return { token: record.token, retiredAtMs, notAfterMs };
}

/** When a former token ends next, so that the controller wakes to compile it away. */
export function nextTokenEnd(tokens: readonly TokenRecord[]): number | undefined {
  const ends = tokens.flatMap(({ notAfterMs }) => (notAfterMs === undefined ? [] : [notAfterMs]));
  return ends.length === 0 ? undefined : Math.min(...ends);
}
