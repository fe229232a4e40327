import { describe, expect, test } from "vitest";
import { type HoursSpec, parseHours } from "./hours.ts";
import { closedPeriodAt, stateAt } from "./state.ts";
import { localDay, upcoming } from "./upcoming.ts";

const week = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"];
const all = [...week, "Saturday", "Sunday"];
const office = { days: week, start: "08:00", end: "17:00" };
const day = { days: all, start: "08:00", end: "17:00" };
const always = { days: all, start: "00:00", end: "24:00" };
const vienna = (spec: Omit<HoursSpec, "timeZone">): HoursSpec => ({ timeZone: "Europe/Vienna", ...spec });
const at = (time: string) => Date.parse(time);
const text = (ms: number | undefined) =>
  ms === undefined ? "never" : new Date(ms).toISOString().replace(".000", "");

describe("whether the hours are open at an instant, and until when", () => {
  const rows: Record<string, [HoursSpec, string, string]> = {
    "the hours are open until the last millisecond before the end of a span": [
      vienna({ weekly: [office] }),
      "2026-11-23T15:59:59.999Z",
      "Open until 2026-11-23T16:00:00Z",
    ],
    "the hours are closed at the instant at which a span ends": [
      vienna({ weekly: [office] }),
      "2026-11-23T16:00:00Z",
      "Closed until 2026-11-24T07:00:00Z",
    ],
    "the hours are closed until the last millisecond before the start of a span": [
      vienna({ weekly: [office] }),
      "2026-11-24T06:59:59.999Z",
      "Closed until 2026-11-24T07:00:00Z",
    ],
    "the hours are open at the instant at which a span starts": [
      vienna({ weekly: [office] }),
      "2026-11-24T07:00:00Z",
      "Open until 2026-11-24T16:00:00Z",
    ],
    "hours without a span are never open": [vienna({}), "2026-11-24T07:00:00Z", "Closed until never"],
    "hours that are always open do not change at midnight": [
      vienna({ weekly: [always] }),
      "2026-11-24T22:59:00Z",
      "Open until never",
    ],
    "hours that are always open do not change when clocks do": [
      vienna({ weekly: [always] }),
      "2026-10-25T00:59:59Z",
      "Open until never",
    ],
    "spans that touch are one span": [
      vienna({ weekly: [day, { days: all, start: "17:00", end: "19:30" }] }),
      "2026-11-24T15:00:00Z",
      "Open until 2026-11-24T18:30:00Z",
    ],
    "a span that ends at 24:00 and a span that starts at 00:00 of the next day are one span": [
      vienna({
        weekly: [
          { days: ["Monday"], start: "20:00", end: "24:00" },
          { days: ["Tuesday"], start: "00:00", end: "04:00" },
        ],
      }),
      "2026-11-23T20:00:00Z",
      "Open until 2026-11-24T03:00:00Z",
    ],
    "closed time that lasts from an evening over a holiday and a weekend to a morning is one closed span": [
      vienna({ weekly: [office], holidays: [{ name: "Christmas", from: "2026-12-25", to: "2026-12-26" }] }),
      "2026-12-24T16:00:00Z",
      "Closed until 2026-12-28T07:00:00Z",
    ],
    "a holiday replaces the weekly hours": [
      vienna({ weekly: [day], holidays: [{ name: "Christmas", from: "2026-12-25" }] }),
      "2026-12-25T10:00:00Z",
      "Holiday Christmas until 2026-12-26T07:00:00Z",
    ],
    "a holiday lasts its whole day, also on a day that is closed anyway": [
      vienna({ weekly: [office], holidays: [{ name: "Sunday fair", from: "2026-11-22" }] }),
      "2026-11-22T22:59:59Z",
      "Holiday Sunday fair until 2026-11-23T07:00:00Z",
    ],
    "special opening hours replace a holiday": [
      vienna({
        weekly: [day],
        holidays: [{ name: "Christmas", from: "2026-12-25" }],
        dates: [{ date: "2026-12-25", start: "10:00", end: "12:00" }],
      }),
      "2026-12-25T09:30:00Z",
      "Open until 2026-12-25T11:00:00Z",
    ],
    "on a holiday with special opening hours, the reason outside of those hours is Closed and not Holiday": [
      vienna({
        weekly: [day],
        holidays: [{ name: "Christmas", from: "2026-12-25" }],
        dates: [{ date: "2026-12-25", start: "10:00", end: "12:00" }],
      }),
      "2026-12-25T12:00:00Z",
      "Closed until 2026-12-26T07:00:00Z",
    ],
    "special opening hours replace the weekly hours of the whole day": [
      vienna({ weekly: [day], dates: [{ date: "2026-11-24", start: "20:00", end: "21:00" }] }),
      "2026-11-24T10:00:00Z",
      "Closed until 2026-11-24T19:00:00Z",
    ],
    "a range of dates is open in its span on each of its days": [
      vienna({ dates: [{ from: "2026-11-24", to: "2026-11-26", start: "20:00", end: "21:00" }] }),
      "2026-11-25T20:00:00Z",
      "Closed until 2026-11-26T19:00:00Z",
    ],
    "hours with only past dates never open again": [
      vienna({ dates: [{ date: "2024-02-29", start: "08:00", end: "17:00" }] }),
      "2026-11-25T20:00:00Z",
      "Closed until never",
    ],
    "the next opening is found after years of holidays": [
      vienna({ weekly: [office], holidays: [{ name: "Sabbatical", from: "2026-11-25", to: "2029-11-25" }] }),
      "2026-11-26T10:00:00Z",
      "Holiday Sabbatical until 2029-11-26T07:00:00Z",
    ],
    "the next opening is found when it is on a single date thousands of years ahead": [
      vienna({ dates: [{ date: "9999-12-31", start: "00:00", end: "24:00" }] }),
      "2026-11-26T10:00:00Z",
      "Closed until 9999-12-30T23:00:00Z",
    ],
    "a date in the year 0, which the API server accepts, does not change the weekly hours": [
      vienna({ weekly: [office], dates: [{ date: "0000-01-01", start: "00:00", end: "24:00" }] }),
      "2026-11-24T08:00:00Z",
      "Open until 2026-11-24T16:00:00Z",
    ],
    "a leap day can be open": [
      vienna({ dates: [{ date: "2028-02-29", start: "00:00", end: "24:00" }] }),
      "2028-02-29T12:00:00Z",
      "Open until 2028-02-29T23:00:00Z",
    ],
    "a span whose start clocks skip starts at the moment of the clock change": [
      vienna({ weekly: [{ days: all, start: "02:30", end: "05:00" }] }),
      "2026-03-29T00:30:00Z",
      "Closed until 2026-03-29T01:00:00Z",
    ],
    "a span whose end clocks skip ends at the moment of the clock change": [
      vienna({ weekly: [{ days: all, start: "00:00", end: "02:30" }] }),
      "2026-03-29T00:30:00Z",
      "Open until 2026-03-29T01:00:00Z",
    ],
    "a span that clocks skip from its start to its end is not open on that day": [
      vienna({ weekly: [{ days: ["Sunday"], start: "02:00", end: "03:00" }] }),
      "2026-03-28T12:00:00Z",
      "Closed until 2026-04-05T00:00:00Z",
    ],
    "a break that clocks skip does not interrupt the open time": [
      vienna({
        weekly: [
          { days: all, start: "00:00", end: "02:00" },
          { days: all, start: "03:00", end: "08:00" },
        ],
      }),
      "2026-03-29T00:00:00Z",
      "Open until 2026-03-29T06:00:00Z",
    ],
    "a span whose start clocks show twice starts at the first of the two moments": [
      vienna({ weekly: [{ days: all, start: "02:30", end: "05:00" }] }),
      "2026-10-24T23:00:00Z",
      "Closed until 2026-10-25T00:30:00Z",
    ],
    "a span whose end clocks show twice ends at the second of the two moments": [
      vienna({ weekly: [{ days: all, start: "00:00", end: "02:30" }] }),
      "2026-10-25T00:30:00Z",
      "Open until 2026-10-25T01:30:00Z",
    ],
    "a span that ends at 24:00 ends at the moment of the clock change when clocks skip midnight": [
      { timeZone: "Africa/Cairo", weekly: [{ days: ["Thursday"], start: "20:00", end: "24:00" }] },
      "2026-04-23T20:00:00Z",
      "Open until 2026-04-23T22:00:00Z",
    ],
    "a span that starts at 00:00 starts at the moment of the clock change when clocks skip midnight": [
      { timeZone: "Africa/Cairo", weekly: [{ days: ["Friday"], start: "00:00", end: "24:00" }] },
      "2026-04-23T20:00:00Z",
      "Closed until 2026-04-23T22:00:00Z",
    ],
    "a span that ends at 24:00 lasts until the end of a day of 25 hours": [
      { timeZone: "Africa/Cairo", weekly: [{ days: ["Thursday"], start: "23:00", end: "24:00" }] },
      "2026-10-29T20:30:00Z",
      "Open until 2026-10-29T22:00:00Z",
    ],
    "a span that ends at 24:00 ends at the second midnight when clocks show midnight twice": [
      { timeZone: "America/Havana", weekly: [{ days: ["Saturday"], start: "20:00", end: "24:00" }] },
      "2026-11-01T02:00:00Z",
      "Open until 2026-11-01T05:00:00Z",
    ],
    "a span whose start clocks skip when they go forward by half an hour starts at the moment of the clock change":
      [
        { timeZone: "Australia/Lord_Howe", weekly: [{ days: all, start: "02:15", end: "03:00" }] },
        "2026-10-03T15:00:00Z",
        "Closed until 2026-10-03T15:30:00Z",
      ],
    "a day that a zone skipped is not open": [
      {
        timeZone: "Pacific/Apia",
        dates: [
          { date: "2011-12-30", start: "08:00", end: "17:00" },
          { date: "2011-12-31", start: "09:00", end: "10:00" },
        ],
      },
      "2011-12-30T09:59:59Z",
      "Closed until 2011-12-30T19:00:00Z",
    ],
    "a skipped day does not interrupt a span that is open before and after it": [
      {
        timeZone: "Pacific/Apia",
        dates: [
          { date: "2011-12-28", start: "08:00", end: "24:00" },
          { from: "2011-12-29", to: "2012-01-01", start: "00:00", end: "24:00" },
        ],
      },
      "2011-12-28T23:00:00Z",
      "Open until 2012-01-01T10:00:00Z",
    ],
    "an offset from UTC that is not a whole number of hours is applied": [
      { timeZone: "Asia/Kathmandu", weekly: [day] },
      "2026-01-01T00:00:00Z",
      "Closed until 2026-01-01T02:15:00Z",
    ],
    "a time zone's name may be written in lower case": [
      { timeZone: "europe/vienna", weekly: [office] },
      "2026-11-24T07:00:00Z",
      "Open until 2026-11-24T16:00:00Z",
    ],
  };
  test.each(Object.entries(rows))("%s", (_, [spec, instant, expected]) => {
    const { open, reason, holiday, nextTransition } = stateAt(parseHours(spec), at(instant));
    expect(open).toBe(reason === "Open");
    expect(`${reason}${holiday === undefined ? "" : ` ${holiday}`} until ${text(nextTransition)}`).toBe(
      expected,
    );
  });
});

test("a holiday that begins during closed time is the next change, but the next transition is the next opening", () => {
  const hours = parseHours(
    vienna({ weekly: [office], holidays: [{ name: "Christmas", from: "2026-12-25" }] }),
  );
  const seen = stateAt(hours, at("2026-12-24T20:00:00Z"));
  expect([text(seen.nextChange), text(seen.nextTransition)]).toEqual([
    "2026-12-24T23:00:00Z",
    "2026-12-28T07:00:00Z",
  ]);
});

describe("the name of a time zone", () => {
  const names = [
    "Local",
    "+05:00",
    "-03:00",
    "UTC+1",
    "GMT+5",
    "Mars/Olympus",
    "IST",
    "CST",
    "PST",
    "SystemV/PST8",
    "Z",
    "",
    "localtime",
    "Factory",
  ];
  test.each(names)("%j, which is not in the IANA database, is refused", (timeZone) => {
    expect(() => parseHours({ timeZone })).toThrow(expect.objectContaining({ reason: "TimeZoneUnknown" }));
  });
  test.each([
    "UTC",
    "EST5EDT",
    "Etc/GMT+5",
    "Asia/Calcutta",
    "America/Argentina/Buenos_Aires",
    "America/Port-au-Prince",
  ])("%j, which is in the IANA database, is accepted", (timeZone) => void parseHours({ timeZone }));
});

describe("the closed period around an instant", () => {
  const christmas = vienna({
    weekly: [office],
    holidays: [{ name: "Christmas", from: "2026-12-25", to: "2026-12-26" }],
  });
  const once = vienna({ dates: [{ date: "2026-06-01", start: "08:00", end: "09:00" }] });
  const rows: Record<string, [HoursSpec, string, string | undefined]> = {
    "there is no closed period while the hours are open": [christmas, "2026-12-24T10:00:00Z", undefined],
    "the closed period of a holiday begins on the evening before, seen from that evening": [
      christmas,
      "2026-12-24T16:00:00Z",
      "Closed 2026-12-24T16:00:00Z 2026-12-28T07:00:00Z",
    ],
    "the closed period of a holiday begins on the evening before, seen from the holiday": [
      christmas,
      "2026-12-25T12:00:00Z",
      "Holiday 2026-12-24T16:00:00Z 2026-12-28T07:00:00Z",
    ],
    "the closed period of a holiday begins on the evening before, seen from the last millisecond of the period":
      [christmas, "2026-12-28T06:59:59.999Z", "Closed 2026-12-24T16:00:00Z 2026-12-28T07:00:00Z"],
    "the closed period has no start before the first opening": [
      once,
      "1990-01-01T00:00:00Z",
      "Closed never 2026-06-01T06:00:00Z",
    ],
    "the closed period has no end after the last opening": [
      once,
      "2050-01-01T00:00:00Z",
      "Closed 2026-06-01T07:00:00Z never",
    ],
    "the closed period has neither start nor end where the hours are never open": [
      vienna({}),
      "2026-01-01T00:00:00Z",
      "Closed never never",
    ],
  };
  test.each(Object.entries(rows))("%s", (_, [spec, instant, expected]) => {
    const period = closedPeriodAt(parseHours(spec), at(instant));
    expect(period && `${period.reason} ${text(period.startMs)} ${text(period.endMs)}`).toBe(expected);
  });
});

describe("the list of upcoming changes", () => {
  const lines = (spec: HoursSpec, from: string, days: number) =>
    upcoming(parseHours(spec), at(from), days).map(({ timeMs, reason, holiday, daylightSaving }) =>
      [text(timeMs), reason, holiday, daylightSaving].filter((word) => word !== undefined).join(" "),
    );
  test("marks a clock change even when nothing else changes", () => {
    expect(lines(vienna({ weekly: [office] }), "2026-03-27T23:00:00Z", 3)).toEqual([
      "2026-03-29T01:00:00Z Closed Starts",
      "2026-03-30T06:00:00Z Open",
      "2026-03-30T15:00:00Z Closed",
    ]);
  });
  test("shows the clock change, and the opening an hour later, when clocks go back at the opening time", () => {
    expect(
      lines(
        vienna({ weekly: [{ days: ["Sunday"], start: "03:00", end: "04:00" }] }),
        "2026-10-24T22:00:00Z",
        1,
      ),
    ).toEqual([
      "2026-10-25T01:00:00Z Closed Ends",
      "2026-10-25T02:00:00Z Open",
      "2026-10-25T03:00:00Z Closed",
    ]);
  });
  test("names holidays, and includes a change at the beginning of the listed days but not at their end", () => {
    const spec = vienna({ weekly: [always], holidays: [{ name: "May Day", from: "2026-05-01" }] });
    expect(lines(spec, "2026-04-30T22:00:00Z", 1)).toEqual(["2026-04-30T22:00:00Z Holiday May Day"]);
    expect(lines(spec, "2026-04-30T22:00:00Z", 2)).toEqual([
      "2026-04-30T22:00:00Z Holiday May Day",
      "2026-05-01T22:00:00Z Open",
    ]);
  });
  test("covers fourteen local days, even across a clock change", () => {
    expect(
      lines(vienna({ weekly: [day] }), "2026-03-19T23:00:00Z", 14).filter((line) => line.endsWith("Open")),
    ).toHaveLength(14);
  });
});

test("a local day can have 25 hours, and ends when the next day begins that clocks do not skip", () => {
  const cairo = localDay(parseHours({ timeZone: "Africa/Cairo" }), at("2026-10-29T20:30:00Z"));
  expect([text(cairo.startMs), text(cairo.endMs)]).toEqual(["2026-10-28T21:00:00Z", "2026-10-29T22:00:00Z"]);
  const apia = localDay(parseHours({ timeZone: "Pacific/Apia" }), at("2011-12-30T09:00:00Z"));
  expect([text(apia.startMs), text(apia.endMs)]).toEqual(["2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"]);
});
