import { expect, test } from "vitest";
import { segmentsOf } from "./segments.ts";

const rows: Record<string, [text: string, segments: number]> = {
  "an empty text is one": ["", 1],
  "160 GSM characters are one": ["x".repeat(160), 1],
  "161 are two": ["x".repeat(161), 2],
  "306 are two": ["x".repeat(306), 2],
  "307 are three": ["x".repeat(307), 3],
  "an umlaut is GSM": ["ü".repeat(160), 1],
  "a euro sign counts twice": ["€".repeat(81), 2],
  "70 others are one": ["ж".repeat(70), 1],
  "71 are two": ["ж".repeat(71), 2],
  "one of them makes the whole text so": [`${"x".repeat(70)}’`, 2],
  "an emoji is two units": ["😀".repeat(35), 1],
  "thirty-six are two segments": ["😀".repeat(36), 2],
  // 153 septets are left in each of several segments, and the two of this one are not torn apart.
  "a euro sign goes into the next segment whole": [`${"x".repeat(152)}€${"x".repeat(152)}`, 3],
  "1,600 characters are eleven": ["x".repeat(1600), 11],
};
for (const [name, [text, segments]] of Object.entries(rows))
  test(name, () => expect(segmentsOf(text)).toBe(segments));
