import { expect, test } from "vitest";
import { segmentsOf } from "./segments.ts";

const rows: Record<string, [text: string, segments: number]> = {
  "an empty text takes one segment": ["", 1],
  "160 GSM characters take one segment": ["x".repeat(160), 1],
  "161 GSM characters take two segments": ["x".repeat(161), 2],
  "306 GSM characters take two segments": ["x".repeat(306), 2],
  "307 GSM characters take three segments": ["x".repeat(307), 3],
  "an umlaut is a GSM character": ["ü".repeat(160), 1],
  "a euro sign counts twice": ["€".repeat(81), 2],
  "70 other characters take one segment": ["ж".repeat(70), 1],
  "71 other characters take two segments": ["ж".repeat(71), 2],
  "a single other character makes the whole text count as such": [`${"x".repeat(70)}’`, 2],
  "35 emoji take one segment, because each counts twice": ["😀".repeat(35), 1],
  "36 emoji take two segments": ["😀".repeat(36), 2],
  // One of several segments holds 153 septets, and the two of a euro sign stay together.
  "a euro sign is not split between two segments": [`${"x".repeat(152)}€${"x".repeat(152)}`, 3],
  "1,600 GSM characters take eleven segments": ["x".repeat(1600), 11],
};
for (const [name, [text, segments]] of Object.entries(rows))
  test(name, () => expect(segmentsOf(text)).toBe(segments));
