import type { Clock } from "../../../clock.ts";
import type { Informer } from "../../../kube/informer.ts";
import type { KubeObject } from "../../../kube/resource.ts";

/** What DELETE_TIMEOUT is compared with, in milliseconds of one clock that never jumps. */
export interface Waiting {
  /** When this process learnt of the deletion. */
  seenAtMs: number;
  /** Since when this process could have put webhooks back. */
  atWorkSinceMs: number;
  nowMs: number;
  timeoutMs: number;
}

/**
 * How long a deletion still waits for Twilio; 0 or less when its time is over. Time in which no operator could ask Twilio does
 * not count, else the first fault after it would end the wait. All other time does: in a queue, for a worker, for a call.
 */
export function leftMs({ seenAtMs, atWorkSinceMs, nowMs, timeoutMs }: Waiting): number {
  return Math.max(seenAtMs, atWorkSinceMs) + timeoutMs - nowMs;
}

/**
 * When this process learnt of an object's deletion. Not the object's own time for it: that is the API server's clock, which may
 * be another. Listens from now on, so it must be made before the informer starts.
 */
export function deletionSeen<T extends KubeObject>(informer: Pick<Informer<T>, "onChange">, clock: Clock) {
  const seen = new Map<string, number>();
  informer.onChange(({ type, object: { metadata } }) => {
    const { uid = "", deletionTimestamp } = metadata;
    if (type === "deleted") seen.delete(uid);
    else if (deletionTimestamp !== undefined && !seen.has(uid)) seen.set(uid, clock.monotonic());
  });
  return ({ metadata }: T): number => seen.get(metadata.uid ?? "") ?? clock.monotonic();
}
