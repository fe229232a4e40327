import { dayAt, type Hours, openSpans, openThroughout, stretchAt } from "./hours.ts";
import { DAY_MS } from "./zone.ts";

/** What is so at an instant, for `status` and for the reply that a customer gets. */
export interface OpeningState {
  open: boolean;
  reason: "Open" | "Closed" | "Holiday";
  /** The holiday's name, where that is the reason. */
  holiday?: string;
}

/** `nextTransition`: when it opens or closes next, `nextChange`: when anything of this changes; absent when never. */
export interface StateAt extends OpeningState {
  nextTransition?: number;
  nextChange?: number;
}

/** Spans reach into other days where clocks go back over midnight; once, in 1969 on Kwajalein, by nearly a day. */
export const MARGIN_DAYS = 2;
/** Days looked at together; most calendars open and close within them. */
const CHUNK_DAYS = 8;
/**
 * In a stretch of one rule everything repeats after a week, but for a span that clocks happen to skip in one week; what has
 * not happened within three does not happen before the stretch ends.
 */
const CHUNKS_PER_STRETCH = 3;

/** Is it open at this instant, why, and until when. Pure. */
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
 * The whole time between closing and opening again that this instant is in, holidays and free days in a row included;
 * undefined while it is open. No `startMs`: it was never open before; no `endMs`: it never opens again. `reason` is the
 * instant's own.
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

/** A special opening takes the holiday's place: closed before and after it is Closed, not Holiday. */
export function labelOf(hours: Hours, day: number, open: boolean): OpeningState {
  const { rule } = stretchAt(hours, day);
  if (open) return { open, reason: "Open" };
  return rule.kind === "holiday"
    ? { open, reason: "Holiday", holiday: rule.name }
    : { open, reason: "Closed" };
}

/** When what is open closes, or what is closed opens. */
function flipAfter(hours: Hours, instantMs: number, isOpen: boolean): number | undefined {
  for (const { first, last } of daysAhead(hours, dayAt(hours, instantMs))) {
    // Nothing closes there; what closes at its edge is found from the days beside it. A calendar can have centuries of this.
    if (isOpen && openThroughout(hours, first, last)) continue;
    // Only the days inside are known well enough at both sides to tell where a span really starts and ends.
    const spans = openSpans(hours, first - MARGIN_DAYS, last + MARGIN_DAYS);
    if (spans.length === 0) continue;
    const until = hours.zone.startOf((last + MARGIN_DAYS) * DAY_MS);
    // At `until` itself a span can go on: where clocks skip a day, the day after it begins there, and is not among these spans.
    const from = Math.max(instantMs + 1, hours.zone.startOf((first - MARGIN_DAYS + 1) * DAY_MS));
    const flip = spans
      .map(({ startMs, endMs }) => (isOpen ? endMs : startMs))
      .find((at) => at >= from && at < until);
    if (flip !== undefined) return flip;
  }
  return undefined;
}

/** The last time, up to and including the instant, at which an open span ended. */
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
    // Holidays of one name can follow one another for centuries.
    if ((rule.kind === "holiday" ? rule.name : undefined) === holiday) continue;
    const at = zone.startOf(from * DAY_MS);
    // By the day at that instant: where clocks skip a whole day, a holiday on it never is.
    if (at > instantMs && labelOf(hours, dayAt(hours, at), false).holiday !== holiday) return at;
  }
  return undefined;
}

interface Days {
  first: number;
  last: number;
}

/** The days worth looking at from `day` on: the beginning of each stretch, in chunks. */
function* daysAhead(hours: Hours, day: number): Generator<Days> {
  let stretch = stretchAt(hours, day);
  for (let from = day; ; from = stretch.from) {
    for (let chunk = 0; chunk < CHUNKS_PER_STRETCH && from <= stretch.to; chunk++, from += CHUNK_DAYS)
      yield { first: from, last: Math.min(stretch.to, from + CHUNK_DAYS - 1) };
    if (stretch.to === Number.POSITIVE_INFINITY) return;
    stretch = stretchAt(hours, stretch.to + 1);
  }
}

/** The same backwards: the end of each stretch. */
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
