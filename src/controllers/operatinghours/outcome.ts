import type { OperatingHours, OperatingHoursStatus } from "../../api/index.ts";
import { Failure } from "../../errors.ts";
import { type Hours, parseHours } from "../../hours/hours.ts";
import { stateAt } from "../../hours/state.ts";
import { localDay, upcoming } from "../../hours/upcoming.ts";
import { timeText } from "../../kube/status/conditions.ts";
import type { Outcome, Verdict } from "../../kube/status/summarise.ts";

/** What the CRD lets `status.upcoming` hold. Fourteen days of an ordinary calendar are about thirty entries. */
const MOST_UPCOMING = 512;

/** The part of the status that tells of the hours. */
type Found = Pick<OperatingHoursStatus, "open" | "reason" | "nextTransition" | "upcoming">;

/** What the hours say now, and when that will no longer be so. Pure: the clock is an argument. */
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
    // From this midnight on, not from now, so that the list changes once a day and not with each attempt: each
    // change is a status write.
    upcoming: upcoming(hours, today.startMs)
      .slice(0, MOST_UPCOMING)
      .map(({ timeMs, ...change }) => ({ time: timeText(timeMs), ...change })),
  };
  // The next change, or the local midnight at which the list moves on, whichever comes first.
  const until = Math.min(state.nextChange ?? Number.POSITIVE_INFINITY, today.endMs);
  return { verdicts: [ready], status: { ...found }, requeueAfterMs: until - now };
}

const ready: Verdict = {
  type: "Ready",
  status: "True",
  reason: "Ready",
  message: "opening hours are known",
  class: "good",
};

/** No retry: only a change of the spec helps, and that wakes us. */
function unknown({ reason, message, class: kind }: Failure): Verdict {
  return { type: "Ready", status: "False", reason, message, class: kind };
}
