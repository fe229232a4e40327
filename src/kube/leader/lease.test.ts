import { describe, expect, test } from "vitest";
import type { Lease } from "../resource.ts";
import { decideOnLease, heldLease, type LeaseDecision, NOBODY, releasedLease } from "./lease.ts";

const lease = (spec: Lease["spec"]): Lease => ({
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  metadata: { name: "l", namespace: "n", resourceVersion: "5" },
  spec: spec ?? {},
});
const other = lease({
  holderIdentity: "other",
  leaseDurationSeconds: 15,
  renewTime: "1999-01-01T00:00:00.000000Z",
});

const NOW = Date.UTC(2026, 0, 1);
/** A Lease that was given to `nobody` this long ago by the wall clock, so that no process leads. */
const kept = (agoMs: number) => releasedLease(other, { nowMs: NOW - agoMs, holdMs: 120_000 });

const rows: Record<string, [lease: Lease | undefined, seenForMs: number, LeaseDecision["do"]]> = {
  "there is no Lease": [undefined, 0, "create"],
  "we hold the Lease": [lease({ holderIdentity: "me" }), 0, "renew"],
  "we hold the Lease but have not renewed it for a long time": [
    lease({ holderIdentity: "me" }),
    60_000,
    "renew",
  ],
  "the Lease was released": [lease({ holderIdentity: "" }), 0, "take"],
  "the Lease was made by hand, without a holder": [lease({}), 0, "take"],
  "another process holds the Lease, which we see for the first time, with a renewTime of the last century": [
    other,
    0,
    "wait",
  ],
  "another process holds the Lease, which was unchanged for almost its duration": [other, 14_999, "wait"],
  "another process holds the Lease, which was unchanged for its duration": [other, 15_000, "take"],
  "another process holds the Lease with a longer duration than ours, and only our duration has passed": [
    lease({ holderIdentity: "other", leaseDurationSeconds: 60 }),
    15_000,
    "wait",
  ],
  "the Lease was given to `nobody` a moment ago": [kept(1000), 0, "wait"],
  "the Lease was given to `nobody`, and its time has just ended": [kept(120_000), 0, "take"],
  "the Lease was given to `nobody` last week": [kept(7 * 86_400_000), 0, "take"],
  "the Lease was given to `nobody`, by a clock that is an hour ahead": [kept(-3_600_000), 0, "wait"],
  "the Lease was given to `nobody`, by a clock that is ahead, and was unchanged for its whole duration": [
    kept(-3_600_000),
    120_000,
    "take",
  ],
  "the Lease was given to `nobody` without a renewTime, and was unchanged for almost its duration": [
    lease({ holderIdentity: NOBODY, leaseDurationSeconds: 120 }),
    119_999,
    "wait",
  ],
};
for (const [name, [found, seenForMs, want]] of Object.entries(rows))
  test(`when ${name}, the decision is: ${want}`, () => {
    const observed = { resourceVersion: found?.metadata.resourceVersion, sinceMs: 1000 };
    const nowMs = 1000 + seenForMs;
    const decided = decideOnLease({ lease: found, identity: "me", observed, nowMs, wallMs: NOW + seenForMs });
    expect(decided.do).toBe(want);
  });

describe("the Lease of another holder, when it may be taken from some holders", () => {
  const seize = (found: Lease, seenForMs: number) =>
    decideOnLease({
      lease: found,
      identity: "me",
      observed: { resourceVersion: "5", sinceMs: 1000 },
      nowMs: 1000 + seenForMs,
      wallMs: NOW,
      seize: (holder) => !holder.startsWith("release_"),
    });
  test("is seized from a holder that may lose it, and no term begins before the holder's time is over", () =>
    expect(seize(other, 4000)).toEqual({ do: "seize", restMs: 11_000 }));
  test("is left to a holder that may not lose it", () =>
    expect(seize(lease({ holderIdentity: "release_a", leaseDurationSeconds: 15 }), 4000)).toEqual({
      do: "wait",
      restMs: 11_000,
    }));
  test("is free when a holder that may not lose it has stopped renewing it", () =>
    expect(seize(lease({ holderIdentity: "release_a", leaseDurationSeconds: 15 }), 15_000)).toEqual({
      do: "take",
    }));
  test("is free when a holder that may lose it has stopped renewing it", () =>
    expect(seize(other, 15_000)).toEqual({ do: "take" }));
  test("is free immediately when its holder is `nobody`", () =>
    expect(seize(lease({ holderIdentity: NOBODY, leaseDurationSeconds: 120 }), 0)).toEqual({ do: "take" }));
});

describe("the Lease that an elector writes", () => {
  const options = {
    namespace: "n",
    name: "l",
    identity: "me",
    leaseMs: 15_000,
    nowMs: Date.UTC(2026, 0, 1),
    newTerm: true,
  };
  test("carries the version that was read, and counts a change of holder in leaseTransitions", () => {
    const next = heldLease(other, options);
    expect(next.metadata.resourceVersion).toBe("5");
    expect(next.spec).toMatchObject({
      holderIdentity: "me",
      leaseTransitions: 1,
      acquireTime: "2026-01-01T00:00:00.000000Z",
    });
  });
  test("keeps acquireTime and leaseTransitions in a renewal", () => {
    const mine = lease({
      holderIdentity: "me",
      acquireTime: "2025-12-31T00:00:00.000000Z",
      leaseTransitions: 3,
    });
    expect(heldLease(mine, { ...options, newTerm: false }).spec).toMatchObject({
      acquireTime: "2025-12-31T00:00:00.000000Z",
      leaseTransitions: 3,
      renewTime: "2026-01-01T00:00:00.000000Z",
    });
  });
  test("has 0 leaseTransitions when there was no Lease before", () =>
    expect(heldLease(undefined, options).spec?.leaseTransitions).toBe(0));
});
