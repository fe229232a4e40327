import type { Lease } from "./resource.ts";

/** A lease as it was when it last changed before our eyes; `sinceMs` by our own monotonic clock. */
export interface ObservedLease {
  resourceVersion: string | undefined;
  sinceMs: number;
}

/** Holds a Lease that is kept so that nobody leads for a while: no process that could still act. */
export const NOBODY = "nobody";

export type LeaseDecision =
  | { do: "create" }
  | { do: "renew" }
  | { do: "take" }
  /** For so long at the most, unless the holder renews it. */
  | { do: "wait"; restMs: number }
  /** Taken from a holder that may be at work: what it had left of its hold must pass before anything is done. */
  | { do: "seize"; restMs: number };

export interface LeaseDecisionInput {
  lease: Lease | undefined;
  identity: string;
  observed: ObservedLease;
  /** By our monotonic clock. */
  nowMs: number;
  /** By the wall clock. */
  wallMs: number;
  /** From which holders it may be taken while they hold it; default none. */
  seize?: ((holder: string) => boolean) | undefined;
}

/**
 * What to do about the Lease. Times written by others are never compared with our clock: another's hold has run out when we
 * have seen it unchanged for its whole duration. Pure.
 */
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
  if (holder === identity) return { do: "renew" };
  if (holder === undefined || holder === "") return { do: "take" };
  const unchangedMs = durationMs(lease) - (nowMs - observed.sinceMs);
  const restMs = holder === NOBODY ? Math.min(unchangedMs, keptForMs(lease, wallMs)) : unchangedMs;
  if (restMs <= 0) return { do: "take" };
  if (seize?.(holder) !== true) return { do: "wait", restMs };
  return holder === NOBODY ? { do: "take" } : { do: "seize", restMs };
}

const durationMs = ({ spec }: Lease) => (spec?.leaseDurationSeconds ?? 15) * 1000;

/**
 * What is left of the time for which nobody shall lead, by the wall clock: there is no process whose clock could differ in a
 * way that matters, and who is installed a day later must not wait for two minutes.
 */
function keptForMs(lease: Lease, wallMs: number): number {
  const renewedMs = Date.parse(lease.spec?.renewTime ?? "");
  return Number.isNaN(renewedMs) ? Number.POSITIVE_INFINITY : renewedMs + durationMs(lease) - wallMs;
}

/** The next Lease to write; whoever was faster makes the write fail, as it carries the version that was read. */
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
      acquireTime: options.newTerm ? time : (before?.acquireTime ?? time),
      renewTime: time,
      leaseTransitions: (before?.leaseTransitions ?? 0) + (lease !== undefined && changesHands ? 1 : 0),
    },
  };
}

/** The Lease of a leader that ends: free at once, or kept for a while so that nobody leads. */
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

const microTime = (ms: number) => new Date(ms).toISOString().replace(/Z$/, "000Z");
