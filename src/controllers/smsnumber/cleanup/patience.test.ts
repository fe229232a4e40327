import { describe, expect, test } from "vitest";
import { ManualClock } from "../../../../test/support/manual-clock.ts";
import type { KubeObject } from "../../../kube/resource.ts";
import type { Change } from "../../../kube/watch/informer.ts";
import { deletionSeen, leftMs } from "./patience.ts";

const minutes = (count: number) => count * 60_000;

describe("with a time-out of ten minutes a deletion", () => {
  for (const [name, deleted, atWorkSince, now, patient] of [
    ["still waits nine minutes after it was requested, when an operator was running", 0, -60, 9, true],
    ["no longer waits ten minutes after it was requested, when an operator was running", 0, -60, 10, false],
    [
      "still waits one minute after the operator is back, if the operator was away at the time of the request",
      0,
      30,
      31,
      true,
    ],
    [
      "no longer waits ten minutes after the operator is back, if the operator was away at the time of the request",
      0,
      30,
      40,
      false,
    ],
  ] as const)
    test(name, () => {
      const times = { seenAtMs: minutes(deleted), atWorkSinceMs: minutes(atWorkSince), nowMs: minutes(now) };
      expect(leftMs({ ...times, timeoutMs: 600_000 }) > 0).toBe(patient);
    });
});

describe("the time that a deletion waits", () => {
  const object = (uid: string, deletionTimestamp?: string): KubeObject => ({
    apiVersion: "v1",
    kind: "Thing",
    metadata: { name: "a", uid, ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }) },
  });
  function scene() {
    const clock = new ManualClock();
    let tell: (change: Change<KubeObject>) => void = () => {};
    const seenAt = deletionSeen(
      {
        onChange: (listener) => {
          tell = listener;
          return () => {};
        },
      },
      clock,
    );
    return { clock, seenAt, tell: (change: Change<KubeObject>) => tell(change) };
  }
  /** Deletion times from an API server whose clock is far behind or far ahead. */
  const [past, future] = ["2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z"];

  test("begins when the deletion is first seen, however often the object changes afterwards", async () => {
    for (const at of [past, future]) {
      const { clock, seenAt, tell } = scene();
      tell({ type: "added", object: object("u") });
      await clock.advance(1000);
      tell({ type: "updated", object: object("u", at), previous: object("u") });
      await clock.advance(1000);
      tell({ type: "updated", object: object("u", at), previous: object("u", at) });
      expect(seenAt(object("u", at))).toBe(1000);
    }
  });

  test("begins again for another object with the same name", async () => {
    const { clock, seenAt, tell } = scene();
    tell({ type: "added", object: object("u1", past) });
    await clock.advance(1000);
    tell({ type: "deleted", object: object("u1", past) });
    tell({ type: "added", object: object("u2", past) });
    expect(seenAt(object("u2", past))).toBe(1000);
  });
});
