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
  const activity = new EvidenceRecorder({
    replica: "r",
    clock,
    log: silentLog,
    insert: async (more) => void rows.push(...more),
  });
  activity.start();
  return { clock, rows, activity };
}

test("the first text of a route is written within seconds, the next ones once a minute, silence not at all", async () => {
  const { clock, rows, activity } = setup();
  activity.accepted(route, "one", clock.now());
  await clock.advance(5000);
  expect(rows.map(({ accepted }) => Object.keys(accepted))).toEqual([["one"]]);
  activity.accepted(route, "one", clock.now());
  activity.accepted(route, "two", clock.now());
  activity.refused(route, "mismatch", clock.now());
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

test("what is new when it stops is written, and nothing after", async () => {
  const { clock, rows, activity } = setup();
  activity.accepted(route, "one", clock.now());
  await activity.stop();
  await activity.stop();
  expect(rows).toHaveLength(1);
  await clock.advance(100_000);
  expect(rows).toHaveLength(1);
});

test("a route that was read anew, as another object, is the same route", async () => {
  const { clock, rows, activity } = setup();
  activity.accepted(route, "one", clock.now());
  activity.accepted({ ...route, generation: 2 }, "two", clock.now());
  await clock.advance(5000);
  expect(rows.map(({ accepted }) => Object.keys(accepted))).toEqual([["one", "two"]]);
});
