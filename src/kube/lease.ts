import type { Lease } from "./resource.ts";

/** A lease as it was when it last changed before our eyes; `sinceMs` by our own monotonic clock. */
export interface Observed {
  resourceVersion: string | undefined;
  sinceMs: number;
}

/** Holds a Lease that is kept so that nobody leads: no process that could still act. */
export const NOBODY = "nobody";

export type Claim =
  | { do: "create" }
  | { do: "renew" }
  | { do: "take" }
  | { do: "wait" }
  /** Taken from a holder that may be at work: what it had left of its hold must pass before anything is done. */
  | { do: "seize"; restMs: number };

/**
 * What to do about the Lease. Times written by others are never compared with our clock: another's hold has run out when we
 * have seen it unchanged for its whole duration. Pure.
 */
export function claim(input: {
  lease: Lease | undefined;
  identity: string;
  observed: Observed;
  nowMs: number;
  /** Take it from whoever has it. */
  seize?: boolean;
}): Claim {
  const { lease, identity, observed, nowMs, seize = false } = input;
  if (lease === undefined) return { do: "create" };
  const holder = lease.spec?.holderIdentity;
  if (holder === identity) return { do: "renew" };
  if (holder === undefined || holder === "") return { do: "take" };
  const durationMs = (lease.spec?.leaseDurationSeconds ?? 15) * 1000;
  const restMs = durationMs - (nowMs - observed.sinceMs);
  if (restMs <= 0) return { do: "take" };
  if (!seize) return { do: "wait" };
  return holder === NOBODY ? { do: "take" } : { do: "seize", restMs };
}

/** The next Lease to write; whoever was faster makes the write fail, as it carries the version that was read. */
export function claimed(
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
  const time = new Date(options.nowMs).toISOString().replace(/Z$/, "000Z");
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
