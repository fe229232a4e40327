import { expect, test } from "vitest";
import { isOlder } from "./versions.ts";

const rows: Record<string, [a: string, b: string, want: boolean | undefined]> = {
  "a smaller number": ["247", "248", true],
  "the same": ["248", "248", false],
  "a larger number": ["248", "247", false],
  "fewer digits": ["99", "100", true],
  "more digits": ["100", "99", false],
  "more than a float can tell apart": ["9007199254740993", "9007199254740992", false],
  "a zero stands for any version": ["0", "1", undefined],
  "a leading zero is no number of the API server's": ["01", "2", undefined],
  "another server's versions": ["a1", "a2", undefined],
  nothing: ["", "1", undefined],
};
for (const [name, [a, b, want]] of Object.entries(rows)) test(name, () => expect(isOlder(a, b)).toBe(want));
