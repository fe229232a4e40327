import { dayAt, type Hours, openSpans, openThroughout, stretchAt } from "./hours.ts";
import { DAY_MS } from "./zone.ts";

/** Whether the hours are open at an instant, for `status` and for the reply that a customer gets. */
export interface OpeningState {
  open: boolean;
  reason: "Open" | "Closed" | "Holiday";
  /** The holiday's name; set when `reason` is Holiday. */
  holiday?: string;
}

/**
 * `nextTransition` is when the hours open or close next. `nextChange` is when any value of the state changes next. Each of the
 * two is absent when that never happens.
 */
export interface StateAt extends OpeningState {
  nextTransition?: number;
  nextChange?: number;
}

/**
 * How many more days to read before and after the days that are searched: a span reaches into other days when clocks go back
 * over midnight. The largest such step was nearly a day, on Kwajalein in 1969.
 */
export const MARGIN_DAYS = 2;
/** How many days are searched in one step, as a chunk: most calendars open and close within a week. */
const CHUNK_DAYS = 8;
/**
 * How many chunks of days are searched in a stretch, which is a run of days with the same rule. Within a stretch everything
 * repeats each week, except for a span that clocks happen to skip in one week. So hours that do not change in three weeks of a
 * stretch do not change before the stretch ends.
 */
const CHUNKS_PER_STRETCH = 3;

/** Whether the hours are open at this instant, why, and until when. Pure. */
export function stateAt(hours: Hours, instantMs: number): StateAt {
  const state = labelAt(hours, instantMs);
  const nextTransition = flipAfter(hours, instantMs, state.open);
  const nextHoliday = state.open ? undefined : holidayChangeAfter(hours, instantMs, state.holiday);
  const nextChange = earliest(nextTransition, nextHoliday);
  return {
    ...state,
    ...(nextTransition === undefined ? {} : { nextTransition }),
    ...(nextChange === undefined ? {} : { nextChange }),
  };
}

/**
 * The closed time around this instant, from the last closing to the next opening, across holidays and free days. Undefined
 * while the hours are open. Without `startMs` the hours were never open before; without `endMs` they never open again. `reason`
 * is the reason at this instant.
 */
export function closedPeriodAt(
  hours: Hours,
  instantMs: number,
): { startMs?: number; endMs?: number; reason: "Closed" | "Holiday" } | undefined {
  const { open, reason } = labelAt(hours, instantMs);
  if (open || reason === "Open") return undefined;
  const startMs = closingBefore(hours, instantMs);
  const endMs = flipAfter(hours, instantMs, false);
  return { reason, ...(startMs === undefined ? {} : { startMs }), ...(endMs === undefined ? {} : { endMs }) };
}

function labelAt(hours: Hours, instantMs: number): OpeningState {
  const day = dayAt(hours, instantMs);
  const spans = openSpans(hours, day - MARGIN_DAYS, day);
  return labelOf(
    hours,
    day,
    spans.some(({ startMs, endMs }) => startMs <= instantMs && instantMs < endMs),
  );
}

/**
 * Why the hours are open or closed. On a holiday with special opening hours the reason for closed time is Closed and not
 * Holiday, because the special hours replace the holiday.
 */
export function labelOf(hours: Hours, day: number, open: boolean): OpeningState {
  const { rule } = stretchAt(hours, day);
  if (open) return { open, reason: "Open" };
  return rule.kind === "holiday"
    ? { open, reason: "Holiday", holiday: rule.name }
    : { open, reason: "Closed" };
}

/** When the hours close next if they are open, or open next if they are closed. */
function flipAfter(hours: Hours, instantMs: number, isOpen: boolean): number | undefined {
  for (const { first, last } of daysAhead(hours, dayAt(hours, instantMs))) {
    // When all these days are open from midnight to midnight, nothing closes inside them. A closing at their edge is found when
    // the days next to them are searched. Skipping such days saves time: a calendar can be open for centuries.
    if (isOpen && openThroughout(hours, first, last)) continue;
    // A span at the edge of the days that are read may continue on days that are not read. So where a span really starts and
    // ends is known only for the days inside the margin of MARGIN_DAYS.
    const spans = openSpans(hours, first - MARGIN_DAYS, last + MARGIN_DAYS);
    if (spans.length === 0) continue;
    const until = hours.zone.startOf((last + MARGIN_DAYS) * DAY_MS);
    // A change at `until` itself does not count. Where clocks skip a day, the day after it begins at `until`, and the spans of
    // that later day are not in this list.
    const from = Math.max(instantMs + 1, hours.zone.startOf((first - MARGIN_DAYS + 1) * DAY_MS));
    const flip = spans
      .map(({ startMs, endMs }) => (isOpen ? endMs : startMs))
      .find((at) => at >= from && at < until);
    if (flip !== undefined) return flip;
  }
  return undefined;
}

/** The end of the last open span that ended at or before the instant. */
function closingBefore(hours: Hours, instantMs: number): number | undefined {
  for (const { first, last } of daysBack(hours, dayAt(hours, instantMs))) {
    const spans = openSpans(hours, first - MARGIN_DAYS, last + MARGIN_DAYS);
    const end = spans.findLast(({ endMs }) => endMs <= instantMs);
    if (end !== undefined && end.endMs > hours.zone.startOf((first - MARGIN_DAYS + 1) * DAY_MS))
      return end.endMs;
  }
  return undefined;
}

function holidayChangeAfter(
  hours: Hours,
  instantMs: number,
  holiday: string | undefined,
): number | undefined {
  const { stretches, zone } = hours;
  const index = stretches.indexOf(stretchAt(hours, dayAt(hours, instantMs)));
  for (const { from, rule } of stretches.slice(index + 1)) {
    // Skip holidays of the same name: a calendar can list centuries of them.
    if ((rule.kind === "holiday" ? rule.name : undefined) === holiday) continue;
    const at = zone.startOf(from * DAY_MS);
    // Check which day it is at that instant: when clocks skip a whole day, a holiday on that day never takes place.
    if (at > instantMs && labelOf(hours, dayAt(hours, at), false).holiday !== holiday) return at;
  }
  return undefined;
}

interface Days {
  first: number;
  last: number;
}

/** Yields, in chunks, the days to search from `day` on: the first weeks of each stretch of days with the same rule. */
function* daysAhead(hours: Hours, day: number): Generator<Days> {
  let stretch = stretchAt(hours, day);
  for (let from = day; ; from = stretch.from) {
    for (let chunk = 0; chunk < CHUNKS_PER_STRETCH && from <= stretch.to; chunk++, from += CHUNK_DAYS)
      yield { first: from, last: Math.min(stretch.to, from + CHUNK_DAYS - 1) };
    if (stretch.to === Number.POSITIVE_INFINITY) return;
    stretch = stretchAt(hours, stretch.to + 1);
  }
}

/** Yields, in chunks, the days to search from `day` backwards: the last weeks of each stretch of days with the same rule. */
function* daysBack(hours: Hours, day: number): Generator<Days> {
  let stretch = stretchAt(hours, day);
  for (let to = day; ; to = stretch.to) {
    for (let chunk = 0; chunk < CHUNKS_PER_STRETCH && to >= stretch.from; chunk++, to -= CHUNK_DAYS)
      yield { first: Math.max(stretch.from, to - CHUNK_DAYS + 1), last: to };
    if (stretch.from === Number.NEGATIVE_INFINITY) return;
    stretch = stretchAt(hours, stretch.from - 1);
  }
}

function earliest(...times: (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
