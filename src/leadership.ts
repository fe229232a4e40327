/**
 * What a process must know to act for all replicas of an installation: that no other process leads, and for how long this is
 * certain. The clients that change something outside of this process check this before each request, so that no caller can
 * forget to check.
 */

/** One stretch of leadership. A term whose signal has aborted is over for good, even when this process leads again later. */
export interface Term {
  readonly signal: AbortSignal;
  /** For how long no other process can begin to lead; 0 when the term is over. */
  remainingMs(): number;
  /**
   * Throws LeadershipLost when less than `ms` remain. A request that takes `ms` could then end after another process has begun
   * to lead.
   */
  assertTime(ms: number): void;
}

/** What a client checks before a request: a term, or an elector, which stands for its current term. */
export type Leadership = Pick<Term, "assertTime">;

/** A term that never ends, for a process that is the only one to do its work. */
export const ALWAYS: Term = {
  signal: new AbortController().signal,
  remainingMs: () => Number.POSITIVE_INFINITY,
  assertTime: () => {},
};

export class LeadershipLost extends Error {
  override readonly name = "LeadershipLost";
}
