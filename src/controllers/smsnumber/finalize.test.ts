import { describe, expect, test } from "vitest";
import { isPatient } from "./finalize.ts";

const at = (minutes: number) => Date.UTC(2026, 0, 1, 12, minutes);

describe("a deletion waits for Twilio ten minutes", () => {
  for (const [name, deleted, atWorkSince, now, patient] of [
    ["from the deletion on, where somebody was at work", 0, -60, 9, true],
    ["and no longer", 0, -60, 10, false],
    ["from the return of an operator that was away when it came", 0, 30, 31, true],
    ["and no longer after that either", 0, 30, 40, false],
  ] as const)
    test(name, () => {
      const deletionTimestamp = new Date(at(deleted)).toISOString();
      const times = { atWorkSinceMs: at(atWorkSince), nowMs: at(now), timeoutMs: 600_000 };
      expect(isPatient({ deletionTimestamp, ...times })).toBe(patient);
    });
});
