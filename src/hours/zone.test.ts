import { Temporal } from "temporal-polyfill";
import { expect, test } from "vitest";
import { zoneOf } from "./zone.ts";

// The zones to compare with Temporal, which finds the same clock changes by a different method.
const names = [
  "America/New_York",
  "America/Argentina/Tucuman",
  "America/Noronha",
  "Africa/Casablanca",
  "Africa/Cairo",
  "Africa/Monrovia",
  "Antarctica/Troll",
  "Asia/Gaza",
  "Asia/Kathmandu",
  "Australia/Lord_Howe",
  "Europe/Dublin",
  "Pacific/Apia",
  "Pacific/Kwajalein",
  "UTC",
];

test.each(names)("%s changes its clocks when Temporal says so, from 1970 to 2037", {
  timeout: 60_000,
}, (name) => {
  const [from, to] = [Date.UTC(1970, 0, 1), Date.UTC(2037, 0, 1)];
  const expected: string[] = [];
  let at: Temporal.ZonedDateTime | null =
    Temporal.Instant.fromEpochMilliseconds(from).toZonedDateTimeISO(name);
  for (
    at = at.getTimeZoneTransition("next");
    at !== null && at.epochMilliseconds < to;
    at = at.getTimeZoneTransition("next")
  )
    expected.push(`${at.epochMilliseconds} ${at.offsetNanoseconds / 1e6}`);
  const seen = zoneOf(name)!.changesBetween(from + 1, to);
  expect(seen.map(({ atMs, afterMs }) => `${atMs} ${afterMs}`)).toEqual(expected);
});

test("an instant has the right local time even when the zone's offset from UTC is not a whole number of minutes", () => {
  const monrovia = zoneOf("Africa/Monrovia")!;
  expect(new Date(monrovia.localAt(Date.UTC(1971, 0, 1))).toISOString()).toBe("1970-12-31T23:15:30.000Z");
});
