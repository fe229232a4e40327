/**
 * What a process must know to act for all replicas of an installation: that nobody else leads, and for how long for certain. The
 * clients that change something outside of this process ask before each request, so that no caller can forget to.
 */

/** One stretch of leadership. Over for good once its signal has aborted, even when the next one follows. */
export interface Term {
  readonly signal: AbortSignal;
  /** How long nobody else can lead for certain; 0 once over. */
  remainingMs(): number;
  /** Throws LeadershipLost when less than `ms` remain: a request that takes `ms` could end after another process has begun to lead. */
  assertTime(ms: number): void;
}

/** Whoever may ask before a request: a term, or an elector for the term under way. */
export type Leadership = Pick<Term, "assertTime">;

/** For a process that is the only one to do its work. */
export const ALWAYS: Term = {
  signal: new AbortController().signal,
  remainingMs: () => Number.POSITIVE_INFINITY,
  assertTime: () => {},
};

export class LeadershipLost extends Error {
  override readonly name = "LeadershipLost";
}
