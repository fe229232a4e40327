/**
 * Notices when texts of a route stop coming. Twilio tells nobody that a number was put into a service that drops
 * its texts; silence on a route that was busy is the only sign (ADR 30).
 */

/** How often texts of one route come, as receivers report it: at most once a minute and replica. */
export interface Pace {
  lastMs: number;
  /** The usual time between two reports, recent ones counting most; undefined after the first report. */
  gapMs?: number;
  /** How many gaps that was measured from. */
  gaps: number;
  /** Its silence has been told. */
  told: boolean;
}

/** With fewer gaps nobody knows what is usual. */
const FEWEST_GAPS = 5;
/** A route is silent after this many usual gaps without a text. */
const GAPS_MISSED = 5;
/** Busy routes report once a minute, and a report may be a little late. */
const SHORTEST_SILENCE_MS = 5 * 60_000;
/** Texts that come more rarely are not worth it: the surroundings are read once an hour anyway. */
const LONGEST_SILENCE_MS = 3_600_000;

/** The pace after a report of a text at `atMs`: a moving average, so that it follows the time of day. Pure. */
export function paced(before: Pace | undefined, atMs: number): Pace {
  if (before === undefined) return { lastMs: atMs, gaps: 0, told: false };
  if (atMs <= before.lastMs) return before;
  const gapMs = atMs - before.lastMs;
  const usualMs = before.gapMs === undefined ? gapMs : 0.8 * before.gapMs + 0.2 * gapMs;
  return { lastMs: atMs, gapMs: usualMs, gaps: before.gaps + 1, told: false };
}

/** Texts came regularly, and have not come for much longer than usual. Pure. */
export function isSilent({ lastMs, gapMs, gaps }: Pace, nowMs: number): boolean {
  if (gapMs === undefined || gaps < FEWEST_GAPS) return false;
  const silenceMs = Math.max(SHORTEST_SILENCE_MS, GAPS_MISSED * gapMs);
  return silenceMs <= LONGEST_SILENCE_MS && nowMs - lastMs >= silenceMs;
}
