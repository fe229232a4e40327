import { Failure } from "../errors.ts";
import { DAY_MS, type Zone, zoneOf } from "./zone.ts";

/** The fields of an OperatingHours' spec that say when the hours are open. */
export interface HoursSpec {
  timeZone: string;
  weekly?: readonly { days: readonly string[]; start: string; end: string }[];
  dates?: readonly { date?: string; from?: string; to?: string; start: string; end: string }[];
  holidays?: readonly { name: string; from: string; to?: string }[];
}

/**
 * A span of time within one local day, in minutes since midnight; `end` is at most 1440. In a list, the spans of a day are
 * sorted and do not touch.
 */
interface Minutes {
  start: number;
  end: number;
}

/**
 * The rule for all days of a stretch, which is a run of local days. Only the rule `weekly` treats the days differently, by
 * weekday.
 */
export type DayRule =
  | { kind: "weekly" }
  | { kind: "dates"; spans: readonly Minutes[] }
  | { kind: "holiday"; name: string };

/**
 * A run of local days with the same rule. Days are counted from 1970-01-01; `from` is the first day of the stretch, and `to` is
 * its last day. The first stretch begins at -Infinity, the last one ends at Infinity.
 */
export interface Stretch {
  from: number;
  to: number;
  rule: DayRule;
}

/**
 * Parsed opening hours. They are immutable and independent of the current time, so they can be kept as long as the spec stays
 * the same.
 */
export interface Hours {
  readonly zone: Zone;
  /** The open spans of each weekday, Sunday first. */
  readonly weekly: readonly (readonly Minutes[])[];
  /** All stretches (runs of local days with the same rule), sorted and without gaps. */
  readonly stretches: readonly Stretch[];
}

/** A span of time in milliseconds since the epoch. `endMs` itself is no longer part of the span. */
export interface Span {
  startMs: number;
  endMs: number;
}

const DAY_MINUTES = 1440;
const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/** Parses a spec that the API server has accepted. Throws a Failure with the reason TimeZoneUnknown. */
export function parseHours(spec: HoursSpec): Hours {
  const zone = zoneOf(spec.timeZone);
  if (zone === undefined)
    throw new Failure(
      "TimeZoneUnknown",
      `timeZone "${spec.timeZone}" is not a name of the IANA time zone database; write one such as America/New_York or Europe/Vienna`,
    );
  const weekly = WEEKDAYS.map((weekday) =>
    joined((spec.weekly ?? []).filter(({ days }) => days.includes(weekday)).map(minutesOf)),
  );
  return { zone, weekly, stretches: stretchesOf(spec) };
}

/** Divides time into stretches. All days of a stretch have the same rule, so a search can skip most of them. */
function stretchesOf({ dates = [], holidays = [] }: HoursSpec): Stretch[] {
  const openings = dates.map((entry) => ({ ...daysOf(entry), spans: [minutesOf(entry)] }));
  const closings = holidays.map((entry) => ({ ...daysOf(entry), name: entry.name }));
  const borders = [...openings, ...closings].flatMap(({ from, to }) => [from, to + 1]);
  const starts = [Number.NEGATIVE_INFINITY, ...new Set(borders.sort((a, b) => a - b))];
  return starts.map((from, i) => {
    const has = (range: { from: number; to: number }) => range.from <= from && from <= range.to;
    const spans = joined(openings.filter(has).flatMap((opening) => opening.spans));
    const holiday = closings.find(has);
    const rule: DayRule =
      spans.length > 0
        ? { kind: "dates", spans }
        : holiday !== undefined
          ? { kind: "holiday", name: holiday.name }
          : { kind: "weekly" };
    return { from, to: (starts[i + 1] ?? Number.POSITIVE_INFINITY) - 1, rule };
  });
}

function daysOf({ date, from, to }: { date?: string; from?: string; to?: string }) {
  const first = dayOf(date ?? from!);
  return { from: first, to: date === undefined && to !== undefined ? dayOf(to) : first };
}

const dayOf = (date: string) => Date.parse(`${date}T00:00:00Z`) / DAY_MS;

function minutesOf({ start, end }: { start: string; end: string }): Minutes {
  return { start: minuteOf(start), end: minuteOf(end) };
}

const minuteOf = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));

/**
 * The local day at this instant. When clocks go back over midnight, the new day goes on although clocks show the old date
 * again.
 */
export function dayAt({ zone }: Hours, instantMs: number): number {
  let day = Math.floor(zone.localAt(instantMs) / DAY_MS);
  while (zone.startOf((day + 1) * DAY_MS) <= instantMs) day++;
  return day;
}

/** The stretch that contains this local day. */
export function stretchAt({ stretches }: Hours, day: number): Stretch {
  let [low, high] = [0, stretches.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (stretches[middle]!.from <= day) low = middle;
    else high = middle - 1;
  }
  return stretches[low]!;
}

/**
 * The open spans of the local days `first` to `last`, sorted, with touching spans joined. A span belongs to the day on which it
 * starts, even when it ends after the last midnight of that day.
 */
export function openSpans(hours: Hours, first: number, last: number): Span[] {
  const spans: { start: number; end: number }[] = [];
  for (let day = first; day <= last; day++)
    for (const minutes of minutesOn(hours, day)) {
      const start = hours.zone.startOf(day * DAY_MS + minutes.start * 60_000);
      const end = hours.zone.endOf(day * DAY_MS + minutes.end * 60_000);
      // Clocks can skip a whole span when they go forward; nothing is left of such a span.
      if (start < end) spans.push({ start, end });
    }
  return joined(spans).map(({ start, end }) => ({ startMs: start, endMs: end }));
}

/** Whether all these local days are open from midnight to midnight. Such days form one open span, even where clocks change. */
export function openThroughout(hours: Hours, first: number, last: number): boolean {
  for (let day = first; day <= last; day++) {
    const [span, ...more] = minutesOn(hours, day);
    if (more.length > 0 || span?.start !== 0 || span.end !== DAY_MINUTES) return false;
  }
  return true;
}

function minutesOn(hours: Hours, day: number): readonly Minutes[] {
  const { rule } = stretchAt(hours, day);
  if (rule.kind === "dates") return rule.spans;
  // 4 is added to the day because 1970-01-01, the day 0, was a Thursday, and `weekly` begins with Sunday.
  return rule.kind === "holiday" ? [] : hours.weekly[(((day + 4) % 7) + 7) % 7]!;
}

/**
 * Sorts the spans and joins those that touch, so that fifty spans that make up a whole day become one. That saves time, because
 * a search for the next closing time reads the spans of hundreds of days.
 */
function joined(spans: { start: number; end: number }[]): { start: number; end: number }[] {
  const result: { start: number; end: number }[] = [];
  for (const span of spans.sort((a, b) => a.start - b.start)) {
    const before = result.at(-1);
    if (before !== undefined && span.start <= before.end) before.end = Math.max(before.end, span.end);
    else result.push({ ...span });
  }
  return result;
}
