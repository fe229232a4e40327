import { Failure } from "../errors.ts";
import { DAY_MS, type Zone, zoneOf } from "./zone.ts";

/** The spec of an OperatingHours, as far as it says when it is open. */
export interface HoursSpec {
  timeZone: string;
  weekly?: readonly { days: readonly string[]; start: string; end: string }[];
  dates?: readonly { date?: string; from?: string; to?: string; start: string; end: string }[];
  holidays?: readonly { name: string; from: string; to?: string }[];
}

/** Local minutes since midnight; `end` up to 1440. Those of one day are in order and do not touch. */
interface Minutes {
  start: number;
  end: number;
}

/** What is so on each day of a stretch of local days: `weekly` is the only one that differs from day to day. */
export type DayRule =
  | { kind: "weekly" }
  | { kind: "dates"; spans: readonly Minutes[] }
  | { kind: "holiday"; name: string };

/** Local days, counted from 1970-01-01. `from` and `to` belong to it; the first has no beginning and the last no end. */
export interface Stretch {
  from: number;
  to: number;
  rule: DayRule;
}

/** Opening hours, ready to be asked. Immutable; holds no instant, so that it is good for as long as the spec is. */
export interface Hours {
  readonly zone: Zone;
  /** By day of the week, Sunday first. */
  readonly weekly: readonly (readonly Minutes[])[];
  /** In order and without a gap. */
  readonly stretches: readonly Stretch[];
}

/** A part of time, in milliseconds since the epoch; `endMs` no longer belongs to it. */
export interface Span {
  startMs: number;
  endMs: number;
}

const DAY_MINUTES = 1440;
const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/** Reads a spec that the API server has accepted. Throws the Failure TimeZoneUnknown. */
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

/** Which days have a rule of their own. Days between two borders are all alike, so that a search can skip them. */
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

/** The local day that has begun last. Where clocks go back over midnight the new day stays begun. */
export function dayAt({ zone }: Hours, instantMs: number): number {
  let day = Math.floor(zone.localAt(instantMs) / DAY_MS);
  while (zone.startOf((day + 1) * DAY_MS) <= instantMs) day++;
  return day;
}

/** The stretch that this local day is in. */
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
 * When it is open by what the local days `first` to `last` say, in order, touching spans joined. A span belongs to the day on
 * which it starts, also where it ends after that day's last midnight.
 */
export function openSpans(hours: Hours, first: number, last: number): Span[] {
  const spans: { start: number; end: number }[] = [];
  for (let day = first; day <= last; day++)
    for (const minutes of minutesOn(hours, day)) {
      const start = hours.zone.startOf(day * DAY_MS + minutes.start * 60_000);
      const end = hours.zone.endOf(day * DAY_MS + minutes.end * 60_000);
      // Nothing is left of a span that clocks skip.
      if (start < end) spans.push({ start, end });
    }
  return joined(spans).map(({ start, end }) => ({ startMs: start, endMs: end }));
}

/** Are these local days open from midnight to midnight? Then they are one span together, whatever clocks do. */
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
  // 1970-01-01 was a Thursday.
  return rule.kind === "holiday" ? [] : hours.weekly[(((day + 4) % 7) + 7) % 7]!;
}

/**
 * In order, touching ones as one. Fifty spans that make up a whole day are then one: a search for the time when it closes looks at
 * each span of hundreds of days.
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
