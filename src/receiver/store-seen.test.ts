import { describe, expect, test } from "vitest";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { silentLog } from "../log.ts";
import { StoreSeen } from "./store-seen.ts";

function scene() {
  const clock = new ManualClock();
  const state = { probes: 0, drops: 0, probe: () => Promise.resolve() };
  const seen = new StoreSeen({
    probe: () => {
      state.probes++;
      return state.probe();
    },
    drop: () => state.drops++,
    budgetMs: 3000,
    clock,
    log: silentLog,
  });
  return { clock, state, seen };
}

describe("the receiver's answer to the question whether the store takes texts", () => {
  test("comes from one write when 50 questions are asked at the same time, and is used for ten seconds", async () => {
    const { clock, state, seen } = scene();
    expect(await Promise.all(Array.from({ length: 50 }, () => seen.takes()))).not.toContain(false);
    await clock.advance(9_999);
    await seen.takes();
    expect(state.probes).toBe(1);
    await clock.advance(1);
    await seen.takes();
    expect(state.probes).toBe(2);
  });

  test("comes from the outcome of the last text, without a write, when that text is recent", async () => {
    const { state, seen } = scene();
    seen.note(false);
    expect(await seen.takes()).toBe(false);
    seen.note(true);
    expect(await seen.takes()).toBe(true);
    expect(state.probes).toBe(0);
  });

  test("is 'no' after a write that fails, and 'yes' after a write that succeeds", async () => {
    const { clock, state, seen } = scene();
    state.probe = () => Promise.reject(Object.assign(new Error("down"), { code: "ECONNREFUSED" }));
    expect(await seen.takes()).toBe(false);
    state.probe = () => Promise.resolve();
    expect(await seen.takes()).toBe(false);
    await clock.advance(10_000);
    expect(await seen.takes()).toBe(true);
  });

  test("is 'no' after a write that takes longer than a text may wait, and the connection is dropped", async () => {
    const { clock, state, seen } = scene();
    state.probe = () => new Promise(() => {});
    const asked = seen.takes();
    await clock.advance(3000);
    expect(await asked).toBe(false);
    expect(state.drops).toBe(1);
  });
});
