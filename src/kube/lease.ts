import type { Lease } from "./resource.ts";

/** A lease as it was when it last changed before our eyes; `sinceMs` by our own monotonic clock. */
export interface Observed {
  resourceVersion: string | undefined;
  sinceMs: number;
}

export type Claim = { do: "create" } | { do: "renew" } | { do: "take" } | { do: "wait" };

/**
 * What to do about the Lease. Times written by others are never compared with our clock: another's hold has run out when we
 * have seen it unchanged for its whole duration. Pure.
 */
export function claim(input: {
  lease: Lease | undefined;
  identity: string;
  observed: Observed;
  nowMs: number;
}): Claim {
  const { lease, identity, observed, nowMs } = input;
  if (lease === undefined) return { do: "create" };
  const holder = lease.spec?.holderIdentity;
  if (holder === identity) return { do: "renew" };
  if (holder === undefined || holder === "") return { do: "take" };
  const durationMs = (lease.spec?.leaseDurationSeconds ?? 15) * 1000;
  return nowMs - observed.sinceMs >= durationMs ? { do: "take" } : { do: "wait" };
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
