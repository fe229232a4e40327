/** How texts of one route come, as far as receivers report: at most once a minute and replica. */
export interface Pace {
  lastMs: number;
  /** Between two reports, those of late counting most; undefined after the first. */
  gapMs?: number;
  /** Reports that gaps were measured with. */
  gaps: number;
  /** Its silence has been told. */
  told: boolean;
}

/** With fewer gaps nobody knows what is usual. */
const FEWEST_GAPS = 5;
/** A route is silent after so many usual gaps without a text. */
const GAPS_MISSED = 5;
/** Busy routes report once a minute, and a report may be a little late. */
const SHORTEST_SILENCE_MS = 5 * 60_000;
/** What happens so seldom is looked at once an hour anyway. */
const LONGEST_SILENCE_MS = 3_600_000;

/** After a report of a text at `atMs`. Pure. */
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
