import { describe, expect, test } from "vitest";
import { PATTERNS_PER_STREAM, STEPS_PER_STREAM } from "./bounds.ts";
import { problemsOf } from "./problems.ts";
import type { ExpressionCheck } from "./rules.ts";

const good = (patterns: number, steps: number): ExpressionCheck => ({ good: true, patterns, steps });
const bad = (message: string): ExpressionCheck => ({ good: false, message });
const half = PATTERNS_PER_STREAM / 2;

/** For each case: the check of each rule alone, and the index and message of each rule that is skipped. */
const rows: Record<string, [alone: ExpressionCheck[], problems: [index: number, said: string][]]> = {
  "an empty list of rules has no skipped rule": [[], []],
  "each skipped rule is reported with its index": [
    [good(0, 0), bad("no such field"), good(1, 8), bad("not finished")],
    [
      [1, "no such field"],
      [3, "not finished"],
    ],
  ],
  "no rule is skipped at the largest number of patterns": [[good(half, 9), good(half, 9), good(0, 0)], []],
  "a rule with one pattern too many is skipped, and a rule without patterns after it is not": [
    [good(half, 9), good(half, 9), good(1, 3), good(0, 0)],
    [[2, "257 patterns, and a WorkStream can have at most 256"]],
  ],
  "no rule is skipped at the largest number of steps": [[good(1, STEPS_PER_STREAM - 1), good(1, 1)], []],
  "a rule with too many steps is skipped, and a smaller rule after it is not": [
    [good(1, STEPS_PER_STREAM - 10), good(1, 11), good(1, 10)],
    [[1, "30,001 steps, and a WorkStream can have at most 30,000"]],
  ],
  "a bad rule does not count towards the limits": [
    [bad("too long"), good(1, STEPS_PER_STREAM)],
    [[0, "too long"]],
  ],
};

describe("rules of one stream that are skipped", () => {
  for (const [name, [alone, problems]] of Object.entries(rows))
    test(name, () => {
      const rules = alone.map((_, at) => ({ name: `r${at}`, when: "true" }));
      expect(problemsOf(rules, alone)).toEqual(
        problems.map(([index, said]) => ({
          index,
          name: `r${index}`,
          message: expect.stringContaining(said),
        })),
      );
    });
});
