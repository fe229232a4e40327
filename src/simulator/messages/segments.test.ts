import { expect, test } from "vitest";
import { segmentsOf } from "./segments.ts";

const rows: Record<string, [text: string, segments: number]> = {
  "an empty text takes one segment": ["", 1],
  "160 GSM characters take one segment": ["x".repeat(160), 1],
  "161 GSM characters take two segments": ["x".repeat(161), 2],
  "306 GSM characters take two segments": ["x".repeat(306), 2],
  "307 GSM characters take three segments": ["x".repeat(307), 3],
  "the umlaut ü counts as one GSM character": ["ü".repeat(160), 1],
  "a euro sign counts as two GSM characters": ["€".repeat(81), 2],
  "70 non-GSM characters take one segment": ["ж".repeat(70), 1],
  "71 non-GSM characters take two segments": ["ж".repeat(71), 2],
  "one non-GSM character makes every character of the text count as non-GSM": [`${"x".repeat(70)}’`, 2],
  "35 emoji take one segment, because each counts as two characters": ["😀".repeat(35), 1],
  "36 emoji take two segments": ["😀".repeat(36), 2],
  // In a text of several segments, each segment holds 153 septets. A euro sign takes two septets, which must stay in one segment.
  "a euro sign is not split between two segments": [`${"x".repeat(152)}€${"x".repeat(152)}`, 3],
  "1,600 GSM characters take eleven segments": ["x".repeat(1600), 11],
};
for (const [name, [text, segments]] of Object.entries(rows))
  test(name, () => expect(segmentsOf(text)).toBe(segments));
