import { describe, expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { ALWAYS } from "../../leadership.ts";
import { type Log, silentLog } from "../../log.ts";
import { Checks } from "./checks.ts";
import type { Prober } from "./probe.ts";
import type { ProbeTarget } from "./target.ts";
import type { ProbeResult } from "./verdict.ts";

const target = (url = "https://sms.example.com/inbound/team/support", stream = "support"): ProbeTarget => ({
  namespaceUid: "uid",
  stream,
  accountSid: "AC1",
  checkKey: "a2V5",
  url,
});
const refused: ProbeResult = { kind: "failed", reason: "PublicUrlUnreachable", message: "refused" };

/** A log that keeps each warning and each info message as a line. */
function noting(lines: string[]): Log {
  const note = (fields: object, text: string) => void lines.push(`${text} ${JSON.stringify(fields)}`);
  return { ...silentLog, warn: note, info: note } as unknown as Log;
}

function scene({ begun = true } = {}) {
  const clock = new ManualClock();
  const state = {
    probes: 0,
    /** How many probes sent the longest text. */
    long: 0,
    /** The times at which each stream was probed, by the name of the stream. */
    at: {} as Record<string, number[]>,
    answer: { kind: "answered", generation: 1 } as ProbeResult,
    changes: [] as string[],
    log: [] as string[],
  };
  const prober: Prober = {
    probe: async ({ stream }, { long }) => {
      state.probes += 1;
      if (long) state.long += 1;
      state.at[stream] = [...(state.at[stream] ?? []), clock.monotonic()];
      return state.answer;
    },
    close: async () => {},
  };
  const checks = new Checks({
    prober,
    clock,
    log: noting(state.log),
    lastAcceptedTextMs: () => undefined,
    onChange: (key) => state.changes.push(key),
    random: () => 0.5,
  });
  if (begun) checks.begin(ALWAYS);
  return { clock, state, checks };
}

describe("self-checks", () => {
  test("probe a new route three times and then stop", async () => {
    const { clock, state, checks } = scene();
    checks.want("a", target(), 1);
    await clock.advance(10);
    expect(checks.passed("a", 1)).toBe(true);
    expect(state.probes).toBe(3);
    expect(state.changes).toEqual(["a"]);
    await clock.advance(25_000);
    expect(state.probes).toBe(3);
    checks.stop();
  });

  test("probe one route of each host twice a minute, also with the longest text", async () => {
    const { clock, state, checks } = scene();
    for (let at = 0; at < 50; at++) checks.want(`r${at}`, target(), 1);
    await clock.advance(10);
    const before = state.probes;
    const long = state.long;
    // Up to 16 probes run at a time, so at most the first 16 of the fifty routes got the longest text.
    expect(long).toBeLessThanOrEqual(16);
    await clock.advance(600_000);
    expect(state.probes - before).toBe(20);
    expect(state.long - long).toBe(20);
    checks.stop();
  });

  test("report a host as failing after three failures, and as working within seconds after one pass", async () => {
    const { clock, state, checks } = scene();
    checks.want("a", target(), 1);
    checks.want("b", target(), 1);
    await clock.advance(10);
    state.answer = refused;
    await clock.advance(30_000);
    expect(checks.verdict("a").status).toBe("True");
    // The third failure comes within a minute, because a person who broke something may be waiting for the result.
    await clock.advance(15_000);
    expect(checks.verdict("a")).toMatchObject({ status: "False", reason: "PublicUrlUnreachable" });
    expect(checks.verdict("b").status).toBe("False");
    // A failing host does not show that the receivers have lost the route, so a number may stay pointed at the route.
    expect(checks.passed("a", 1)).toBe(true);
    state.answer = { kind: "answered", generation: 1 };
    await clock.advance(6_000);
    expect(checks.verdict("a").status).toBe("True");
    checks.stop();
  });

  test("let a number be pointed at a changed route only after the new version has passed", async () => {
    const { clock, state, checks } = scene();
    checks.want("a", target(), 1);
    await clock.advance(10);
    checks.want("a", target(), 2);
    await clock.advance(2000);
    expect(checks.passed("a", 2)).toBe(false);
    expect(checks.verdict("a").status).toBe("True");
    state.answer = { kind: "answered", generation: 2 };
    await clock.advance(30_000);
    expect(checks.passed("a", 2)).toBe(true);
    checks.stop();
  });

  test("report a new verdict when a failing host begins to fail in another way", async () => {
    const { clock, state, checks } = scene();
    checks.want("a", target(), 1);
    await clock.advance(10);
    state.answer = refused;
    await clock.advance(45_000);
    state.changes.length = 0;
    state.answer = {
      kind: "answered",
      generation: 1,
      problem: { reason: "PublicUrlAltersRequests", message: "a slash is appended" },
    };
    await clock.advance(6_000);
    expect(checks.verdict("a")).toMatchObject({ reason: "PublicUrlAltersRequests" });
    expect(state.changes).toEqual(["a"]);
    checks.stop();
  });

  test("do not count an answer of a receiver with an older route as a failure of the host", async () => {
    const { clock, state, checks } = scene();
    state.answer = { kind: "answered", generation: 2 };
    checks.want("a", target(), 2);
    await clock.advance(10);
    const problem = { reason: "PublicUrlAltersRequests", message: "signed for another URL" } as const;
    state.answer = { kind: "answered", generation: 1, problem };
    await clock.advance(120_000);
    expect(checks.verdict("a").status).toBe("True");
    checks.stop();
  });

  test("send probes more and more rarely while there is no answer", async () => {
    const { clock, state, checks } = scene();
    state.answer = refused;
    checks.want("a", target(), 1);
    await clock.advance(120_000);
    const before = state.probes;
    await clock.advance(600_000);
    expect(state.probes - before).toBeLessThan(30);
    expect(checks.verdict("a")).toMatchObject({ reason: "PublicUrlUnreachable" });
    checks.stop();
  });

  test("probe one route of a failing new host every two seconds, and all routes of the host as soon as that route passes", async () => {
    const { clock, state, checks } = scene();
    state.answer = refused;
    for (const name of ["a", "b", "c"]) checks.want(name, target(undefined, name), 1);
    await clock.advance(60_000);
    const pauses = (name: string) =>
      state.at[name]!.slice(1).map((at, i) => (at - state.at[name]![i]!) / 1000);
    expect(Math.max(...pauses("a"))).toBe(2);
    for (const name of ["b", "c"]) {
      expect(state.at[name]!.length).toBeLessThan(10);
      // The pause doubles up to 24 s. A quarter more, at random, makes 30 s.
      expect(pauses(name).slice(-2)).toEqual([16, 24]);
    }
    state.answer = { kind: "answered", generation: 1 };
    await clock.advance(2_000);
    for (const name of ["a", "b", "c"]) expect(checks.passed(name, 1)).toBe(true);
    checks.stop();
  });

  test("probe another route of a failing host often when the route that was probed often is removed", async () => {
    const { clock, state, checks } = scene();
    state.answer = refused;
    for (const name of ["a", "b"]) checks.want(name, target(undefined, name), 1);
    await clock.advance(30_000);
    checks.forget("a");
    await clock.advance(60_000);
    const before = state.at.b!.length;
    await clock.advance(20_000);
    expect(state.at.b!.length - before).toBe(10);
    checks.stop();
  });

  test("log each problem once with its cause, and log its end once", async () => {
    const { clock, state, checks } = scene();
    state.answer = refused;
    checks.want("a", target(), 1);
    await clock.advance(30_000);
    state.answer = { kind: "failed", reason: "RoutesNotLoaded", message: "not yet" };
    await clock.advance(30_000);
    state.answer = { kind: "answered", generation: 1 };
    await clock.advance(30_000);
    const host = "sms.example.com";
    expect(state.log).toEqual([
      `self-check fails ${JSON.stringify({ host, reason: "PublicUrlUnreachable", problem: "refused" })}`,
      `self-check passes ${JSON.stringify({ host })}`,
    ]);
    checks.stop();
  });

  test("end a caller's wait for a verdict as soon as there is one", async () => {
    const { clock, state, checks } = scene();
    const signal = new AbortController().signal;
    state.answer = { kind: "failed", reason: "RoutesNotLoaded", message: "not yet" };
    checks.want("a", target(), 1);
    let waited = false;
    const wait = checks.firstVerdict("a", 3000, signal).then(() => {
      waited = true;
    });
    await clock.advance(600);
    expect(waited).toBe(false);
    state.answer = { kind: "answered", generation: 1 };
    await clock.advance(1000);
    expect(waited).toBe(true);
    await wait;
    checks.stop();
  });

  test("probe only during a term of leadership, and forget the results at its end", async () => {
    const { clock, state, checks } = scene({ begun: false });
    const begin = (remainingMs = 9000) => {
      const end = new AbortController();
      checks.begin({ signal: end.signal, remainingMs: () => remainingMs });
      return end;
    };
    checks.want("a", target(), 1);
    await clock.advance(600_000);
    expect(state.probes).toBe(0);

    const end = begin();
    checks.want("a", target(), 1);
    checks.want("failing", target("https://other.example.com/inbound/team/support"), 2);
    await clock.advance(10);
    expect(checks.passed("a", 1)).toBe(true);
    end.abort();
    const before = state.probes;
    await clock.advance(600_000);
    expect(state.probes).toBe(before);
    expect(checks.passed("a", 1)).toBe(false);
    expect(checks.verdict("a")).toEqual({ status: "Unknown" });

    const next = begin();
    checks.want("a", target(), 1);
    await clock.advance(10);
    expect(state.probes).toBe(before + 3);
    expect(checks.passed("a", 1)).toBe(true);
    next.abort();
    // A process that was frozen may not have noticed yet that its term is over. It must send no probe.
    begin(0);
    checks.want("a", target(), 1);
    await clock.advance(600_000);
    expect(state.probes).toBe(before + 3);
    checks.stop();
  });
});
