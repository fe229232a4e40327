import { describe, expect, test } from "vitest";
import { ManualClock } from "../../clock.ts";
import { ALWAYS } from "../../kube/leader.ts";
import { silentLog } from "../../log.ts";
import { Checks } from "./checks.ts";
import type { Prober, ProbeTarget } from "./probe.ts";
import type { ProbeResult } from "./verdict.ts";

const target = (url = "https://sms.example.com/inbound/team/support"): ProbeTarget => ({
  namespaceUid: "uid",
  stream: "support",
  accountSid: "AC1",
  checkKey: new Uint8Array(32),
  url,
});
const refused: ProbeResult = { kind: "failed", reason: "PublicUrlUnreachable", message: "refused" };

function scene({ begun = true } = {}) {
  const clock = new ManualClock();
  const state = {
    probes: 0,
    answer: { kind: "answered", generation: 1 } as ProbeResult,
    changes: [] as string[],
  };
  const prober: Prober = {
    probe: async () => {
      state.probes += 1;
      return state.answer;
    },
    close: async () => {},
  };
  const checks = new Checks({
    prober,
    clock,
    log: silentLog,
    lastAcceptedTextMs: () => undefined,
    onChange: (key) => state.changes.push(key),
    random: () => 0.5,
  });
  if (begun) checks.begin(ALWAYS);
  return { clock, state, checks };
}

describe("self-checks", () => {
  test("a new route is probed three times and then left in peace", async () => {
    const { clock, state, checks } = scene();
    checks.want("a", target(), 1);
    await clock.advance(10);
    expect(checks.passed("a", 1)).toBe(true);
    expect(state.probes).toBe(3);
    expect(state.changes).toEqual(["a"]);
    await clock.advance(30_000);
    expect(state.probes).toBe(3);
    checks.stop();
  });

  test("one route stands for its host, once a minute", async () => {
    const { clock, state, checks } = scene();
    for (let at = 0; at < 50; at++) checks.want(`r${at}`, target(), 1);
    await clock.advance(10);
    const before = state.probes;
    await clock.advance(600_000);
    expect(state.probes - before).toBe(10);
    checks.stop();
  });

  test("three failures fail the host, and a pass mends it within seconds", async () => {
    const { clock, state, checks } = scene();
    checks.want("a", target(), 1);
    checks.want("b", target(), 1);
    await clock.advance(10);
    state.answer = refused;
    await clock.advance(60_000);
    expect(checks.verdict("a").status).toBe("True");
    await clock.advance(15_000);
    expect(checks.verdict("a")).toMatchObject({ status: "False", reason: "PublicUrlUnreachable" });
    expect(checks.verdict("b").status).toBe("False");
    // A failing host says nothing about what the receivers know: a number may stay where it is.
    expect(checks.passed("a", 1)).toBe(true);
    state.answer = { kind: "answered", generation: 1 };
    await clock.advance(6_000);
    expect(checks.verdict("a").status).toBe("True");
    checks.stop();
  });

  test("a changed route must pass anew before a number is pointed", async () => {
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

  test("tries grow rarer while nothing answers", async () => {
    const { clock, state, checks } = scene();
    state.answer = refused;
    checks.want("a", target(), 1);
    await clock.advance(600_000);
    expect(state.probes).toBeLessThan(30);
    expect(checks.verdict("a")).toMatchObject({ reason: "PublicUrlUnreachable" });
    checks.stop();
  });

  test("who waits for a verdict gets it as soon as there is one, or his patience back", async () => {
    const { clock, state, checks } = scene();
    const signal = new AbortController().signal;
    state.answer = { kind: "failed", reason: "RoutesNotLoaded", message: "not yet" };
    checks.want("a", target(), 1);
    let waited = false;
    const wait = checks.settled("a", 3000, signal).then(() => {
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

  test("nothing is probed outside of a term, and what was found ends with it", async () => {
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
    // A process that was frozen may not have noticed yet that its term is over.
    begin(0);
    checks.want("a", target(), 1);
    await clock.advance(600_000);
    expect(state.probes).toBe(before + 3);
    checks.stop();
  });
});
