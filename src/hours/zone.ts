/** A change of a zone's clocks at `atMs`. Before the change the clocks are `beforeMs` ahead of UTC, after it `afterMs`. */
export interface ClockChange {
  atMs: number;
  beforeMs: number;
  afterMs: number;
}

export const DAY_MS = 86_400_000;

/**
 * The samples that are compared to find clock changes are this far apart. Two changes never fall between two samples: in the
 * IANA database, changes of one zone since 1970 are at least 7 days apart.
 */
const SAMPLE_MS = 3 * DAY_MS;
/**
 * A local time and the same time in UTC are never further apart than this: offsets go up to 15 h, and Samoa once skipped a day.
 */
const NEAR_MS = 2 * DAY_MS;
/**
 * For how many years a zone keeps the clock changes that it has found. A year takes 0.4 ms to compute and some 300 bytes to
 * keep.
 */
const YEARS_KEPT = 200;

/**
 * Old abbreviations that are not in the IANA database, although ICU, the library behind Intl, accepts them. Each is ambiguous,
 * and ICU chooses one place (Chicago for CST, not China or Cuba), so this program refuses them.
 * https://github.com/unicode-org/icu/blob/main/icu4c/source/data/misc/timezoneTypes.txt
 */
const NOT_IANA = new Set(
  "ACT AET AGT ART AST BET BST CAT CNT CST CTT EAT ECT IET IST JST MIT NET NST PLT PNT PRT PST SST VST".split(
    " ",
  ),
);

const zones = new Map<string, Zone>();

/**
 * The zone of this IANA name, in upper or lower case. Undefined for anything else, such as an offset, `Local` or an
 * abbreviation.
 */
export function zoneOf(name: string): Zone | undefined {
  const upper = name.toUpperCase();
  const known = zones.get(upper);
  if (known !== undefined) return known;
  if (/^[+-]/.test(name) || NOT_IANA.has(upper) || upper.startsWith("SYSTEMV/")) return undefined;
  let format: Intl.DateTimeFormat;
  try {
    format = formatOf(name);
  } catch {
    return undefined;
  }
  const zone = new Zone(format);
  zones.set(upper, zone);
  return zone;
}

/**
 * A time zone, for arithmetic on milliseconds. A local time is written as the milliseconds since the epoch at which a clock in
 * UTC would show the same time. Zone objects are shared, and keep the clock changes that they found for each year.
 */
export class Zone {
  readonly #format: Intl.DateTimeFormat;
  readonly #years = new Map<number, { startMs: number; offsetMs: number; changes: ClockChange[] }>();

  constructor(format: Intl.DateTimeFormat) {
    this.#format = format;
  }

  /** The local time at this instant. */
  localAt(instantMs: number): number {
    const { offsetMs, changes } = this.#year(new Date(instantMs).getUTCFullYear());
    return instantMs + (changes.findLast(({ atMs }) => atMs <= instantMs)?.afterMs ?? offsetMs);
  }

  /**
   * The first instant at which clocks show this time or a later one. When clocks show the time twice, it is the first of the
   * two instants; when they skip the time, it is the end of the gap.
   */
  startOf(localMs: number): number {
    const pieces = this.#around(localMs);
    for (const { fromMs, toMs, offsetMs } of pieces) {
      const at = Math.max(fromMs, localMs - offsetMs);
      if (at < toMs) return at;
    }
    throw new Error("no instant was found for a local time");
  }

  /**
   * The last instant at which clocks show this time or an earlier one. When clocks show the time twice, it is the second of the
   * two instants; when they skip the time, it is the end of the gap.
   */
  endOf(localMs: number): number {
    const pieces = this.#around(localMs);
    for (const { fromMs, toMs, offsetMs } of pieces.reverse()) {
      const at = Math.min(toMs, localMs - offsetMs);
      if (at >= fromMs) return at;
    }
    throw new Error("no instant was found for a local time");
  }

  /** The clock changes from `fromMs` up to, but not including, `toMs`, sorted. */
  changesBetween(fromMs: number, toMs: number): ClockChange[] {
    const found: ClockChange[] = [];
    for (let year = new Date(fromMs - 1).getUTCFullYear(); year <= new Date(toMs).getUTCFullYear(); year++)
      for (const change of this.#year(year).changes)
        if (change.atMs >= fromMs && change.atMs < toMs) found.push(change);
    return found;
  }

  /** The pieces of constant offset that together cover every instant at which this local time can occur. */
  #around(localMs: number): { fromMs: number; toMs: number; offsetMs: number }[] {
    const [first, last] = [localMs - NEAR_MS, localMs + NEAR_MS];
    const pieces = [{ fromMs: first, toMs: last, offsetMs: this.localAt(first) - first }];
    for (const { atMs, afterMs } of this.changesBetween(first, last)) {
      pieces.at(-1)!.toMs = atMs;
      pieces.push({ fromMs: atMs, toMs: last, offsetMs: afterMs });
    }
    return pieces;
  }

  #year(year: number) {
    const known = this.#years.get(year);
    if (known !== undefined) return known;
    if (this.#years.size >= YEARS_KEPT) this.#years.clear();
    const found = this.#look(startOfYear(year), startOfYear(year + 1));
    this.#years.set(year, found);
    return found;
  }

  #look(startMs: number, endMs: number) {
    const changes: ClockChange[] = [];
    const offsetMs = this.#offsetAt(startMs);
    for (let from = startMs, before = offsetMs; from < endMs; from += SAMPLE_MS) {
      const to = Math.min(from + SAMPLE_MS, endMs);
      const after = this.#offsetAt(to);
      if (after !== before) changes.push({ atMs: this.#bisect(from, to), beforeMs: before, afterMs: after });
      before = after;
    }
    return { startMs, offsetMs, changes };
  }

  /** Finds when, to the second, the offset changes between these two instants. */
  #bisect(fromMs: number, toMs: number): number {
    const before = this.#offsetAt(fromMs);
    let [low, high] = [fromMs, toMs];
    while (high - low > 1000) {
      const middle = low + Math.floor((high - low) / 2000) * 1000;
      if (this.#offsetAt(middle) === before) low = middle;
      else high = middle;
    }
    return high;
  }

  #offsetAt(instantMs: number): number {
    // An instant before the year 1 gets the offset of that year: Intl counts the years before it backwards, but the API server
    // accepts a date such as "0000-01-01".
    const at = Math.max(FIRST_MS, Math.floor(instantMs / 1000) * 1000);
    const [, month, day, year, hour, minute, second] = SHOWN.exec(this.#format.format(at))!.map(Number);
    return utc([year!, month!, day!], [hour!, minute!, second!]) - at;
  }
}

/**
 * Matches a time as Intl.DateTimeFormat writes it here, such as `11/28/2026, 13:05:00`. The form is known, because the locale
 * is fixed. Reading the text with this pattern takes a third of the time of `formatToParts`.
 */
const SHOWN = /(\d+)\/(\d+)\/(\d+), (\d+):(\d+):(\d+)/;

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const digits = {
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  } as const;
  return new Intl.DateTimeFormat("en-US", {
    timeZone,
    calendar: "gregory",
    numberingSystem: "latn",
    hourCycle: "h23",
    ...digits,
  });
}

const startOfYear = (year: number) => utc([year, 1, 1]);

const FIRST_MS = Date.parse("0001-01-03T00:00:00Z");

/** Like Date.UTC, but takes a year from 0 to 99 as it is and not as 1900 to 1999. A spec may contain such a year. */
function utc(
  [year, month, day]: [year: number, month: number, day: number],
  [hour, minute, second]: [hour: number, minute: number, second: number] = [0, 0, 0],
): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  return date.getTime();
}
