import { expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { Recent } from "./recent.ts";

test("a value is remembered for ten seconds after it was last set, and then forgotten", async () => {
  const clock = new ManualClock();
  const recent = new Recent<string>(clock);
  recent.set("a", "1");
  await clock.advance(6000);
  recent.set("b", "2");
  recent.set("a", "3");
  await clock.advance(6000);
  expect([recent.get("a"), recent.get("b"), recent.leftMs("a")]).toEqual(["3", "2", 4000]);
  recent.delete("b");
  expect([recent.get("b"), recent.leftMs("b")]).toEqual([undefined, 0]);
  await clock.advance(4000);
  expect([recent.get("a"), recent.leftMs("a")]).toEqual([undefined, 0]);
});
