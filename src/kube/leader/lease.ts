/**
 * Decides what to do about the Lease by which replicas elect a leader. Pure; `LeaderElector` does it.
 *
 * The Lease is an object that names its holder and says for how long a renewal is good. The holder renews it; the others
 * watch. When they have seen it unchanged for that long, one of them writes its own name. That write names the version it
 * was read at, so when two try at once the API server accepts one of them and answers the other with a conflict.
 *
 * `renewTime` was written by another machine, whose clock may be wrong. It is never compared with our clock. Only time
 * that we measured ourselves counts: since we last saw the Lease change, by our monotonic clock.
 *
 * https://kubernetes.io/docs/concepts/architecture/leases/#leader-election
 */

import type { Lease } from "../resource.ts";

/** The version of the Lease that we saw last, and when we first saw it, by our monotonic clock. */
export interface ObservedLease {
  resourceVersion: string | undefined;
  sinceMs: number;
}

/**
 * The holder of a Lease that is kept so that nobody leads for a while. `smschannel release` writes it when it has undone
 * everything outside the cluster: controllers that still run would do it again before they are removed (docs/adr/0017).
 */
export const NOBODY = "nobody";

export type LeaseDecision =
  | { do: "create" }
  | { do: "renew" }
  | { do: "take" }
  /** `restMs`: how long at most, unless the holder renews it. */
  | { do: "wait"; restMs: number }
  /**
   * Take it from a holder that may be at work. The holder stops when its own time is over and not before, so we must not
   * act until `restMs` have passed.
   */
  | { do: "seize"; restMs: number };

export interface LeaseDecisionInput {
  lease: Lease | undefined;
  identity: string;
  observed: ObservedLease;
  /** By our monotonic clock. */
  nowMs: number;
  /** By the wall clock. */
  wallMs: number;
  /** Says of a holder whether the Lease may be taken from it while it holds it; default: from none. */
  seize?: ((holder: string) => boolean) | undefined;
}

/** What to do about the Lease now. */
export function decideOnLease({
  lease,
  identity,
  observed,
  nowMs,
  wallMs,
  seize,
}: LeaseDecisionInput): LeaseDecision {
  if (lease === undefined) return { do: "create" };
  const holder = lease.spec?.holderIdentity;
  // Also after it ran out: nobody else has taken it, and the identity is this process's alone.
  if (holder === identity) return { do: "renew" };
  // Released by its last holder, or made by hand.
  if (holder === undefined || holder === "") return { do: "take" };
  const unchangedMs = durationMs(lease) - (nowMs - observed.sinceMs);
  const restMs = holder === NOBODY ? Math.min(unchangedMs, keptForMs(lease, wallMs)) : unchangedMs;
  if (restMs <= 0) return { do: "take" };
  if (seize?.(holder) !== true) return { do: "wait", restMs };
  return holder === NOBODY ? { do: "take" } : { do: "seize", restMs };
}

/** The duration is the holder's own, not ours: only the holder's word says how long it believes to lead. */
const durationMs = ({ spec }: Lease) => (spec?.leaseDurationSeconds ?? 15) * 1000;

/**
 * What is left of the time for which nobody shall lead. This one is counted by the wall clock, from `renewTime`: no process
 * holds the Lease, so a clock that differs cannot make two of them act at once. Measured like any other Lease, it would
 * make an operator that is installed a week later wait for two minutes.
 */
function keptForMs(lease: Lease, wallMs: number): number {
  const renewedMs = Date.parse(lease.spec?.renewTime ?? "");
  return Number.isNaN(renewedMs) ? Number.POSITIVE_INFINITY : renewedMs + durationMs(lease) - wallMs;
}

/**
 * The Lease to write to hold it, for the first time or again. The metadata is that of the Lease as it was read: its
 * resourceVersion makes the write fail when anybody else was faster.
 */
export function heldLease(
  lease: Lease | undefined,
  options: {
    namespace: string;
    name: string;
    identity: string;
    leaseMs: number;
    nowMs: number;
    newTerm: boolean;
  },
): Lease {
  const time = microTime(options.nowMs);
  const before = lease?.spec;
  const changesHands = before?.holderIdentity !== options.identity;
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: lease?.metadata ?? { namespace: options.namespace, name: options.name },
    spec: {
      holderIdentity: options.identity,
      leaseDurationSeconds: Math.max(1, Math.ceil(options.leaseMs / 1000)),
      // This and leaseTransitions are for people: no decision reads them.
      acquireTime: options.newTerm ? time : (before?.acquireTime ?? time),
      renewTime: time,
      leaseTransitions: (before?.leaseTransitions ?? 0) + (lease !== undefined && changesHands ? 1 : 0),
    },
  };
}

/**
 * The Lease to write when a term ends: free, so that the next leader need not wait for it to run out; or, with `holdMs`,
 * kept for that long so that nobody leads.
 */
export function releasedLease(
  lease: Lease,
  { nowMs, holdMs }: { nowMs: number; holdMs?: number | undefined },
): Lease {
  const { renewTime, ...spec } = lease.spec ?? {};
  return {
    ...lease,
    spec: {
      ...spec,
      holderIdentity: holdMs === undefined ? "" : NOBODY,
      leaseDurationSeconds: Math.ceil((holdMs ?? 1000) / 1000),
      renewTime: microTime(nowMs),
    },
  };
}

/** A time as metav1.MicroTime wants it: always with six digits, of which JavaScript knows three. */
const microTime = (ms: number) => new Date(ms).toISOString().replace(/Z$/, "000Z");
