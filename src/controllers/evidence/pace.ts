/**
 * Notices when texts of a route stop coming. If somebody puts a number into a Messaging Service that drops its texts,
 * Twilio notifies nobody. Silence on a route that was busy is the only sign (ADR 30).
 */

/** How often texts of one route come. Each receiver reports a route at most once a minute. */
export interface Pace {
  lastMs: number;
  /** The usual time between two reports; recent times count most. Undefined until the second report. */
  gapMs?: number;
  /** From how many gaps between reports `gapMs` was computed. */
  gaps: number;
  /** Whether the silence of the route has been reported. */
  told: boolean;
}

/** With fewer gaps between reports than this, it is not known what is usual for the route. */
const FEWEST_GAPS = 5;
/** A route counts as silent after this many usual gaps without a text. */
const GAPS_MISSED = 5;
/**
 * The shortest time that counts as silence. A busy route is reported once a minute, and a report may be a little
 * late.
 */
const SHORTEST_SILENCE_MS = 5 * 60_000;
/**
 * The longest time that counts as silence. A route whose texts come so rarely that it would need a longer time never
 * counts as silent. To report its silence would gain nothing, because the services of the account are read once an hour
 * anyway.
 */
const LONGEST_SILENCE_MS = 3_600_000;

/**
 * How often texts of a route come, after one more report of a text at `atMs`. The result is a moving average, so that
 * it follows the time of day. Pure.
 */
export function paced(before: Pace | undefined, atMs: number): Pace {
  if (before === undefined) return { lastMs: atMs, gaps: 0, told: false };
  if (atMs <= before.lastMs) return before;
  const gapMs = atMs - before.lastMs;
  const usualMs = before.gapMs === undefined ? gapMs : 0.8 * before.gapMs + 0.2 * gapMs;
  return { lastMs: atMs, gapMs: usualMs, gaps: before.gaps + 1, told: false };
}

/** Whether texts of a route came regularly and then did not come for much longer than usual. Pure. */
export function isSilent({ lastMs, gapMs, gaps }: Pace, nowMs: number): boolean {
  if (gapMs === undefined || gaps < FEWEST_GAPS) return false;
  const silenceMs = Math.max(SHORTEST_SILENCE_MS, GAPS_MISSED * gapMs);
  return silenceMs <= LONGEST_SILENCE_MS && nowMs - lastMs >= silenceMs;
}
