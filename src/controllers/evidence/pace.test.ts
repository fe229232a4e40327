import { expect, test } from "vitest";
import { isSilent, type Pace, paced } from "./pace.ts";

const MINUTE = 60_000;
/** After reports at these minutes. */
const after = (...minutes: number[]): Pace =>
  minutes.reduce<Pace | undefined>((pace, minute) => paced(pace, minute * MINUTE), undefined)!;
const busy = [0, 1, 2, 3, 4, 5, 6];

const rows: Record<string, [Pace, atMinute: number, want: boolean]> = {
  "a busy route after four minutes": [after(...busy), 10, false],
  "a busy route after five minutes": [after(...busy), 11, true],
  "a route with a text every four minutes, after nineteen": [after(0, 4, 8, 12, 16, 20), 39, false],
  "the same after twenty": [after(0, 4, 8, 12, 16, 20), 40, true],
  "a route with a text every half hour is never silent": [after(0, 30, 60, 90, 120, 150), 1000, false],
  "a route that had few texts so far": [after(0, 1, 2), 100, false],
  "one text": [after(0), 100, false],
  "what is usual follows how it is of late": [after(...busy, 16, 26, 36, 46, 56, 66), 96, false],
  "a report that is older than the last one changes nothing": [paced(after(...busy), 3 * MINUTE), 11, true],
};
for (const [name, [pace, atMinute, want]] of Object.entries(rows))
  test(name, () => expect(isSilent(pace, atMinute * MINUTE)).toBe(want));
