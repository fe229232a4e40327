/** One change of a zone's clocks: from `atMs` on they are `afterMs` ahead of UTC, before it `beforeMs`. */
export interface ClockChange {
  atMs: number;
  beforeMs: number;
  afterMs: number;
}

export const DAY_MS = 86_400_000;

/** Clocks never change twice within this: in the whole of the database no two changes since 1970 are nearer than 7 days. */
const SAMPLE_MS = 3 * DAY_MS;
/** A local time is reached within this of the same time in UTC: offsets go to 15 h, and Samoa once skipped a day. */
const NEAR_MS = 2 * DAY_MS;
/** A year takes 0.4 ms to find out and some 300 bytes to keep. */
const YEARS_KEPT = 200;

/**
 * Old abbreviations that ICU, the library behind Intl, takes in addition to the database's names, each for one of several
 * places (CST for Chicago, not for China or Cuba): https://github.com/unicode-org/icu/blob/main/icu4c/source/data/misc/timezoneTypes.txt
 */
const NOT_IANA = new Set(
  "ACT AET AGT ART AST BET BST CAT CNT CST CTT EAT ECT IET IST JST MIT NET NST PLT PNT PRT PST SST VST".split(
    " ",
  ),
);

const zones = new Map<string, Zone>();

/** The zone of this IANA name, in any case; undefined when there is none: an offset, `Local`, an abbreviation of ICU's own. */
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
 * A time zone as arithmetic on milliseconds. A local time is written as the milliseconds since the epoch at which UTC clocks
 * would show it. Zones are shared; what a zone knows of a year is found out once.
 */
export class Zone {
  readonly #format: Intl.DateTimeFormat;
  readonly #years = new Map<number, { startMs: number; offsetMs: number; changes: ClockChange[] }>();

  constructor(format: Intl.DateTimeFormat) {
    this.#format = format;
  }

  /** What clocks show at this instant. */
  localAt(instantMs: number): number {
    const { offsetMs, changes } = this.#year(new Date(instantMs).getUTCFullYear());
    return instantMs + (changes.findLast(({ atMs }) => atMs <= instantMs)?.afterMs ?? offsetMs);
  }

  /** The first instant at which clocks show this or later: the first of two, or the end of a gap that swallows it. */
  startOf(localMs: number): number {
    const pieces = this.#around(localMs);
    for (const { fromMs, toMs, offsetMs } of pieces) {
      const at = Math.max(fromMs, localMs - offsetMs);
      if (at < toMs) return at;
    }
    throw new Error("a local time lies outside of its own surroundings");
  }

  /** The last instant at which clocks have not passed this: the second of two, or the end of a gap that swallows it. */
  endOf(localMs: number): number {
    const pieces = this.#around(localMs);
    for (const { fromMs, toMs, offsetMs } of pieces.reverse()) {
      const at = Math.min(toMs, localMs - offsetMs);
      if (at >= fromMs) return at;
    }
    throw new Error("a local time lies outside of its own surroundings");
  }

  /** Changes from `fromMs` on and before `toMs`, in order. */
  changesBetween(fromMs: number, toMs: number): ClockChange[] {
    const found: ClockChange[] = [];
    for (let year = new Date(fromMs - 1).getUTCFullYear(); year <= new Date(toMs).getUTCFullYear(); year++)
      for (const change of this.#year(year).changes)
        if (change.atMs >= fromMs && change.atMs < toMs) found.push(change);
    return found;
  }

  /** Stretches of one offset each, that cover every instant at which this local time can be. */
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

  /** The whole second between the two at which the offset changes. */
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
    // Before our era the years that Intl shows count backwards; "0000-01-01" is a date to the API server.
    const at = Math.max(FIRST_MS, Math.floor(instantMs / 1000) * 1000);
    const [, month, day, year, hour, minute, second] = SHOWN.exec(this.#format.format(at))!.map(Number);
    return utc(year!, month! - 1, day!, hour, minute, second) - at;
  }
}

/** `format` with a fixed locale costs a third of `formatToParts`, and nothing but digits is read. */
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

const startOfYear = (year: number) => utc(year, 0, 1);

const FIRST_MS = Date.parse("0001-01-03T00:00:00Z");

/** Date.UTC takes the years 0 to 99 for 1900 to 1999; a spec may name them. */
function utc(year: number, month: number, day: number, hour = 0, minute = 0, second = 0): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month, day);
  date.setUTCHours(hour, minute, second);
  return date.getTime();
}
