import type { OperatingHours, OperatingHoursStatus } from "../../api/index.ts";
import { Failure } from "../../errors.ts";
import { type Hours, parseHours } from "../../hours/hours.ts";
import { stateAt } from "../../hours/state.ts";
import { localDay, upcoming } from "../../hours/upcoming.ts";
import { timeText } from "../../kube/status/conditions.ts";
import type { Outcome, Verdict } from "../../kube/status/summarise.ts";

/**
 * How many entries the CRD allows at most in `status.upcoming`. The list covers fourteen days, which are about thirty
 * entries for an ordinary calendar.
 */
const MOST_UPCOMING = 512;

/** The part of the status that describes the opening hours. */
type Found = Pick<OperatingHoursStatus, "open" | "reason" | "nextTransition" | "upcoming">;

/**
 * Computes the status of the opening hours at `now`, and when it must be computed again. Pure: the clock is an
 * argument.
 */
export function outcomeOf({ spec }: OperatingHours, now: number): Outcome {
  let hours: Hours;
  try {
    hours = parseHours(spec);
  } catch (error) {
    if (error instanceof Failure) return { verdicts: [unknown(error)], status: {} };
    throw error;
  }
  const state = stateAt(hours, now);
  const today = localDay(hours, now);
  const found: Found = {
    open: state.open,
    reason: state.reason,
    ...(state.nextTransition === undefined ? {} : { nextTransition: timeText(state.nextTransition) }),
    // `status.upcoming` starts at the last local midnight and not at the present time, so that it changes once a
    // day and not with each attempt. Each change is a status write.
    upcoming: upcoming(hours, today.startMs)
      .slice(0, MOST_UPCOMING)
      .map(({ timeMs, ...change }) => ({ time: timeText(timeMs), ...change })),
  };
  // The next attempt is due at the next change of the hours, or at the local midnight when `status.upcoming` moves
  // on, whichever comes first.
  const until = Math.min(state.nextChange ?? Number.POSITIVE_INFINITY, today.endMs);
  return { verdicts: [ready], status: { ...found }, requeueAfterMs: until - now };
}

const ready: Verdict = {
  type: "Ready",
  status: "True",
  reason: "Ready",
  message: "the opening hours are valid",
  class: "good",
};

/**
 * The verdict on a spec whose opening hours cannot be read. The attempt is not repeated, because only a change of
 * the spec can help, and such a change wakes the controller.
 */
function unknown({ reason, message, class: kind }: Failure): Verdict {
  return { type: "Ready", status: "False", reason, message, class: kind };
}
