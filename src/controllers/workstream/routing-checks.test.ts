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

test("the rules of a spec are judged once, however many attempts need the verdict", async () => {
  checks.want(stream());
  checks.want(stream());
  await answer();
  checks.want(stream());
  expect(asked).toHaveLength(1);
  expect(checks.problems(stream())).toEqual(problems);
});

test("a stream without rules gets its verdict immediately, and the judge is not asked", () => {
  checks.want(stream(1, "u", []));
  expect(checks.problems(stream())).toEqual([]);
  expect(asked).toHaveLength(0);
});

test("rules are judged again when they change, and when the stream was deleted and created again", async () => {
  checks.want(stream());
  await answer();
  checks.want(edited);
  expect(checks.problems(edited)).toBeUndefined();
  await answer({ problems: [] });
  expect(checks.problems(edited)).toEqual([]);
  checks.want(stream(2, "other", ["true"]));
  expect(asked).toHaveLength(3);
});

test("an edit that does not change the rules keeps their verdict", async () => {
  checks.want(stream());
  await answer();
  checks.want(stream(2));
  expect(checks.problems(stream(2))).toEqual(problems);
  expect(asked).toHaveLength(1);
});

test("when an edit during the judgement does not change the rules, the verdict counts for the new spec and wakes the stream", async () => {
  checks.want(stream());
  checks.want(stream(2));
  expect(checks.problems(stream(2))).toBeUndefined();
  await answer();
  expect(asked).toHaveLength(1);
  expect(changed).toEqual(["team/support"]);
  expect(checks.problems(stream(2))).toEqual(problems);
});

test("a stream is not woken for a verdict that came while its attempt was waiting", async () => {
  checks.want(stream());
  const judged = checks.judged(stream(), 2000, signal);
  asked[0]!.resolve({ problems, certain: true });
  await judged;
  expect(checks.problems(stream())).toEqual(problems);
  expect(changed).toEqual([]);
});

test("a stream whose attempt went on without the verdict is woken when the verdict is there", async () => {
  checks.want(stream());
  const judged = checks.judged(stream(), 2000, signal);
  await clock.advance(2000);
  await judged;
  expect(checks.problems(stream())).toBeUndefined();
  await answer();
  expect(changed).toEqual(["team/support"]);
});

test("a verdict on rules that have changed since wakes no stream and is not kept", async () => {
  checks.want(stream());
  checks.problems(stream());
  checks.want(edited);
  asked[0]!.resolve({ problems, certain: true });
  await clock.advance(0);
  expect(changed).toEqual([]);
  expect(checks.problems(edited)).toBeUndefined();
});

test("rules are judged again at the next attempt when the judge fails", async () => {
  checks.want(stream());
  asked[0]!.reject(new Error("no thread"));
  await clock.advance(0);
  expect(checks.problems(stream())).toBeUndefined();
  checks.want(stream());
  expect(asked).toHaveLength(2);
});

test("a rule that cost too much time counts as a problem and is judged again after an hour", async () => {
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

test("the problems of a deleted stream's rules are forgotten", async () => {
  checks.want(stream());
  await answer();
  checks.forget("team/support");
  expect(checks.problems(stream())).toBeUndefined();
});
