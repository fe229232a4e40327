import { bothSay, type Rows } from "./both.ts";
import { hours } from "./objects.ts";

const DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const zone = (timeZone: unknown) => hours({ timeZone });
const NO_ZONE = "is not a name of the IANA time zone database";
bothSay("the time zone", {
  ...Object.fromEntries(
    [
      "Europe/Vienna",
      "America/Argentina/Buenos_Aires",
      "UTC",
      "GMT",
      "Etc/GMT+5",
      "America/Port-au-Prince",
      "EST5EDT",
      "CET",
    ].map((name): [string, Rows[string]] => [name, [zone(name), undefined]]),
  ),
  ...Object.fromEntries(
    [
      "Local",
      "local",
      "+02:00",
      "-8",
      "UTC+2",
      "GMT-5",
      "EST+5",
      "Europe/",
      "/Vienna",
      "Europe//Vienna",
      "Eastern Time",
      "Europe/Wien!",
    ].map((name): [string, Rows[string]] => [name, [zone(name), NO_ZONE]]),
  ),
  "not given": [zone(undefined), "Required value"],
  empty: [zone(""), "at least 1 chars long"],
  "an offset as a number": [zone(2), 'must be of type string: "integer"'],
  "longer than any name": [zone("A".repeat(65)), "Too long"],
});

const MON = ["Monday"];
const week = (...spans: object[]) => hours({ weekly: spans });
const span = (start: unknown, end: unknown, days: unknown = MON) => ({ days, start, end });
bothSay("a span of the week", {
  "a working day": [week(span("08:00", "17:00")), undefined],
  "a whole day": [week(span("00:00", "24:00")), undefined],
  "to the last minute of the day": [week(span("08:00", "23:59")), undefined],
  "one minute": [week(span("08:00", "08:01")), undefined],
  "over midnight": [week(span("22:00", "06:00")), "split at 24:00"],
  "to midnight, written 00:00": [week(span("22:00", "00:00")), 'write end: "24:00" for midnight'],
  "no time at all": [week(span("08:00", "08:00")), "a whole day is"],
  "24:00 as a start": [week(span("24:00", "24:00")), "should match"],
  "24:01": [week(span("08:00", "24:01")), "should match"],
  "an hour of one digit": [week(span("8:00", "17:00")), "should match"],
  "with seconds": [week(span("08:00:00", "17:00")), "Too long"],
  "in the twelve-hour clock": [week(span("8 am", "5 pm")), "should match"],
  "minute 60": [week(span("08:60", "17:00")), "should match"],
  "hour 25": [week(span("08:00", "25:00")), "should match"],
  "a number for an hour": [week(span(8, "17:00")), 'must be of type string: "integer"'],
  "no start": [week({ days: MON, end: "17:00" }), "Required value"],
  "no end": [week({ days: MON, start: "08:00" }), "Required value"],
  "no days": [week({ start: "08:00", end: "17:00" }), "Required value"],
  "an empty list of days": [week(span("08:00", "17:00", [])), "at least 1 items"],
  "a day twice": [week(span("08:00", "17:00", ["Monday", "Monday"])), "Duplicate value"],
  "a day's short name": [week(span("08:00", "17:00", ["Mon"])), "Unsupported value"],
  "a day in lower case": [week(span("08:00", "17:00", ["monday"])), "Unsupported value"],
  "all seven days": [
    week(
      span("08:00", "17:00", ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]),
    ),
    undefined,
  ],
  "one day, not a list": [week(span("08:00", "17:00", "Monday")), 'must be of type array: "string"'],
  "an unknown field": [
    week({ ...span("08:00", "17:00"), timeZone: "UTC" }),
    'unknown field "spec.weekly[0].timeZone"',
  ],
});

const OVERLAP = "spans of the same day overlap";
bothSay("spans of the week together", {
  "a break at noon": [week(span("08:00", "12:00"), span("13:00", "17:00")), undefined],
  "two that touch": [week(span("08:00", "12:00"), span("12:00", "17:00")), undefined],
  "two that overlap by a minute": [week(span("08:00", "12:01"), span("12:00", "17:00")), OVERLAP],
  "the later one first": [week(span("12:00", "17:00"), span("08:00", "12:01")), OVERLAP],
  "one within another": [week(span("08:00", "17:00"), span("10:00", "11:00")), OVERLAP],
  "the same twice": [week(span("08:00", "17:00"), span("08:00", "17:00")), OVERLAP],
  "the same times on other days": [
    week(span("08:00", "17:00"), span("08:00", "17:00", ["Tuesday"])),
    undefined,
  ],
  "one day in common": [
    week(span("08:00", "17:00", ["Monday", "Friday"]), span("16:00", "20:00", ["Friday", "Saturday"])),
    OVERLAP,
  ],
  "the third overlaps the first": [
    week(span("08:00", "12:00"), span("13:00", "17:00"), span("11:00", "12:30")),
    OVERLAP,
  ],
  "a night, split at 24:00": [week(span("22:00", "24:00"), span("00:00", "06:00", ["Tuesday"])), undefined],
  "no span": [hours({ weekly: [] }), undefined],
  "50 spans": [week(...Array.from({ length: 50 }, (_, i) => nth(i))), undefined],
  "51 spans": [week(...Array.from({ length: 51 }, () => span("08:00", "09:00"))), "Too many"],
});

/** Spans of an hour, every third hour of each day. */
function nth(i: number) {
  const hour = String(Math.floor(i / 7) * 3).padStart(2, "0");
  return span(`${hour}:00`, `${hour}:59`, [DAYS[i % 7]]);
}

const dates = (...entries: object[]) => hours({ dates: entries });
const on = (more: object, start = "08:00", end = "12:00") => ({ ...more, start, end });
const DATE_OVERLAP = "spans of the same date overlap";
bothSay("special openings", {
  "a date": [dates(on({ date: "2026-12-24" })), undefined],
  "a range": [dates(on({ from: "2026-12-27", to: "2026-12-30" })), undefined],
  "a range of one day": [dates(on({ from: "2026-12-27", to: "2026-12-27" })), undefined],
  "a range backwards": [dates(on({ from: "2026-12-30", to: "2026-12-27" })), "to is before from"],
  "a date and a range": [
    dates(on({ date: "2026-12-24", from: "2026-12-24", to: "2026-12-25" })),
    "write either date or from and to, not both",
  ],
  "a date and a start of a range": [
    dates(on({ date: "2026-12-24", from: "2026-12-24" })),
    "write either date or from and to, not both",
  ],
  neither: [dates(on({})), "write date, or both from and to"],
  "a range without an end": [dates(on({ from: "2026-12-24" })), "write date, or both from and to"],
  "a range without a start": [dates(on({ to: "2026-12-24" })), "write date, or both from and to"],
  "a day that does not exist": [dates(on({ date: "2026-02-30" })), "must be of type date"],
  "the 29th of February": [dates(on({ date: "2028-02-29" })), undefined],
  "the 29th of February in another year": [dates(on({ date: "2027-02-29" })), "must be of type date"],
  "a date as Americans write it": [dates(on({ date: "12/24/2026" })), "must be of type date"],
  "a date without zeros": [dates(on({ date: "2026-1-5" })), "must be of type date"],
  "a date with a time": [dates(on({ date: "2026-12-24T00:00:00Z" })), "Too long"],
  "an empty date": [dates(on({ date: "" })), "must be of type date"],
  "no times": [dates({ date: "2026-12-24" }), "Required value"],
  "over midnight": [dates(on({ date: "2026-12-31" }, "20:00", "02:00")), "split at 24:00"],
  "two spans of one date": [
    dates(on({ date: "2026-12-24" }), on({ date: "2026-12-24" }, "14:00", "16:00")),
    undefined,
  ],
  "two spans of one date that touch": [
    dates(on({ date: "2026-12-24" }), on({ date: "2026-12-24" }, "12:00", "16:00")),
    undefined,
  ],
  "two spans of one date that overlap": [
    dates(on({ date: "2026-12-24" }), on({ date: "2026-12-24" }, "11:00", "16:00")),
    DATE_OVERLAP,
  ],
  "a date within a range": [
    dates(on({ from: "2026-12-20", to: "2026-12-30" }), on({ date: "2026-12-24" })),
    DATE_OVERLAP,
  ],
  "a date beside a range": [
    dates(on({ from: "2026-12-20", to: "2026-12-30" }), on({ date: "2026-12-31" })),
    undefined,
  ],
  "two ranges with a day in common": [
    dates(on({ from: "2026-12-20", to: "2026-12-24" }), on({ from: "2026-12-24", to: "2026-12-30" })),
    DATE_OVERLAP,
  ],
  "two ranges with a day in common at other times": [
    dates(
      on({ from: "2026-12-20", to: "2026-12-24" }),
      on({ from: "2026-12-24", to: "2026-12-30" }, "13:00", "15:00"),
    ),
    undefined,
  ],
});

const days = (...holidays: object[]) => hours({ holidays });
bothSay("holidays", {
  "a day": [days({ name: "New Year", from: "2027-01-01" }), undefined],
  "some days": [days({ name: "Christmas", from: "2026-12-24", to: "2026-12-26" }), undefined],
  backwards: [days({ name: "Christmas", from: "2026-12-26", to: "2026-12-24" }), "to is before from"],
  "the same name in two years": [
    days({ name: "New Year", from: "2027-01-01" }, { name: "New Year", from: "2028-01-01" }),
    undefined,
  ],
  "the same twice": [
    days({ name: "New Year", from: "2027-01-01" }, { name: "New Year", from: "2027-01-01" }),
    "Duplicate value",
  ],
  "two that overlap": [
    days({ name: "a", from: "2026-12-24", to: "2026-12-26" }, { name: "b", from: "2026-12-25" }),
    undefined,
  ],
  "no name": [days({ from: "2027-01-01" }), "Required value"],
  "an empty name": [days({ name: "", from: "2027-01-01" }), "at least 1 chars long"],
  "no day": [days({ name: "New Year" }), "Required value"],
  "a day that does not exist": [days({ name: "x", from: "2026-11-31" }), "must be of type date"],
  "201 of them": [
    days(...Array.from({ length: 201 }, (_, i) => ({ name: `h${i}`, from: "2027-01-01" }))),
    "Too many",
  ],
  "200 of them": [
    days(...Array.from({ length: 200 }, (_, i) => ({ name: `h${i}`, from: "2027-01-01" }))),
    undefined,
  ],
  "a reason as the product had it": [
    days({ name: "x", from: "2026-11-30", reason: "y" }),
    'unknown field "spec.holidays[0].reason"',
  ],
});
