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

/** Keeps a line for each warning, and for what ends it. */
function noting(lines: string[]): Log {
  const note = (fields: object, text: string) => void lines.push(`${text} ${JSON.stringify(fields)}`);
  return { ...silentLog, warn: note, info: note } as unknown as Log;
}

function scene({ begun = true } = {}) {
  const clock = new ManualClock();
  const state = {
    probes: 0,
    /** How many of them were with the longest text. */
    long: 0,
    /** When each stream was probed, by its name. */
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
  test("a new route is probed three times and then no more", async () => {
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

  test("one route stands for its host, twice a minute, and is sent the longest text as well", async () => {
    const { clock, state, checks } = scene();
    for (let at = 0; at < 50; at++) checks.want(`r${at}`, target(), 1);
    await clock.advance(10);
    const before = state.probes;
    const long = state.long;
    // Of fifty routes only the first of the first probes are long.
    expect(long).toBeLessThanOrEqual(16);
    await clock.advance(600_000);
    expect(state.probes - before).toBe(20);
    expect(state.long - long).toBe(20);
    checks.stop();
  });

  test("three failures fail the host, and one pass restores it within seconds", async () => {
    const { clock, state, checks } = scene();
    checks.want("a", target(), 1);
    checks.want("b", target(), 1);
    await clock.advance(10);
    state.answer = refused;
    await clock.advance(30_000);
    expect(checks.verdict("a").status).toBe("True");
    // Within a minute, as a person waits who has broken something.
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

  test("a failing host that begins to fail in another way gets a new verdict", async () => {
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

  test("an answer by a receiver with an older route says nothing about the host", async () => {
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

  test("probes grow rarer while nothing answers", async () => {
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

  test("while a host is new, one of its routes is tried every two seconds, and all as soon as it passes", async () => {
    const { clock, state, checks } = scene();
    state.answer = refused;
    for (const name of ["a", "b", "c"]) checks.want(name, target(undefined, name), 1);
    await clock.advance(60_000);
    const pauses = (name: string) =>
      state.at[name]!.slice(1).map((at, i) => (at - state.at[name]![i]!) / 1000);
    expect(Math.max(...pauses("a"))).toBe(2);
    for (const name of ["b", "c"]) {
      expect(state.at[name]!.length).toBeLessThan(10);
      expect(pauses(name).at(-1)).toBe(16);
    }
    state.answer = { kind: "answered", generation: 1 };
    await clock.advance(2_000);
    for (const name of ["a", "b", "c"]) expect(checks.passed(name, 1)).toBe(true);
    checks.stop();
  });

  test("another route becomes the scout when the scout is forgotten", async () => {
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

  test("each trouble is logged once with its cause, and so is its end", async () => {
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

  test("a caller who waits for a verdict gets it as soon as there is one, and stops waiting when its time is over", async () => {
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

  test("nothing is probed outside a term, and what was found ends with the term", async () => {
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
