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
  "the first foreign change is set back": [input({}), "repair"],
  "the second foreign change within an hour is set back": [input({ repairs: [now - 1000] }), "repair"],
  "the third foreign change within an hour starts a contest": [
    input({ repairs: [now - 2000, now - 1000] }),
    { sinceMs: now, generation: 1, seen: "theirs" },
  ],
  "foreign changes that are spread over hours start no contest": [
    input({ repairs: [now - CONTEST_WINDOW_MS, now - 1000] }),
    "repair",
  ],
  "a contest goes on while the foreign webhook stays the same": [input({ contest: under }), under],
  "another foreign change during a contest moves its end to an hour after that change": [
    input({ contest: under, seen: "theirs, again" }),
    { sinceMs: now, generation: 1, seen: "theirs, again" },
  ],
  "a new generation of the SmsNumber ends the contest": [input({ contest: under, generation: 2 }), "repair"],
  "an hour without a foreign change ends the contest": [
    input({ contest: { ...under, sinceMs: now - CONTEST_WINDOW_MS } }),
    "repair",
  ],
};

describe("judgeContest decides whether to repair a webhook that somebody changed", () => {
  for (const [name, [given, want]] of Object.entries(rows))
    test(name, () => expect(judgeContest(given)).toEqual(want));
});
