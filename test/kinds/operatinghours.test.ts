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
  "no time zone": [zone(undefined), "Required value"],
  "an empty time zone": [zone(""), "at least 1 chars long"],
  "an offset that is a number": [zone(2), 'must be of type string: "integer"'],
  "a text that is longer than any name": [zone("A".repeat(65)), "Too long"],
});

const MON = ["Monday"];
const week = (...spans: object[]) => hours({ weekly: spans });
const span = (start: unknown, end: unknown, days: unknown = MON) => ({ days, start, end });
bothSay("a span of the week", {
  "a working day": [week(span("08:00", "17:00")), undefined],
  "a whole day": [week(span("00:00", "24:00")), undefined],
  "a span to the last minute of the day": [week(span("08:00", "23:59")), undefined],
  "a span of one minute": [week(span("08:00", "08:01")), undefined],
  "a span over midnight": [week(span("22:00", "06:00")), "split at 24:00"],
  "a span to midnight, written as 00:00": [week(span("22:00", "00:00")), 'write end: "24:00" for midnight'],
  "a span of no time at all": [week(span("08:00", "08:00")), "a whole day is"],
  "24:00 as a start": [week(span("24:00", "24:00")), "should match"],
  "an end at 24:01": [week(span("08:00", "24:01")), "should match"],
  "an hour of one digit": [week(span("8:00", "17:00")), "should match"],
  "a time with seconds": [week(span("08:00:00", "17:00")), "Too long"],
  "a time in the twelve-hour clock": [week(span("8 am", "5 pm")), "should match"],
  "a time with minute 60": [week(span("08:60", "17:00")), "should match"],
  "a time with hour 25": [week(span("08:00", "25:00")), "should match"],
  "a number in place of a time": [week(span(8, "17:00")), 'must be of type string: "integer"'],
  "a span without a start": [week({ days: MON, end: "17:00" }), "Required value"],
  "a span without an end": [week({ days: MON, start: "08:00" }), "Required value"],
  "a span without days": [week({ start: "08:00", end: "17:00" }), "Required value"],
  "an empty list of days": [week(span("08:00", "17:00", [])), "at least 1 items"],
  "the same day twice in one span": [week(span("08:00", "17:00", ["Monday", "Monday"])), "Duplicate value"],
  "a day's short name": [week(span("08:00", "17:00", ["Mon"])), "Unsupported value"],
  "a day in lower case": [week(span("08:00", "17:00", ["monday"])), "Unsupported value"],
  "all seven days": [
    week(
      span("08:00", "17:00", ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]),
    ),
    undefined,
  ],
  "a day that is not in a list": [week(span("08:00", "17:00", "Monday")), 'must be of type array: "string"'],
  "an unknown field": [
    week({ ...span("08:00", "17:00"), timeZone: "UTC" }),
    'unknown field "spec.weekly[0].timeZone"',
  ],
});

const OVERLAP = "spans of the same day overlap";
bothSay("several spans of the week", {
  "a break at noon": [week(span("08:00", "12:00"), span("13:00", "17:00")), undefined],
  "two spans that touch": [week(span("08:00", "12:00"), span("12:00", "17:00")), undefined],
  "two spans that overlap by a minute": [week(span("08:00", "12:01"), span("12:00", "17:00")), OVERLAP],
  "two spans that overlap, the later one first": [
    week(span("12:00", "17:00"), span("08:00", "12:01")),
    OVERLAP,
  ],
  "a span within another span": [week(span("08:00", "17:00"), span("10:00", "11:00")), OVERLAP],
  "the same span twice": [week(span("08:00", "17:00"), span("08:00", "17:00")), OVERLAP],
  "two spans with the same times on different days": [
    week(span("08:00", "17:00"), span("08:00", "17:00", ["Tuesday"])),
    undefined,
  ],
  "two spans that overlap on one common day": [
    week(span("08:00", "17:00", ["Monday", "Friday"]), span("16:00", "20:00", ["Friday", "Saturday"])),
    OVERLAP,
  ],
  "a third span that overlaps the first": [
    week(span("08:00", "12:00"), span("13:00", "17:00"), span("11:00", "12:30")),
    OVERLAP,
  ],
  "a night that is split at 24:00": [
    week(span("22:00", "24:00"), span("00:00", "06:00", ["Tuesday"])),
    undefined,
  ],
  "an empty list of spans": [hours({ weekly: [] }), undefined],
  "50 spans": [week(...Array.from({ length: 50 }, (_, i) => nth(i))), undefined],
  "51 spans": [week(...Array.from({ length: 51 }, () => span("08:00", "09:00"))), "Too many"],
});

/** The nth of many spans that do not overlap: spans of an hour, every third hour of each day. */
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
  "neither a date nor a range": [dates(on({})), "write date, or both from and to"],
  "a range without an end": [dates(on({ from: "2026-12-24" })), "write date, or both from and to"],
  "a range without a start": [dates(on({ to: "2026-12-24" })), "write date, or both from and to"],
  "a day that does not exist": [dates(on({ date: "2026-02-30" })), "must be of type date"],
  "the 29th of February": [dates(on({ date: "2028-02-29" })), undefined],
  "the 29th of February in another year": [dates(on({ date: "2027-02-29" })), "must be of type date"],
  "a date in the American form": [dates(on({ date: "12/24/2026" })), "must be of type date"],
  "a date without zeros": [dates(on({ date: "2026-1-5" })), "must be of type date"],
  "a date with a time": [dates(on({ date: "2026-12-24T00:00:00Z" })), "Too long"],
  "an empty date": [dates(on({ date: "" })), "must be of type date"],
  "a date without times": [dates({ date: "2026-12-24" }), "Required value"],
  "a date with a span over midnight": [dates(on({ date: "2026-12-31" }, "20:00", "02:00")), "split at 24:00"],
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
  "a holiday of one day": [days({ name: "New Year", from: "2027-01-01" }), undefined],
  "a holiday of several days": [days({ name: "Christmas", from: "2026-12-24", to: "2026-12-26" }), undefined],
  "a range backwards": [
    days({ name: "Christmas", from: "2026-12-26", to: "2026-12-24" }),
    "to is before from",
  ],
  "two holidays with the same name in different years": [
    days({ name: "New Year", from: "2027-01-01" }, { name: "New Year", from: "2028-01-01" }),
    undefined,
  ],
  "the same holiday twice": [
    days({ name: "New Year", from: "2027-01-01" }, { name: "New Year", from: "2027-01-01" }),
    "Duplicate value",
  ],
  "two holidays that overlap": [
    days({ name: "a", from: "2026-12-24", to: "2026-12-26" }, { name: "b", from: "2026-12-25" }),
    undefined,
  ],
  "a holiday without a name": [days({ from: "2027-01-01" }), "Required value"],
  "a holiday with an empty name": [days({ name: "", from: "2027-01-01" }), "at least 1 chars long"],
  "a holiday without a day": [days({ name: "New Year" }), "Required value"],
  "a day that does not exist": [days({ name: "x", from: "2026-11-31" }), "must be of type date"],
  "201 holidays": [
    days(...Array.from({ length: 201 }, (_, i) => ({ name: `h${i}`, from: "2027-01-01" }))),
    "Too many",
  ],
  "200 holidays": [
    days(...Array.from({ length: 200 }, (_, i) => ({ name: `h${i}`, from: "2027-01-01" }))),
    undefined,
  ],
  "a field named reason, which does not exist": [
    days({ name: "x", from: "2026-11-30", reason: "y" }),
    'unknown field "spec.holidays[0].reason"',
  ],
});
