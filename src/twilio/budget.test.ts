import assert from "node:assert/strict";
import { describe, test } from "vitest";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { Budget, type Lane, type Permit } from "./budget.ts";

const never = new AbortController().signal;

/** Makes a budget, and functions with which a test asks for calls, ends them and sees which have started. */
function setUp({
  concurrency = 4,
  requestsPerSecond = Number.POSITIVE_INFINITY,
  random = () => 1 as number,
} = {}) {
  const clock = new ManualClock();
  const budget = new Budget({ clock, concurrency, requestsPerSecond, random });
  const started: { name: string; permit: Permit; atMs: number }[] = [];
  return {
    clock,
    budget,
    ask(lane: Lane, ...names: string[]) {
      for (const name of names)
        void budget
          .acquire({ lane }, never)
          .then((permit) => void started.push({ name, permit, atMs: clock.monotonic() }));
    },
    async end(name: string, outcome: Parameters<Budget["finish"]>[1] = "answered") {
      const call = started.find((call) => call.name === name);
      assert.ok(call !== undefined, `${name} has not started`);
      budget.finish(call.permit, outcome);
      await clock.advance(0);
    },
    async started() {
      await clock.advance(0);
      return started.map(({ name }) => name);
    },
    times: () => started.map(({ atMs }) => atMs),
  };
}

describe("the lanes of a budget", () => {
  test("let as many calls run at a time as allowed, and start the next call when one ends", async () => {
    const calls = setUp({ concurrency: 2 });
    calls.ask("change", "a", "b", "c");
    assert.deepEqual(await calls.started(), ["a", "b"]);
    await calls.end("a");
    assert.deepEqual(await calls.started(), ["a", "b", "c"]);
  });
  test("keep a quarter of the places for calls free of resyncs, so that a change starts immediately", async () => {
    const calls = setUp({ concurrency: 8 });
    calls.ask("resync", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8");
    assert.equal((await calls.started()).length, 6);
    calls.ask("change", "c1", "c2");
    assert.deepEqual((await calls.started()).slice(6), ["c1", "c2"]);
  });
  test("start changes before resyncs that have waited longer", async () => {
    const calls = setUp({ concurrency: 2 });
    calls.ask("resync", "r1", "r2");
    calls.ask("change", "c1", "c2");
    assert.deepEqual(await calls.started(), ["r1", "c1"]);
    await calls.end("r1");
    assert.deepEqual(await calls.started(), ["r1", "c1", "r2"]);
  });
  test("leave one place to a waiting resync while more and more changes come", async () => {
    const calls = setUp({ concurrency: 4 });
    calls.ask("change", "c1", "c2", "c3", "c4");
    calls.ask("resync", "r1");
    calls.ask("change", "c5");
    await calls.started();
    await calls.end("c1");
    assert.deepEqual((await calls.started()).slice(4), ["r1"]);
  });
  for (const [title, ask, want] of [
    ["a change starts before resyncs that waited longer", ["r1", "r2", "c1"], ["c1", "r1", "r2"]],
    [
      "a resync gets every fifth turn, however many changes wait",
      ["r1", "r2", ..."123456789".split("")],
      [..."1234".split(""), "r1", ..."5678".split(""), "r2", "9"],
    ],
    ["all resyncs start one after another while no change waits", ["r1", "r2"], ["r1", "r2"]],
    [
      "all changes start one after another while no resync waits",
      ["1", "2", "3", "4", "5"],
      ["1", "2", "3", "4", "5"],
    ],
  ] as const)
    for (const shrunkBy of ["its settings", "429s"] as const)
      test(`limited to one call at a time by ${shrunkBy}: ${title}`, async () => {
        const calls = setUp({ concurrency: shrunkBy === "429s" ? 4 : 1 });
        const first = shrunkBy === "429s" ? ["t1", "t2", "t3"] : ["t1"];
        for (const name of first.slice(0, -1)) {
          calls.ask("resync", name);
          await calls.clock.advance(60_000);
          await calls.end(name, { throttled: undefined });
        }
        calls.ask("resync", first.at(-1)!);
        await calls.clock.advance(60_000);
        assert.equal(calls.budget.window, 1);
        for (const name of ask) calls.ask(name.startsWith("r") ? "resync" : "change", name);
        for (const name of [first.at(-1)!, ...want]) await calls.end(name, "failed");
        assert.deepEqual((await calls.started()).slice(first.length), want);
      });
  test("let changes take all places for calls when no resync waits", async () => {
    const calls = setUp({ concurrency: 4 });
    calls.ask("change", "c1", "c2", "c3", "c4", "c5");
    assert.equal((await calls.started()).length, 4);
  });
  test("give no place to a caller that no longer waits", async () => {
    const { budget, clock } = setUp({ concurrency: 1 });
    const first = await budget.acquire({ lane: "change" }, never);
    const stop = new AbortController();
    const given = budget.acquire({ lane: "change" }, stop.signal);
    const third = budget.acquire({ lane: "change" }, never);
    stop.abort(new Error("gone"));
    await assert.rejects(given, /gone/);
    budget.finish(first, "answered");
    await clock.advance(0);
    assert.equal((await third).lane, "change");
  });
  test("let tenants that share the account take turns, however many calls of one tenant came first", async () => {
    const { budget, clock } = setUp({ concurrency: 1 });
    const order: string[] = [];
    for (const name of ["a1", "a2", "a3", "a4", "b1", "b2"])
      void budget.acquire({ lane: "change", tenant: name[0]! }, never).then((permit) => {
        order.push(name);
        budget.finish(permit, "answered");
      });
    for (let i = 0; i < 6; i++) await clock.advance(0);
    assert.deepEqual(order, ["a1", "a2", "b1", "a3", "b2", "a4"]);
  });
  test("reject a call whose signal is already aborted", async () => {
    await assert.rejects(
      setUp().budget.acquire({ lane: "change" }, AbortSignal.abort(new Error("late"))),
      /late/,
    );
  });
});

describe("a caller that has waited for half a minute", () => {
  const rows: Record<string, [Parameters<Budget["finish"]>[1], sentAway: boolean]> = {
    "gets an error at the next 429": [{ throttled: undefined }, true],
    "gets an error at the next call that gets no answer": ["failed", true],
    "goes on waiting while calls are answered, however slowly": ["answered", false],
    "goes on waiting when another caller gives up, which says nothing about Twilio": ["abandoned", false],
  };
  for (const [name, [outcome, sentAway]] of Object.entries(rows))
    test(name, async () => {
      const { budget, clock } = setUp({ concurrency: 1, random: () => 0 });
      const first = await budget.acquire({ lane: "change" }, never);
      const fate = (lane: Lane) =>
        budget.acquire({ lane }, never).then(
          () => "started",
          (error: Error) => error.name,
        );
      const old = [fate("change"), fate("resync")];
      await clock.advance(20_000);
      const young = fate("change");
      await clock.advance(10_000);
      budget.finish(first, outcome);
      await clock.advance(1);
      assert.equal(await old[0], sentAway ? "TimeoutError" : "started");
      if (sentAway) assert.equal(await old[1], "TimeoutError");
      if (sentAway) assert.equal(await young, "started");
    });
});

test("a budget allows a burst of as many requests as may be under way at a time, and then only its requests per second", async () => {
  const calls = setUp({ concurrency: 3, requestsPerSecond: 10 });
  for (const name of ["a", "b", "c", "d", "e"]) calls.ask("change", name);
  await calls.started();
  for (const name of ["a", "b", "c"]) await calls.end(name);
  await calls.clock.advance(1000);
  assert.deepEqual(calls.times(), [0, 0, 0, 100, 200]);
});

describe("a 429 of Twilio", () => {
  test("pauses the whole account, and each further 429 in a row doubles the pause", async () => {
    const calls = setUp();
    const pauses: number[] = [];
    for (const name of ["a", "b", "c", "d"]) {
      calls.ask("change", name);
      await calls.clock.advance(60_000);
      await calls.end(name, { throttled: undefined });
      pauses.push(calls.budget.pauseMs);
    }
    assert.deepEqual(pauses, [200, 400, 800, 1600]);
    calls.ask("resync", "e");
    await calls.clock.advance(1599);
    assert.equal((await calls.started()).includes("e"), false);
    await calls.clock.advance(1);
    assert.equal((await calls.started()).includes("e"), true);
  });
  test("pauses the account for at most 30 s, whatever Twilio asks for", async () => {
    const calls = setUp();
    for (let i = 0; i < 12; i++) {
      calls.ask("change", `call ${i}`);
      await calls.clock.advance(60_000);
      await calls.end(`call ${i}`, { throttled: undefined });
    }
    assert.equal(calls.budget.pauseMs, 30_000);
    await calls.clock.advance(60_000);
    calls.ask("change", "z");
    await calls.started();
    await calls.end("z", { throttled: 3_600_000 });
    assert.equal(calls.budget.pauseMs, 30_000);
  });
  test("pauses the account for the time that its Retry-After asks for", async () => {
    const calls = setUp();
    calls.ask("change", "a");
    await calls.started();
    await calls.end("a", { throttled: 7000 });
    assert.equal(calls.budget.pauseMs, 7000);
  });
  test("pauses the account for a random part of the backoff", async () => {
    const calls = setUp({ random: () => 0.25 });
    calls.ask("change", "a");
    await calls.started();
    await calls.end("a", { throttled: undefined });
    assert.equal(calls.budget.pauseMs, 50);
  });
  test("halves the number of calls that may be under way only once, however many calls in flight get a 429", async () => {
    const calls = setUp({ concurrency: 8 });
    calls.ask("change", "a", "b", "c", "d");
    await calls.started();
    for (const name of ["a", "b", "c", "d"]) await calls.end(name, { throttled: undefined });
    assert.equal(calls.budget.window, 4);
    assert.equal(calls.budget.pauseMs, 200);
  });
  test("leaves at least one call at a time, however many 429s came before, so the account never stops for good", async () => {
    const calls = setUp({ concurrency: 2 });
    for (let i = 0; i < 5; i++) {
      calls.ask("resync", `call ${i}`);
      await calls.clock.advance(60_000);
      await calls.end(`call ${i}`, { throttled: undefined });
    }
    assert.equal(calls.budget.window, 1);
    calls.ask("resync", "last");
    await calls.clock.advance(30_000);
    assert.equal((await calls.started()).at(-1), "last");
  });
  test("is undone step by step by good answers to calls that began after it, but not by answers to earlier calls", async () => {
    const calls = setUp({ concurrency: 8 });
    calls.ask("change", "old", "refused");
    await calls.started();
    await calls.end("refused", { throttled: undefined });
    await calls.end("old");
    assert.equal(calls.budget.window, 4);
    await calls.clock.advance(30_000);
    for (let i = 0; i < 100; i++) {
      calls.ask("change", `call ${i}`);
      await calls.started();
      await calls.end(`call ${i}`);
      if (i === 0) assert.equal(calls.budget.window, 4);
    }
    assert.equal(calls.budget.window, 8);
  });
});
