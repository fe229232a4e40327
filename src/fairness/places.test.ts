import { expect, test } from "vitest";
import { Places } from "./places.ts";

/** `running` has the calls that hold a place, each with a function that ends it. `next` lets promises settle. */
function scene(count: number) {
  const places = new Places(count);
  const running = new Map<string, () => void>();
  return {
    running,
    next: () => new Promise(setImmediate),
    ask(tenant: string, name: string, signal?: AbortSignal) {
      const run = () => new Promise<void>((resolve) => running.set(name, resolve));
      return places.with({ tenant }, run, signal).finally(() => running.delete(name));
    },
  };
}

test("one tenant gets seven of eight places, another tenant gets the eighth, and waiting calls run as places come free", async () => {
  const { ask, running, next } = scene(8);
  for (let i = 0; i < 20; i++) void ask("a", `a${i}`);
  await next();
  expect(running.size).toBe(7);
  void ask("b", "b0");
  await next();
  expect([...running.keys()].at(-1)).toBe("b0");
  running.get("b0")!();
  for (let i = 0; i < 20; i++) {
    await next();
    running.get(`a${i}`)!();
  }
  await next();
  expect(running.size).toBe(0);
});

test("tenants that wait take turns", async () => {
  const { ask, running, next } = scene(1);
  void ask("a", "first");
  for (const name of ["a1", "a2", "b1", "b2"]) void ask(name[0]!, name);
  const order: string[] = [];
  for (let i = 0; i < 5; i++) {
    await next();
    const [name] = running.keys();
    order.push(name!);
    running.get(name!)!();
  }
  expect(order).toEqual(["first", "a1", "b1", "a2", "b2"]);
});

test("a caller that gives up while waiting takes no place", async () => {
  const { ask, running, next } = scene(1);
  void ask("a", "first");
  const impatient = new AbortController();
  const left = ask("a", "left", impatient.signal);
  void ask("a", "stayed");
  impatient.abort(new Error("gave up"));
  await expect(left).rejects.toThrow("gave up");
  running.get("first")!();
  await next();
  expect([...running.keys()]).toEqual(["stayed"]);
});

test("a caller that has already given up gets no place, and a call that fails gives its place back", async () => {
  const places = new Places(1);
  const gone = AbortSignal.abort(new Error("gave up"));
  await expect(places.with({ tenant: "a" }, async () => 1, gone)).rejects.toThrow("gave up");
  await expect(
    places.with({ tenant: "a" }, async () => {
      throw new Error("failed");
    }),
  ).rejects.toThrow("failed");
  expect(await places.with({ tenant: "a" }, async () => 1)).toBe(1);
});

test("a caller that waits for longer than allowed is refused and takes no place", async () => {
  const places = new Places(1, { longestWaitMs: 20 });
  const flow = { tenant: "a" };
  const first = Promise.withResolvers<void>();
  const holding = places.with(flow, () => first.promise);
  await expect(places.with(flow, async () => "late")).rejects.toMatchObject({ name: "TimeoutError" });
  first.resolve();
  await holding;
  expect(await places.with(flow, async () => "next")).toBe("next");
});
