/**
 * Decides when to stop repairing a webhook. Another tool may also insist on its own URL: a second cluster,
 * Terraform, a script. Without a limit a live number would be switched back and forth for ever, and texts would
 * arrive at random places (ADR 14).
 */

/**
 * Three foreign changes of one webhook within an hour count as a contest. One change is a slip, and two may be a
 * person who tries things out; but no person changes the same number three times in an hour on purpose.
 */
export const CONTEST_CHANGES = 3;
/**
 * One hour. Foreign changes within this time count together, and a contest ends when the webhook has not changed
 * for this time.
 */
export const CONTEST_WINDOW_MS = 3_600_000;

/** A contest in progress: some other writer keeps changing the webhook. */
export interface Contest {
  /** The time since which the webhook has not changed. */
  sinceMs: number;
  /**
   * The SmsNumber's generation when the contest began. A new generation means that the user edited the spec, which
   * counts as the sign that the other writer was stopped.
   */
  generation: number;
  /** Fingerprint of the foreign webhook. The webhook itself is not recorded, because it may hold a password. */
  seen: string;
}

/** The input of `judgeContest`. */
export interface ContestInput {
  /**
   * The times at which the operator undid a foreign change, in milliseconds since the epoch. They are wall-clock
   * times, because they must outlive the process.
   */
  repairs: readonly number[];
  contest: Contest | undefined;
  /** Fingerprint of the foreign webhook that is at Twilio now. */
  seen: string;
  generation: number;
  now: number;
}

/**
 * Returns `repair` if the webhook is to be set back, or the contest during which the operator leaves the webhook
 * alone. A contest ends with a new generation of the SmsNumber, or after an hour in which the webhook did not
 * change. Another foreign change starts that hour again.
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

/**
 * Returns the repairs of the last hour. Older repairs no longer count towards a contest, and are dropped from the
 * record so that it does not grow.
 */
export function recentRepairs(repairs: readonly number[], now: number): number[] {
  return repairs.filter((at) => now - at < CONTEST_WINDOW_MS);
}
