import { expect, test } from "vitest";
import { Turns } from "./turns.ts";

test("namespaces take turns, one task at a time", async () => {
  const turns = new Turns();
  const order: string[] = [];
  let running = 0;
  const work = (namespace: string, name: string) =>
    turns.take(namespace, async () => {
      expect(++running).toBe(1);
      await Promise.resolve();
      order.push(name);
      running--;
    });
  await Promise.all([
    ...["a1", "a2", "a3", "a4"].map((name) => work("a", name)),
    ...["b1", "b2"].map((name) => work("b", name)),
    work("c", "c1"),
  ]);
  expect(order).toEqual(["a1", "a2", "b1", "c1", "a3", "b2", "a4"]);
});

test("the other tasks still get their turn after one task fails", async () => {
  const turns = new Turns();
  const failing = turns.take("a", () => Promise.reject(new Error("no")));
  const next = turns.take("a", async () => "done");
  await expect(failing).rejects.toThrow("no");
  expect(await next).toBe("done");
  expect(await turns.take("b", async () => "later")).toBe("later");
});
