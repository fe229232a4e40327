import { describe, expect, test } from "vitest";
import { decideOnLease, heldLease, type LeaseDecision, NOBODY, releasedLease } from "./lease.ts";
import type { Lease } from "./resource.ts";

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
/** Kept so that nobody leads, since so long ago by the wall clock. */
const kept = (agoMs: number) => releasedLease(other, { nowMs: NOW - agoMs, holdMs: 120_000 });

const rows: Record<string, [lease: Lease | undefined, seenForMs: number, LeaseDecision["do"]]> = {
  "no Lease": [undefined, 0, "create"],
  ours: [lease({ holderIdentity: "me" }), 0, "renew"],
  "ours since long ago": [lease({ holderIdentity: "me" }), 60_000, "renew"],
  released: [lease({ holderIdentity: "" }), 0, "take"],
  "made by hand, without a holder": [lease({}), 0, "take"],
  "another's, seen for the first time, with a renewal of the last century": [other, 0, "wait"],
  "another's, unchanged for almost its duration": [other, 14_999, "wait"],
  "another's, unchanged for its duration": [other, 15_000, "take"],
  "another's, with a duration of its own": [
    lease({ holderIdentity: "other", leaseDurationSeconds: 60 }),
    15_000,
    "wait",
  ],
  "kept by nobody, since a moment ago": [kept(1000), 0, "wait"],
  "kept by nobody, until a moment ago": [kept(120_000), 0, "take"],
  "kept by nobody, since last week": [kept(7 * 86_400_000), 0, "take"],
  "kept by nobody, by a clock an hour ahead": [kept(-3_600_000), 0, "wait"],
  "kept by nobody, by a clock ahead, and seen for the whole time": [kept(-3_600_000), 120_000, "take"],
  "kept by nobody, without a time": [
    lease({ holderIdentity: NOBODY, leaseDurationSeconds: 120 }),
    119_999,
    "wait",
  ],
};
for (const [name, [found, seenForMs, want]] of Object.entries(rows))
  test(`${name}: ${want}`, () => {
    const observed = { resourceVersion: found?.metadata.resourceVersion, sinceMs: 1000 };
    const nowMs = 1000 + seenForMs;
    const decided = decideOnLease({ lease: found, identity: "me", observed, nowMs, wallMs: NOW + seenForMs });
    expect(decided.do).toBe(want);
  });

describe("a Lease that is to be taken from whoever has it", () => {
  const seize = (found: Lease, seenForMs: number) =>
    decideOnLease({
      lease: found,
      identity: "me",
      observed: { resourceVersion: "5", sinceMs: 1000 },
      nowMs: 1000 + seenForMs,
      wallMs: NOW,
      seize: (holder) => !holder.startsWith("release_"),
    });
  test("waits for what its holder had left", () =>
    expect(seize(other, 4000)).toEqual({ do: "seize", restMs: 11_000 }));
  test("is left to those from whom it may not be taken", () =>
    expect(seize(lease({ holderIdentity: "release_a", leaseDurationSeconds: 15 }), 4000)).toEqual({
      do: "wait",
      restMs: 11_000,
    }));
  test("of one who stopped renewing it is free in the end, whoever that was", () =>
    expect(seize(lease({ holderIdentity: "release_a", leaseDurationSeconds: 15 }), 15_000)).toEqual({
      do: "take",
    }));
  test("is free once that has run out", () => expect(seize(other, 15_000)).toEqual({ do: "take" }));
  test("kept by nobody: is free at once", () =>
    expect(seize(lease({ holderIdentity: NOBODY, leaseDurationSeconds: 120 }), 0)).toEqual({ do: "take" }));
});

describe("the Lease that is written", () => {
  const options = {
    namespace: "n",
    name: "l",
    identity: "me",
    leaseMs: 15_000,
    nowMs: Date.UTC(2026, 0, 1),
    newTerm: true,
  };
  test("a taken one carries the version it was read at, and counts the change", () => {
    const next = heldLease(other, options);
    expect(next.metadata.resourceVersion).toBe("5");
    expect(next.spec).toMatchObject({
      holderIdentity: "me",
      leaseTransitions: 1,
      acquireTime: "2026-01-01T00:00:00.000000Z",
    });
  });
  test("a renewal leaves the beginning and the count", () => {
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
  test("the first one begins at zero", () =>
    expect(heldLease(undefined, options).spec?.leaseTransitions).toBe(0));
});
