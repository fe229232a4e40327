import { describe, expect, test } from "vitest";
import { CONTEST_WINDOW_MS, type ContestInput, judgeContest } from "./contest.ts";

const now = 10 * CONTEST_WINDOW_MS;
const input = (more: Partial<ContestInput>): ContestInput => ({
  repairs: [],
  contest: undefined,
  seen: "theirs",
  generation: 1,
  now,
  ...more,
});
const under = { sinceMs: now - 1000, generation: 1, seen: "theirs" };

const rows: Record<string, [ContestInput, ReturnType<typeof judgeContest>]> = {
  "the first change is set back": [input({}), "repair"],
  "the second change is set back": [input({ repairs: [now - 1000] }), "repair"],
  "the third within an hour is a contest": [
    input({ repairs: [now - 2000, now - 1000] }),
    { sinceMs: now, generation: 1, seen: "theirs" },
  ],
  "changes spread over hours are not": [input({ repairs: [now - CONTEST_WINDOW_MS, now - 1000] }), "repair"],
  "under way and unchanged, it goes on": [input({ contest: under }), under],
  "another foreign change starts its hour anew": [
    input({ contest: under, seen: "theirs, again" }),
    { sinceMs: now, generation: 1, seen: "theirs, again" },
  ],
  "a change of the object ends it": [input({ contest: under, generation: 2 }), "repair"],
  "an hour without a change ends it": [
    input({ contest: { ...under, sinceMs: now - CONTEST_WINDOW_MS } }),
    "repair",
  ],
};

describe("judgeContest", () => {
  for (const [name, [given, want]] of Object.entries(rows))
    test(name, () => expect(judgeContest(given)).toEqual(want));
});
