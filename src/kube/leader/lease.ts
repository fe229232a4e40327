/**
 * Decides what to do about the Lease by which replicas elect a leader. Pure; `LeaderElector` carries the decision out.
 *
 * The Lease is an object that names its holder and says for how long a renewal is valid. The holder renews the Lease, and the
 * other processes watch it. When they have seen it unchanged for that long, one of them writes its own name. The write names
 * the version that was read. So when two processes try at the same time, the API server accepts one write and answers the
 * other with a conflict.
 *
 * `renewTime` was written by another machine, whose clock may be wrong, so it is never compared with our clock. Only time that
 * we measured ourselves counts: the time since we last saw the Lease change, by our monotonic clock.
 *
 * https://kubernetes.io/docs/concepts/architecture/leases/#leader-election
 */

import type { Lease } from "../resource.ts";

/** The version of the Lease that we saw last, and when we first saw that version, by our monotonic clock. */
export interface ObservedLease {
  resourceVersion: string | undefined;
  sinceMs: number;
}

/**
 * The name that stands in the Lease as its holder while no process shall lead. `smschannel release` writes this name when it
 * has undone everything outside the cluster. Otherwise controllers that still run would set everything up again before they are
 * removed (docs/adr/0017).
 */
export const NOBODY = "nobody";

export type LeaseDecision =
  | { do: "create" }
  | { do: "renew" }
  | { do: "take" }
  /** Wait for the holder. `restMs` is the longest wait, unless the holder renews the Lease. */
  | { do: "wait"; restMs: number }
  /**
   * Take the Lease from a holder that may still be at work. The holder stops only when its own time is over, so this process
   * must not act until `restMs` have passed.
   */
  | { do: "seize"; restMs: number };

export interface LeaseDecisionInput {
  lease: Lease | undefined;
  identity: string;
  observed: ObservedLease;
  /** The present time, by our monotonic clock. */
  nowMs: number;
  /** The present time, by the wall clock. */
  wallMs: number;
  /** Returns whether the Lease may be taken from this holder while the holder still has it. Default: it may not. */
  seize?: ((holder: string) => boolean) | undefined;
}

/** Decides what to do about the Lease now. */
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
  // We renew even an expired Lease: no other process has taken it, and only this process has this identity.
  if (holder === identity) return { do: "renew" };
  // A Lease without a holder is free: the last holder released it, or somebody made it by hand.
  if (holder === undefined || holder === "") return { do: "take" };
  const unchangedMs = durationMs(lease) - (nowMs - observed.sinceMs);
  const restMs = holder === NOBODY ? Math.min(unchangedMs, keptForMs(lease, wallMs)) : unchangedMs;
  if (restMs <= 0) return { do: "take" };
  if (seize?.(holder) !== true) return { do: "wait", restMs };
  return holder === NOBODY ? { do: "take" } : { do: "seize", restMs };
}

/**
 * How long a renewal of the Lease is valid. The holder's number counts, and not our own: only the holder knows for how long it
 * believes that it leads.
 */
const durationMs = ({ spec }: Lease) => (spec?.leaseDurationSeconds ?? 15) * 1000;

/**
 * How much is left of the time in which no process shall lead. This time is counted by the wall clock from `renewTime`. That is
 * safe because no process holds the Lease, so a wrong clock cannot make two processes act together. If the time were measured
 * as for any other Lease, an operator that is installed a week later would wait for two minutes.
 */
function keptForMs(lease: Lease, wallMs: number): number {
  const renewedMs = Date.parse(lease.spec?.renewTime ?? "");
  return Number.isNaN(renewedMs) ? Number.POSITIVE_INFINITY : renewedMs + durationMs(lease) - wallMs;
}

/**
 * The Lease to write in order to take or renew it. The metadata comes from the Lease as it was read, and its resourceVersion
 * makes the write fail when another process was faster.
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
      // acquireTime and leaseTransitions are for people: no decision reads them.
      acquireTime: options.newTerm ? time : (before?.acquireTime ?? time),
      renewTime: time,
      leaseTransitions: (before?.leaseTransitions ?? 0) + (lease !== undefined && changesHands ? 1 : 0),
    },
  };
}

/**
 * The Lease to write when a term ends. Without `holdMs` the Lease is free, so that the next leader need not wait until it
 * expires. With `holdMs` its holder is `nobody` for that long, so that no process leads.
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

/** A time in the form of metav1.MicroTime, which always has six decimals. JavaScript gives only three. */
const microTime = (ms: number) => new Date(ms).toISOString().replace(/Z$/, "000Z");
