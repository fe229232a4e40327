/**
 * When to stop repairing a webhook. Another tool that also insists on its URL (a second cluster, Terraform, a
 * script) would otherwise flip a live number back and forth for ever, and texts would arrive at random places (ADR
 * 14).
 */

/**
 * So many foreign changes within so much time count as a contest. One is a slip and two may be a person who tries
 * things out; no person changes the same number three times in an hour and means all of it.
 */
export const CONTEST_CHANGES = 3;
export const CONTEST_WINDOW_MS = 3_600_000;

/** A contest under way. */
export interface Contest {
  /** Since when the webhook has not changed. */
  sinceMs: number;
  /** The object's generation when it began: a new spec is the user's word that the other writer was stopped. */
  generation: number;
  /**
   * Fingerprint of the foreign webhook. Not the webhook itself, which may hold a password and would stand in the
   * records.
   */
  seen: string;
}

/** Everything the judgement depends on. */
export interface ContestInput {
  /** When we set a foreign change back, in ms since the epoch: it must outlive the process. */
  repairs: readonly number[];
  contest: Contest | undefined;
  /** Fingerprint of the foreign webhook that is there now. */
  seen: string;
  generation: number;
  now: number;
}

/**
 * Repair it, or leave the number alone as long as the returned contest lasts. It ends with a new generation of the
 * object, or after an hour in which the webhook did not change; a further foreign change starts that hour again.
 */
export function judgeContest({ repairs, contest, seen, generation, now }: ContestInput): "repair" | Contest {
  if (contest === undefined) {
    const changes = recentRepairs(repairs, now).length + 1;
    return changes < CONTEST_CHANGES ? "repair" : { sinceMs: now, generation, seen };
  }
  if (contest.generation !== generation) return "repair";
  if (contest.seen !== seen) return { sinceMs: now, generation, seen };
  return now - contest.sinceMs >= CONTEST_WINDOW_MS ? "repair" : contest;
}

/** The repairs that still count; older ones are dropped from the record so that it does not grow. */
export function recentRepairs(repairs: readonly number[], now: number): number[] {
  return repairs.filter((at) => now - at < CONTEST_WINDOW_MS);
}
