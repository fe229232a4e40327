import { describe, expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import type { Cause } from "./lanes.ts";
import { type Item, WorkQueue } from "./queue.ts";

/**
 * Makes a queue, and a worker for each of its places. The workers take all keys that they can get, and finish a key only when
 * the test calls `done`. Keys have the form `namespace/name@account`.
 */
function setup(places: number, urgentPlaces = 2) {
  const queue = new WorkQueue({
    clock: new ManualClock(),
    random: () => 0,
    places,
    urgentPlaces,
    flowOf: (key) => {
      const [tenant, rest = ""] = key.split("/");
      return { tenant: tenant!, upstream: rest.split("@")[1] };
    },
  });
  const out: Item[] = [];
  const take = async () => {
    const item = await queue.take();
    if (item !== undefined) out.push(item);
  };
  for (let i = 0; i < places + urgentPlaces; i++) void take();
  return {
    queue,
    /** Returns the keys that were handed out since the last call. */
    async handed() {
      await new Promise(setImmediate);
      return out.splice(0).map(({ key }) => key);
    },
    add(keys: string[], cause: Cause = "change") {
      for (const key of keys) queue.add(key, cause);
    },
    done(key: string) {
      queue.done(key);
      void take();
    },
  };
}
const many = (count: number, prefix: string, suffix = "") =>
  Array.from({ length: count }, (_, at) => `${prefix}${at}${suffix}`);

describe("how the queue shares its places", () => {
  for (const cause of ["change", "resync", "retry"] as const)
    test(`keys of one namespace with the cause ${cause} leave places to another namespace's keys with any cause`, async () => {
      for (const other of ["change", "resync", "retry"] as const) {
        const { add, handed } = setup(20);
        add(many(100, "a/"), cause);
        expect((await handed()).length).toBeGreaterThanOrEqual(14);
        add(["b/1", "b/2"], other);
        expect(await handed()).toEqual(["b/1", "b/2"]);
      }
    });

  test("one namespace may take three quarters of the places, which its keys get in the order in which they came", async () => {
    const { add, handed } = setup(300);
    add(many(400, "a/", "@x"));
    const out = await handed();
    expect(out.length).toBeGreaterThanOrEqual(225);
    expect(out).toEqual(many(400, "a/", "@x").slice(0, out.length));
  });

  test("keys of one account leave places to keys of another account of the same namespace", async () => {
    const { add, handed } = setup(40);
    add(many(100, "a/", "@hangs"));
    await handed();
    add(["a/1@works"]);
    expect(await handed()).toEqual(["a/1@works"]);
  });

  test("an account that many namespaces share leaves places to a namespace with another account", async () => {
    const { add, handed } = setup(40);
    for (let at = 0; at < 30; at++) add(many(10, `a${at}/`, "@hangs"));
    await handed();
    add(["b/1@works"]);
    expect(await handed()).toEqual(["b/1@works"]);
  });

  test("resyncs leave a place to a change of the same namespace and account", async () => {
    const { add, handed } = setup(40);
    add(many(100, "a/", "@x"), "resync");
    await handed();
    add(["a/changed@x"]);
    expect(await handed()).toEqual(["a/changed@x"]);
  });

  test("namespaces take turns when places come free", async () => {
    const { add, handed, done } = setup(5);
    add(many(10, "a/"));
    const out = await handed();
    add(many(3, "b/"));
    out.push(...(await handed()));
    const order: string[] = [];
    while (out.length > 0) {
      done(out.shift()!);
      const more = await handed();
      order.push(...more);
      out.push(...more);
    }
    expect(order.map((key) => key[0]).join("")).toMatch(/^(ab|ba)/);
    expect(order.filter((key) => key.startsWith("a"))).toHaveLength(6);
  });
});

describe("urgent keys", () => {
  test("have places of their own when their namespace has taken its share of the other places", async () => {
    const { add, handed } = setup(4);
    add(many(10, "a/"));
    await handed();
    add(["a/9"], "urgent");
    expect(await handed()).toEqual(["a/9"]);
  });

  test("go before changes that came earlier, and their namespaces take turns", async () => {
    const { add, handed, done } = setup(1, 1);
    add(["x/busy"]);
    add(["x/first"], "urgent");
    await handed();
    add(["a/change"]);
    add(["a/1", "a/2", "b/1"], "urgent");
    done("x/first");
    expect(await handed()).toEqual(["a/1"]);
    done("a/1");
    expect(await handed()).toEqual(["b/1"]);
    done("b/1");
    expect(await handed()).toEqual(["a/2"]);
  });

  test("also get their namespace's share of the other places, but no more", async () => {
    const { add, handed } = setup(10, 2);
    add(many(30, "a/"), "urgent");
    expect((await handed()).length).toBeGreaterThanOrEqual(9);
    add(["b/1"]);
    expect(await handed()).toEqual(["b/1"]);
  });

  test("of one namespace get a place while urgent keys of another namespace take all they can", async () => {
    const { add, handed, done } = setup(10, 2);
    add(many(30, "a/"), "urgent");
    const out = await handed();
    add(["b/1"], "urgent");
    out.push(...(await handed()));
    expect(out).toContain("b/1");
    done("b/1");
    expect(await handed()).toEqual([]);
  });

  test("that are queued during an attempt on the same key are handed out again after the attempt", async () => {
    const { add, handed, done, queue } = setup(2);
    add(["a/1"]);
    await handed();
    add(["a/1"], "urgent");
    add(["a/1"], "change");
    expect(await handed()).toEqual([]);
    done("a/1");
    expect(await handed()).toEqual(["a/1"]);
    expect(queue.depth).toBe(0);
  });
});
