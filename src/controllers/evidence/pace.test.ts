import { expect, test } from "vitest";
import { isSilent, type Pace, paced } from "./pace.ts";

const MINUTE = 60_000;
/** The pace that `paced` computes for a route whose texts were reported at these minutes. */
const after = (...minutes: number[]): Pace =>
  minutes.reduce<Pace | undefined>((pace, minute) => paced(pace, minute * MINUTE), undefined)!;
const busy = [0, 1, 2, 3, 4, 5, 6];

const rows: Record<string, [Pace, atMinute: number, want: boolean]> = {
  "a route with a text every minute, after four minutes without a text": [after(...busy), 10, false],
  "a route with a text every minute, after five minutes without a text": [after(...busy), 11, true],
  "a route with a text every four minutes, after nineteen minutes without a text": [
    after(0, 4, 8, 12, 16, 20),
    39,
    false,
  ],
  "a route with a text every four minutes, after twenty minutes without a text": [
    after(0, 4, 8, 12, 16, 20),
    40,
    true,
  ],
  "a route with a text every half hour, after many hours without a text": [
    after(0, 30, 60, 90, 120, 150),
    1000,
    false,
  ],
  "a route that has had only three texts": [after(0, 1, 2), 100, false],
  "a route that has had only one text": [after(0), 100, false],
  "a route whose texts have become rarer, after half an hour without a text": [
    after(...busy, 16, 26, 36, 46, 56, 66),
    96,
    false,
  ],
  "a route with a text every minute and a late report, after five minutes without a text": [
    paced(after(...busy), 3 * MINUTE),
    11,
    true,
  ],
};
for (const [name, [pace, atMinute, want]] of Object.entries(rows))
  test(`${name}, ${want ? "counts as silent" : "does not count as silent"}`, () =>
    expect(isSilent(pace, atMinute * MINUTE)).toBe(want));
