import { describe, expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { type Item, WorkQueue } from "./queue.ts";

function setup(options: Partial<ConstructorParameters<typeof WorkQueue>[0]> = {}) {
  const clock = new ManualClock();
  return { clock, queue: new WorkQueue({ clock, random: () => 0, ...options }) };
}
/** Takes and finishes every key in line. */
async function drain(queue: WorkQueue): Promise<string[]> {
  const taken: string[] = [];
  while (queue.depth > 0) {
    const { key } = (await queue.take())!;
    taken.push(key);
    queue.done(key);
  }
  return taken;
}

test("a key that is added twice is handed out once", async () => {
  const { queue } = setup();
  queue.add("a");
  queue.add("a", "resync");
  queue.add("b");
  expect(await drain(queue)).toEqual(["a", "b"]);
});

test("a key is never with two workers at a time, and is handed out again when it was added during the attempt", async () => {
  const { queue } = setup();
  queue.add("a");
  await queue.take();
  queue.add("a");
  queue.add("a");
  let second: Item | undefined;
  const waiting = queue.take().then((item) => {
    second = item;
  });
  await new Promise(setImmediate);
  expect(second).toBeUndefined();
  queue.done("a");
  await waiting;
  expect(second).toEqual({ key: "a", cause: "change" });
  queue.done("a");
  expect(queue.depth).toBe(0);
});

describe("the lines of the queue", () => {
  test("a change goes before resyncs that came earlier", async () => {
    const { queue } = setup();
    queue.add("r", "resync");
    queue.add("c", "change");
    expect(await drain(queue)).toEqual(["c", "r"]);
  });
  test("a key that waits for a resync moves ahead of other resyncs when its object changes", async () => {
    const { queue } = setup();
    queue.add("r1", "resync");
    queue.add("r2", "resync");
    queue.add("r2", "change");
    expect(await queue.take()).toEqual({ key: "r2", cause: "change" });
  });
  test("a key that waits as a change stays a change when it is added again as a retry", async () => {
    const { queue } = setup();
    queue.add("a", "change");
    queue.add("a", "retry");
    expect((await queue.take())?.cause).toBe("change");
  });
  test("every fifth key is a resync while changes never end", async () => {
    const { queue } = setup();
    for (let i = 0; i < 3; i++) queue.add(`r${i}`, "resync");
    for (let i = 0; i < 12; i++) queue.add(`c${i}`);
    const order = await drain(queue);
    expect(order.map((key) => key[0]).join("")).toBe("ccccrccccrccccr");
  });
});

describe("delays of keys", () => {
  test("the earliest of several delays of a key counts", async () => {
    const { queue, clock } = setup();
    queue.addAfter("a", 5000);
    queue.addAfter("a", 1000);
    queue.addAfter("a", 9000);
    await clock.advance(999);
    expect(queue.depth).toBe(0);
    await clock.advance(1);
    expect(await drain(queue)).toEqual(["a"]);
    await clock.advance(60_000);
    expect(queue.depth).toBe(0);
  });
  test("a delay of a key ends when the key is handed out", async () => {
    const { queue, clock } = setup();
    queue.addAfter("a", 5000);
    queue.add("a");
    await drain(queue);
    await clock.advance(60_000);
    expect(queue.depth).toBe(0);
  });
  test("a key waits longer after each failure of its own, up to a limit, but not after failures of other keys", async () => {
    const { queue, clock } = setup({ backoffMs: 1000, maxBackoffMs: 4000 });
    for (const ms of [1000, 2000, 4000, 4000]) {
      queue.retry("a");
      await clock.advance(ms - 1);
      expect(queue.depth).toBe(0);
      await clock.advance(1);
      expect((await queue.take())?.cause).toBe("retry");
      queue.done("a");
    }
    queue.retry("b");
    await clock.advance(1000);
    expect(await drain(queue)).toEqual(["b"]);
  });
  test("jitter shortens a delay by up to a half", async () => {
    const { queue, clock } = setup({ random: () => 0.999, backoffMs: 1000 });
    queue.retry("a");
    await clock.advance(501);
    expect(queue.depth).toBe(1);
  });
  test("the next delay after a success is the shortest again", async () => {
    const { queue, clock } = setup();
    for (let i = 0; i < 5; i++) {
      queue.retry("a");
      await clock.advance(60_000);
      await drain(queue);
    }
    queue.forget("a");
    queue.retry("a");
    await clock.advance(1000);
    expect(queue.depth).toBe(1);
  });
  test("a key is not retried before the time that the outside system asked for", async () => {
    const { queue, clock } = setup();
    queue.retry("a", 20_000);
    await clock.advance(19_999);
    expect(queue.depth).toBe(0);
    await clock.advance(1);
    expect(queue.depth).toBe(1);
  });
  test("a dropped key is not handed out again", async () => {
    const { queue, clock } = setup();
    queue.retry("a");
    queue.drop("a");
    await clock.advance(60_000);
    expect(queue.depth).toBe(0);
  });
});

test("a queue that closes wakes its waiting workers, and hands out nothing afterwards", async () => {
  const { queue, clock } = setup();
  const waiting = queue.take();
  queue.addAfter("late", 1000);
  queue.close();
  expect(await waiting).toBeUndefined();
  queue.add("a");
  await clock.advance(5000);
  expect(await queue.take()).toBeUndefined();
});
