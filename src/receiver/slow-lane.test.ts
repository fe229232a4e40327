import { describe, expect, test } from "vitest";
import { ManualClock } from "../../test/support/manual-clock.ts";
import { SlowLane, type SlowLaneLimits } from "./slow-lane.ts";

const LIMITS: SlowLaneLimits = { bytesPerMs: 100, burstBytes: 300, waitingBytes: 100_000, waitMs: 1000 };
const STEP = 100;

function setup(limits: Partial<SlowLaneLimits> = {}) {
  const clock = new ManualClock();
  const lane = new SlowLane<string>({ clock, limits: { ...LIMITS, ...limits } });
  const done: string[] = [];
  /** Number of bytes that were worked on so far. */
  const worked = { bytes: 0 };
  const gone = new Set<string>();
  const add = (name: string, bytes: number) =>
    lane.add({
      bytes,
      *work() {
        for (let left = bytes; left > 0; left -= STEP) {
          worked.bytes += Math.min(left, STEP);
          yield Math.min(left, STEP);
        }
        return name;
      },
      isGone: () => gone.has(name),
      done: (result) => done.push(result === "crowded" ? `${name}: crowded` : result),
    });
  return { clock, add, done, worked, gone };
}

describe("an idle slow lane", () => {
  test("starts a job immediately, in the same turn of the event loop", () => {
    const { add, done } = setup();
    add("a", 250);
    expect(done).toEqual(["a"]);
  });

  test("starts a job immediately also when it has become idle again after another job", async () => {
    const { clock, add, done } = setup();
    add("a", 250);
    await clock.advance(10);
    add("b", 250);
    expect(done).toEqual(["a", "b"]);
  });
});

describe("a slow lane with more work than its share of the time allows", () => {
  test("works on no more bytes than its share allows, in steps", async () => {
    const { clock, add, worked } = setup();
    for (let i = 0; i < 20; i++) add(`${i}`, 1000);
    expect(worked.bytes).toBeLessThanOrEqual(LIMITS.burstBytes + STEP);
    for (let ms = 1; ms <= 100; ms++) {
      await clock.advance(1);
      expect(worked.bytes).toBeLessThanOrEqual(LIMITS.burstBytes + ms * LIMITS.bytesPerMs + STEP);
    }
    expect(worked.bytes).toBeGreaterThan(90 * LIMITS.bytesPerMs);
  });

  test("does no more than one burst of work without a pause, however long it was idle before", async () => {
    const { clock, add, worked } = setup();
    await clock.advance(60_000);
    add("a", 10_000);
    expect(worked.bytes).toBeLessThanOrEqual(LIMITS.burstBytes + STEP);
  });

  test("lets a small job pass large jobs that came before it", async () => {
    const { clock, add, done } = setup({ waitMs: 60_000 });
    add("under way", 2000);
    for (const name of ["large 1", "large 2", "large 3"]) add(name, 20_000);
    add("small", 500);
    await clock.advance(3000);
    expect(done).toEqual(["under way", "small", "large 1", "large 2", "large 3"]);
  });

  test("lets small jobs pass a large job only until the turn of the large job comes", async () => {
    const { clock, add, done } = setup({ waitMs: 60_000 });
    add("large", 20_000);
    add("larger", 25_000);
    // Small jobs keep coming and take all the time that the lane has.
    for (let i = 0; i < 200 && !done.includes("larger"); i++) {
      add(`small ${i}`, 1000);
      await clock.advance(10);
    }
    expect(done).toContain("larger");
  });

  test("turns away only the jobs that did not get their turn in time", async () => {
    const { clock, add, done } = setup();
    add("under way", 90_000);
    add("in time", 20_000);
    await clock.advance(500);
    add("too late", 40_000);
    await clock.advance(450);
    expect(done).toEqual(["under way"]);
    await clock.advance(560);
    expect(done).toEqual(["under way", "in time", "too late"]);
    add("under way again", 99_000);
    await clock.advance(1);
    for (const name of ["one", "two", "three"]) add(name, 30_000);
    await clock.advance(1001);
    expect(done.slice(3)).toEqual(["under way again", "two: crowded", "three: crowded"]);
  });

  test("turns away the last job in the queue when the waiting jobs hold too much memory", () => {
    const { add, done } = setup({ waitingBytes: 60_000 });
    add("under way", 50_000);
    add("small", 20_000);
    add("large", 30_000);
    add("smaller", 15_000);
    expect(done).toEqual(["large: crowded"]);
    add("too large to wait", 40_000);
    expect(done).toEqual(["large: crowded", "too large to wait: crowded"]);
  });
});

describe("a job whose sender is gone", () => {
  test("costs no more work, and its callback is not called", async () => {
    const { clock, add, done, worked, gone } = setup();
    add("under way", 50_000);
    add("waiting", 5000);
    gone.add("under way").add("waiting");
    const before = worked.bytes;
    await clock.advance(100);
    expect(worked.bytes).toBe(before);
    add("next", 200);
    await clock.advance(10);
    expect(done).toEqual(["next"]);
  });
});
