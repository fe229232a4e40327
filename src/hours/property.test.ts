import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type HoursSpec, parseHours } from "./hours.ts";
import { closedPeriodAt, stateAt } from "./state.ts";
import { upcoming } from "./upcoming.ts";

// Compares the code with a second implementation that is as simple as possible. The second one lists what a wall clock shows in
// each minute of ten days, and searches that list for spans. The two implementations share nothing but Intl.

const MINUTE = 60_000;
const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"] as const;

/** Cases by name: a zone, and a local date around which something unusual happens. */
const places: Record<string, [string, string]> = {
  "an ordinary clock change in spring": ["America/New_York", "2026-03-08"],
  "an ordinary clock change in autumn": ["America/New_York", "2026-11-01"],
  "clocks that go half an hour forward": ["Australia/Lord_Howe", "2026-10-04"],
  "clocks that go half an hour back": ["Australia/Lord_Howe", "2026-04-05"],
  "clocks that go two hours forward": ["Antarctica/Troll", "2026-03-29"],
  "clocks that go two hours back": ["Antarctica/Troll", "2026-10-25"],
  "an offset of 5:45 hours": ["Asia/Kathmandu", "2026-02-28"],
  "clocks that move by fifteen minutes for good": ["Asia/Kathmandu", "1986-01-01"],
  "a day that was skipped": ["Pacific/Apia", "2011-12-30"],
  "another day that was skipped": ["Pacific/Kwajalein", "1993-08-21"],
  "a day that came twice": ["Pacific/Kwajalein", "1969-09-30"],
  "a midnight that clocks in Cairo skip": ["Africa/Cairo", "2026-04-24"],
  "clocks that go back over midnight in Cairo": ["Africa/Cairo", "2026-10-30"],
  "a midnight that clocks in Beirut skip": ["Asia/Beirut", "2026-03-29"],
  "clocks that go back over midnight in Beirut": ["Asia/Beirut", "2026-10-25"],
  "a midnight that clocks in Santiago skip": ["America/Santiago", "2026-09-06"],
  "clocks that go back over midnight in Santiago": ["America/Santiago", "2026-04-05"],
  "a midnight that clocks in Havana skip": ["America/Havana", "2026-03-08"],
  "a midnight that clocks in Havana show twice": ["America/Havana", "2026-11-01"],
  "clocks that go back at one minute past midnight": ["America/St_Johns", "2010-11-07"],
  "Ramadan in Casablanca": ["Africa/Casablanca", "2026-02-15"],
  "the end of a year": ["Europe/Vienna", "2026-12-31"],
  "a leap day": ["UTC", "2028-02-29"],
  "the year 2100, which has no leap day": ["Asia/Tokyo", "2100-02-28"],
};

interface ClockRun {
  zone: string;
  /** The beginning of the first of the listed minutes. */
  fromMs: number;
  /** The time that clocks show in each listed minute, in minutes since the epoch, as if the clocks showed UTC. */
  clock: number[];
  dates: string[];
}

function clockRunOf([zone, date]: [string, string]): ClockRun {
  const middle = Date.parse(`${date}T00:00:00Z`);
  const fromMs = middle - 5 * 1440 * MINUTE;
  const format = new Intl.DateTimeFormat("sv-SE", {
    timeZone: zone,
    dateStyle: "short",
    timeStyle: "medium",
  });
  const clock = Array.from({ length: 10 * 1440 }, (_, i) => {
    const shown = Date.parse(`${format.format(fromMs + i * MINUTE).replace(" ", "T")}Z`);
    return shown / MINUTE;
  });
  const near = [-2, -1, 0, 1, 2].map((days) => isoDate(middle / MINUTE + days * 1440));
  return { zone, fromMs, clock, dates: near };
}

const isoDate = (minutes: number) => new Date(minutes * MINUTE).toISOString().slice(0, 10);
const minutesOf = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));

/** For each listed minute: whether the hours are open, and why. This is the second, simple implementation. */
function oracle({ clock }: ClockRun, spec: HoursSpec) {
  const open = clock.map(() => false);
  const days = [...new Set(clock.map((shown) => Math.floor(shown / 1440)))];
  for (const day of days)
    for (const { start, end } of spansOn(spec, day)) {
      let first = 0;
      while (first < clock.length && clock[first]! < day * 1440 + minutesOf(start)) first++;
      let last = clock.length - 1;
      while (last >= 0 && clock[last]! > day * 1440 + minutesOf(end)) last--;
      // When clocks skip the end of a span, the span ends at the moment of the clock change.
      const until = clock[last] === day * 1440 + minutesOf(end) ? last : last + 1;
      open.fill(true, first, Math.max(first, until));
    }
  const holidays = new Map(days.map((day) => [day, holidayOn(spec, day)]));
  let begun = Number.NEGATIVE_INFINITY;
  return clock.map((shown, i) => {
    begun = Math.max(begun, Math.floor(shown / 1440));
    if (open[i]) return "Open";
    const holiday = holidays.get(begun);
    return holiday === undefined ? "Closed" : `Holiday ${holiday}`;
  });
}

function spansOn(spec: HoursSpec, day: number) {
  const date = isoDate(day * 1440);
  const special = spec.dates!.filter(
    (entry) => (entry.date ?? entry.from!) <= date && date <= (entry.date ?? entry.to!),
  );
  if (special.length > 0) return special;
  if (spec.holidays!.some(({ from, to = from }) => from <= date && date <= to)) return [];
  return spec.weekly!.filter(({ days }) => days.includes(DAYS[new Date(`${date}T00:00Z`).getUTCDay()]!));
}

function holidayOn(spec: HoursSpec, day: number): string | undefined {
  const date = isoDate(day * 1440);
  if (spec.dates!.some((entry) => (entry.date ?? entry.from!) <= date && date <= (entry.date ?? entry.to!)))
    return undefined;
  return spec.holidays!.find(({ from, to = from }) => from <= date && date <= to)?.name;
}

const odd = [
  "00:00",
  "00:01",
  "00:30",
  "01:00",
  "01:30",
  "02:00",
  "02:15",
  "02:30",
  "03:00",
  "22:00",
  "23:00",
  "23:01",
  "23:30",
];
const ordinary = fc.integer({ min: 0, max: 95 }).map((quarter) => clockText(quarter * 15));
const clockText = (minute: number) =>
  `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
const times = fc
  .tuple(
    fc.oneof(fc.constantFrom(...odd), ordinary),
    fc.oneof(fc.constantFrom(...odd, "24:00", "24:00"), ordinary),
  )
  .filter(([start, end]) => start < end)
  .map(([start, end]) => ({ start, end }));

function specs({ zone, dates }: ClockRun): fc.Arbitrary<HoursSpec> {
  const date = fc.constantFrom(...dates);
  const range = fc.tuple(date, date).map(([a, b]) => (a < b ? { from: a, to: b } : { from: b, to: a }));
  const days = fc.subarray([...DAYS], { minLength: 1 });
  const weekly = fc
    .tuple(fc.oneof(days, fc.constant([...DAYS])), times)
    .map(([days, span]) => ({ days, ...span }));
  const special = fc
    .tuple(
      fc.oneof(
        date.map((date) => ({ date })),
        range,
      ),
      times,
    )
    .map(([when, span]) => ({ ...when, ...span }));
  const holiday = fc
    .tuple(fc.constantFrom("Easter", "New Year"), range)
    .map(([name, when]) => ({ name, ...when }));
  return fc.record({
    timeZone: fc.constant(zone),
    weekly: fc.array(weekly, { maxLength: 4 }),
    dates: fc.array(special, { maxLength: 2 }),
    holidays: fc.array(holiday, { maxLength: 2 }),
  });
}

/**
 * Only the minutes from FIRST to LAST, the middle of the ten days, are compared: at the edges, spans that begin on days outside
 * of the ten are missing.
 */
const [FIRST, LAST] = [3 * 1440, 8 * 1440];

describe.each(Object.entries(places))("hours around %s", (_, where) => {
  const place = clockRunOf(where);
  const moments = fc.tuple(
    fc.integer({ min: FIRST, max: LAST - 1 }),
    fc.integer({ min: 0, max: MINUTE - 1 }),
  );

  test("the hours are open exactly when a second, simple implementation says so", { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(specs(place), fc.array(moments, { minLength: 8, maxLength: 8 }), (spec, moments) => {
        const expected = oracle(place, spec);
        const hours = parseHours(spec);
        for (const [minute, ms] of moments) {
          const at = place.fromMs + minute * MINUTE + ms;
          const seen = stateAt(hours, at);
          expect(textOf(seen)).toBe(expected[minute]);
          const isOpen = (i: number) => expected[i] === "Open";
          const flip = next(minute, (i) => isOpen(i) !== isOpen(minute));
          expect(within(seen.nextTransition)).toBe(flip);
          expect(within(seen.nextChange)).toBe(next(minute, (i) => expected[i] !== expected[minute]));
          const period = closedPeriodAt(hours, at);
          expect(period === undefined).toBe(isOpen(minute));
          if (period === undefined) continue;
          expect(within(period.endMs)).toBe(flip);
          const before = expected.findLastIndex((text, i) => i < minute && text === "Open");
          if (before >= FIRST) expect(period.startMs).toBe(place.fromMs + (before + 1) * MINUTE);
          else
            expect(period.startMs ?? Number.NEGATIVE_INFINITY).toBeLessThanOrEqual(
              place.fromMs + FIRST * MINUTE,
            );
        }
      }),
      { numRuns: 20 },
    );
    function next(minute: number, differs: (i: number) => boolean) {
      for (let i = minute + 1; i < LAST; i++) if (differs(i)) return place.fromMs + i * MINUTE;
      return "later, or never";
    }
    function within(at: number | undefined) {
      return at === undefined || at >= place.fromMs + LAST * MINUTE ? "later, or never" : at;
    }
  });

  test("the list of upcoming changes has each minute at which the state changes, and each clock change", {
    timeout: 60_000,
  }, () => {
    fc.assert(
      fc.property(specs(place), fc.integer({ min: FIRST, max: LAST - 4 * 1440 }), (spec, minute) => {
        const expected = oracle(place, spec);
        const from = place.fromMs + minute * MINUTE;
        // The list is asked for two more days than are compared, since one of the days may have been skipped.
        const list = upcoming(parseHours(spec), from, 5).filter(
          ({ timeMs }) => timeMs < from + 3 * 1440 * MINUTE,
        );
        const seen = list.map((entry) => `${entry.timeMs} ${textOf(entry)} ${entry.daylightSaving ?? ""}`);
        const wanted: string[] = [];
        for (let i = minute; i < minute + 3 * 1440; i++) {
          const step = place.clock[i]! - place.clock[i - 1]! - 1;
          const clocks = step === 0 ? "" : step > 0 ? "Starts" : "Ends";
          if (clocks !== "" || expected[i] !== expected[i - 1])
            wanted.push(`${place.fromMs + i * MINUTE} ${expected[i]} ${clocks}`);
        }
        expect(seen).toEqual(wanted);
      }),
      { numRuns: 20 },
    );
  });
});

function textOf({ reason, holiday }: { reason: string; holiday?: string }) {
  return holiday === undefined ? reason : `${reason} ${holiday}`;
}
