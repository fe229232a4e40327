/** Somebody else keeps changing the webhook: how often, within which time, counts as a contest. */
export const CONTEST_CHANGES = 3;
export const CONTEST_WINDOW_MS = 3_600_000;

/** A contest under way: since when the webhook has not changed, for which generation of the object, and what was seen. */
export interface Contest {
  sinceMs: number;
  generation: number;
  /** Fingerprint of the foreign webhook; the webhook itself may carry a password. */
  seen: string;
}

export interface ContestInput {
  /** When we set somebody else's change back, in ms. */
  repairs: readonly number[];
  contest: Contest | undefined;
  /** Fingerprint of the foreign webhook that is there now. */
  seen: string;
  generation: number;
  now: number;
}

/** Two writers must not fight for ever: the third foreign change within an hour is left alone, until things calm down. */
export function judgeContest({ repairs, contest, seen, generation, now }: ContestInput): "repair" | Contest {
  if (contest === undefined) {
    const changes = recentRepairs(repairs, now).length + 1;
    return changes < CONTEST_CHANGES ? "repair" : { sinceMs: now, generation, seen };
  }
  if (contest.generation !== generation) return "repair";
  if (contest.seen !== seen) return { sinceMs: now, generation, seen };
  return now - contest.sinceMs >= CONTEST_WINDOW_MS ? "repair" : contest;
}

export function recentRepairs(repairs: readonly number[], now: number): number[] {
  return repairs.filter((at) => now - at < CONTEST_WINDOW_MS);
}
