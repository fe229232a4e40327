import { expect, test } from "vitest";
import { isOlder } from "./versions.ts";

const rows: Record<string, [a: string, b: string, want: boolean | undefined]> = {
  "a smaller number is older": ["247", "248", true],
  "the same number is not older": ["248", "248", false],
  "a larger number is not older": ["248", "247", false],
  "a number with fewer digits is older": ["99", "100", true],
  "a number with more digits is not older": ["100", "99", false],
  "two large numbers that are equal as floats are still compared correctly": [
    "9007199254740993",
    "9007199254740992",
    false,
  ],
  "zero stands for any version and cannot be compared": ["0", "1", undefined],
  "a number with a leading zero, which the API server never sends, cannot be compared": [
    "01",
    "2",
    undefined,
  ],
  "versions that are not numbers cannot be compared": ["a1", "a2", undefined],
  "an empty version cannot be compared": ["", "1", undefined],
};
for (const [name, [a, b, want]] of Object.entries(rows)) test(name, () => expect(isOlder(a, b)).toBe(want));
