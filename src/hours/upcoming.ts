import { dayAt, type Hours, openSpans } from "./hours.ts";
import { labelOf, MARGIN_DAYS, type OpeningState } from "./state.ts";
import { DAY_MS } from "./zone.ts";

/** The state from `timeMs` on. `daylightSaving` is set when clocks go forward (Starts) or back (Ends) at that time. */
export interface Upcoming extends OpeningState {
  timeMs: number;
  daylightSaving?: "Starts" | "Ends";
}

/**
 * All changes in the next `days` local days from `fromMs` on, sorted: openings, closings, clock changes, and holidays that
 * begin or end during closed time. A change at `fromMs` itself is included.
 */
export function upcoming(hours: Hours, fromMs: number, days = 14): Upcoming[] {
  const { zone } = hours;
  const toMs = zone.startOf(zone.localAt(fromMs) + days * DAY_MS);
  const [first, last] = [dayAt(hours, fromMs), dayAt(hours, toMs)];
  const spans = openSpans(hours, first - MARGIN_DAYS, last + MARGIN_DAYS);
  let next = 0;
  /**
   * The state at an instant. Calls must be in the order of time: each call goes on in the list of spans where the last call
   * stopped, and need not search the whole list. With fifty openings a day the list has a thousand spans.
   */
  const stateAt = (instantMs: number) => {
    while (next < spans.length && spans[next]!.endMs <= instantMs) next++;
    const open = next < spans.length && spans[next]!.startMs <= instantMs;
    return labelOf(hours, dayAt(hours, instantMs), open);
  };
  const clocks = new Map(zone.changesBetween(fromMs, toMs).map((change) => [change.atMs, change]));
  const midnights = Array.from({ length: last - first + 1 }, (_, i) => zone.startOf((first + i) * DAY_MS));
  const times = [...spans.flatMap(({ startMs, endMs }) => [startMs, endMs]), ...midnights, ...clocks.keys()];

  let before = stateAt(fromMs - 1);
  const result: Upcoming[] = [];
  for (const timeMs of [...new Set(times)].sort((a, b) => a - b)) {
    if (timeMs < fromMs || timeMs >= toMs) continue;
    const state = stateAt(timeMs);
    const clock = clocks.get(timeMs);
    if (clock !== undefined)
      result.push({ timeMs, ...state, daylightSaving: clock.afterMs > clock.beforeMs ? "Starts" : "Ends" });
    else if (state.reason !== before.reason || state.holiday !== before.holiday)
      result.push({ timeMs, ...state });
    before = state;
  }
  return result;
}

/** When the local day of this instant begins, and when the next local day begins. */
export function localDay(hours: Hours, instantMs: number): { startMs: number; endMs: number } {
  const day = dayAt(hours, instantMs);
  const { zone } = hours;
  let next = day + 1;
  // A day that clocks skip begins at the same instant as the day after it, so it is not the next day.
  while (zone.startOf(next * DAY_MS) <= instantMs) next++;
  return { startMs: zone.startOf(day * DAY_MS), endMs: zone.startOf(next * DAY_MS) };
}
