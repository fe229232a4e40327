import { beforeEach, expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import type { WorkStream } from "../../api/index.ts";
import { silentLog } from "../../log.ts";
import type { Judged } from "../../rules/judge.ts";
import { RoutingChecks } from "./routing-checks.ts";

const { signal } = new AbortController();
const problems = [{ index: 0, name: "a", message: "no such field" }];
const stream = (generation = 1, uid = "u", whens = ["message.body == ''"]) =>
  ({
    metadata: { namespace: "team", name: "support", uid, generation },
    spec: { routingRules: whens.map((when) => ({ name: "a", when })) },
  }) as unknown as WorkStream;
const edited = stream(2, "u", ["true"]);

let clock: ManualClock;
let asked: PromiseWithResolvers<Judged>[];
let changed: string[];
let checks: RoutingChecks;

beforeEach(() => {
  clock = new ManualClock();
  asked = [];
  changed = [];
  checks = new RoutingChecks({
    judge: {
      judge: () => {
        const one = Promise.withResolvers<Judged>();
        asked.push(one);
        return one.promise;
      },
    },
    clock,
    log: silentLog,
    onChange: (key) => changed.push(key),
  });
});

const answer = async (judged: Partial<Judged> = {}) => {
  asked.at(-1)!.resolve({ problems, certain: true, ...judged });
  await checks.judged(stream(), 0, signal);
  await clock.advance(0);
};

test("a spec is judged once, however often it is looked at", async () => {
  checks.want(stream());
  checks.want(stream());
  await answer();
  checks.want(stream());
  expect(asked).toHaveLength(1);
  expect(checks.problems(stream())).toEqual(problems);
});

test("a stream without rules is judged at once", () => {
  checks.want(stream(1, "u", []));
  expect(checks.problems(stream())).toEqual([]);
  expect(asked).toHaveLength(0);
});

test("changed rules, and those of a stream that was made anew, are judged again", async () => {
  checks.want(stream());
  await answer();
  checks.want(edited);
  expect(checks.problems(edited)).toBeUndefined();
  await answer({ problems: [] });
  expect(checks.problems(edited)).toEqual([]);
  checks.want(stream(2, "other", ["true"]));
  expect(asked).toHaveLength(3);
});

test("an edit that leaves the rules as they are keeps their verdict", async () => {
  checks.want(stream());
  await answer();
  checks.want(stream(2));
  expect(checks.problems(stream(2))).toEqual(problems);
  expect(asked).toHaveLength(1);
});

test("an edit while the rules are being judged makes the verdict count for the new spec, and wakes the stream that missed it", async () => {
  checks.want(stream());
  checks.want(stream(2));
  expect(checks.problems(stream(2))).toBeUndefined();
  await answer();
  expect(asked).toHaveLength(1);
  expect(changed).toEqual(["team/support"]);
  expect(checks.problems(stream(2))).toEqual(problems);
});

test("no stream is woken for a verdict that came in time", async () => {
  checks.want(stream());
  const judged = checks.judged(stream(), 2000, signal);
  asked[0]!.resolve({ problems, certain: true });
  await judged;
  expect(checks.problems(stream())).toEqual(problems);
  expect(changed).toEqual([]);
});

test("a stream that went on without the verdict is woken when it is there", async () => {
  checks.want(stream());
  const judged = checks.judged(stream(), 2000, signal);
  await clock.advance(2000);
  await judged;
  expect(checks.problems(stream())).toBeUndefined();
  await answer();
  expect(changed).toEqual(["team/support"]);
});

test("a verdict on former rules wakes no stream and is not kept", async () => {
  checks.want(stream());
  checks.problems(stream());
  checks.want(edited);
  asked[0]!.resolve({ problems, certain: true });
  await clock.advance(0);
  expect(changed).toEqual([]);
  expect(checks.problems(edited)).toBeUndefined();
});

test("a judge that fails is asked again at the next attempt", async () => {
  checks.want(stream());
  asked[0]!.reject(new Error("no thread"));
  await clock.advance(0);
  expect(checks.problems(stream())).toBeUndefined();
  checks.want(stream());
  expect(asked).toHaveLength(2);
});

test("a rule that was too dear is judged again after an hour, and is held against the stream until then", async () => {
  checks.want(stream());
  await answer({ certain: false });
  await clock.advance(3_599_000);
  checks.want(stream());
  expect(asked).toHaveLength(1);
  await clock.advance(1000);
  checks.want(stream());
  expect(asked).toHaveLength(2);
  expect(checks.problems(stream())).toEqual(problems);
  await answer({ problems: [] });
  expect(checks.problems(stream())).toEqual([]);
});

test("nothing is kept of a stream that is gone", async () => {
  checks.want(stream());
  await answer();
  checks.forget("team/support");
  expect(checks.problems(stream())).toBeUndefined();
});
