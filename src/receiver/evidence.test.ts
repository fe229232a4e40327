import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { ManualClock } from "../../test/support/manual-clock.ts";
import type { EvidenceRow } from "../inbox/evidence.ts";
import { silentLog } from "../log.ts";
import type { Route } from "../routes/route.ts";
import { EvidenceRecorder } from "./evidence.ts";

const route = { namespaceUid: "u", namespace: "team-a", stream: "s", accountSid: "AC1" } as Route;

function setup() {
  const clock = new ManualClock();
  const rows: EvidenceRow[] = [];
  const recorder = new EvidenceRecorder({
    replica: "r",
    clock,
    log: silentLog,
    insert: async (more) => void rows.push(...more),
  });
  recorder.start();
  return { clock, rows, recorder };
}

test("evidence of a route is written within seconds of its first text, then at most once a minute, and never without a text", async () => {
  const { clock, rows, recorder } = setup();
  recorder.accepted(route, "one", clock.now());
  await clock.advance(5000);
  expect(rows.map(({ accepted }) => Object.keys(accepted))).toEqual([["one"]]);
  recorder.accepted(route, "one", clock.now());
  recorder.accepted(route, "two", clock.now());
  recorder.refused(route, "mismatch", clock.now());
  await clock.advance(50_000);
  expect(rows).toHaveLength(1);
  await clock.advance(15_000);
  expect(rows).toHaveLength(2);
  expect(rows[1]).toMatchObject({
    accepted: { one: expect.any(Number), two: expect.any(Number) },
    refusedReason: "mismatch",
  });
  await clock.advance(300_000);
  expect(rows).toHaveLength(2);
});

test("stopping the recorder writes the evidence that is not written yet, and nothing is written afterwards", async () => {
  const { clock, rows, recorder } = setup();
  recorder.accepted(route, "one", clock.now());
  await recorder.stop();
  await recorder.stop();
  expect(rows).toHaveLength(1);
  await clock.advance(100_000);
  expect(rows).toHaveLength(1);
});

test("when a route is read again and becomes another object, its evidence still goes into one row", async () => {
  const { clock, rows, recorder } = setup();
  recorder.accepted(route, "one", clock.now());
  recorder.accepted({ ...route, generation: 2 }, "two", clock.now());
  await clock.advance(5000);
  expect(rows.map(({ accepted }) => Object.keys(accepted))).toEqual([["one", "two"]]);
});

test("a route without new texts is forgotten after a minute, and evidence of its next text is written within seconds", async () => {
  const { clock, rows, recorder } = setup();
  const gone = new WeakRef({ ...route, stream: "gone" });
  recorder.accepted(gone.deref()!, "one", clock.now());
  recorder.accepted(route, "one", clock.now());
  await clock.advance(130_000);
  await collectGarbage();
  expect(gone.deref()).toBeUndefined();
  rows.length = 0;
  recorder.accepted(route, "two", clock.now());
  recorder.accepted({ ...route, generation: 2 }, "three", clock.now());
  await clock.advance(5000);
  expect(rows.map(({ accepted }) => Object.keys(accepted))).toEqual([["two", "three"]]);
});

/** Collects garbage in a later turn of the event loop, because the target of a WeakRef stays in memory until the current turn ends. */
async function collectGarbage(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}
