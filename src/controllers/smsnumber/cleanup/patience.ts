/**
 * Says how long a deletion waits for Twilio. A finalizer that waits for ever is a common fault of operators: it
 * blocks the deletion of a namespace, and people then remove the finalizer by hand. So every wait here ends with
 * DELETE_TIMEOUT.
 */

import { effectiveNumber } from "../../../api/effective.ts";
import type { SmsNumber } from "../../../api/index.ts";
import type { Clock } from "../../../clock.ts";
import type { KubeObject } from "../../../kube/resource.ts";
import type { Informer } from "../../../kube/watch/informer.ts";

/**
 * The times that DELETE_TIMEOUT is compared with, in milliseconds of one monotonic clock: the wall clock may be
 * adjusted while a deletion waits.
 */
export interface DeletionWait {
  /** The time when this process learnt of the deletion. */
  seenAtMs: number;
  /** The time since which this process has been able to put webhooks back. */
  atWorkSinceMs: number;
  nowMs: number;
  timeoutMs: number;
}

/**
 * How much longer a deletion waits for Twilio; 0 or less when its time is over. Time in which no operator could
 * call Twilio does not count. If it did, the first error after an outage of the operator itself would end the wait.
 * All other time counts, including the time in a queue, and the waits for a worker and for a call.
 */
export function leftMs({ seenAtMs, atWorkSinceMs, nowMs, timeoutMs }: DeletionWait): number {
  return Math.max(seenAtMs, atWorkSinceMs) + timeoutMs - nowMs;
}

/**
 * Remembers when this process learnt of each object's deletion. The object's deletionTimestamp is not used: it
 * comes from the API server's clock, which may differ from this machine's. Call this before the informer starts,
 * because it would miss earlier deletions.
 */
export function deletionSeen<T extends KubeObject>(informer: Pick<Informer<T>, "onChange">, clock: Clock) {
  const seen = new Map<string, number>();
  informer.onChange(({ type, object: { metadata } }) => {
    const { uid = "", deletionTimestamp } = metadata;
    if (type === "deleted") seen.delete(uid);
    else if (deletionTimestamp !== undefined && !seen.has(uid)) seen.set(uid, clock.monotonic());
  });
  // If the informer did not report the deletion, the wait starts now.
  return ({ metadata }: T): number => seen.get(metadata.uid ?? "") ?? clock.monotonic();
}

/**
 * The name of an annotation that users set. The value "true" on an SmsNumber that is being deleted ends the wait for
 * Twilio immediately.
 */
export const FORCE_DELETE_ANNOTATION = "smschannel.dev/force-delete";

/** Is the deletion forced? Only the value "true" counts, so that nobody forces a deletion with "false". */
export const isForced = ({ metadata }: SmsNumber): boolean =>
  metadata.annotations?.[FORCE_DELETE_ANNOTATION] === "true";

/**
 * Returns after how many milliseconds a deletion may no longer wait in the queue. The result is 0 or less when the
 * deletion's time is over, when it is forced, and when it changes nothing at Twilio. It is undefined while the
 * object is not being deleted.
 */
export function urgentInMs(number: SmsNumber, leftMs: () => number): number | undefined {
  if (number.metadata.deletionTimestamp === undefined) return undefined;
  const { deletionPolicy, managementPolicy } = effectiveNumber(number);
  const changesNothing = deletionPolicy === "Retain" || managementPolicy === "Observe";
  return isForced(number) || changesNothing ? 0 : leftMs();
}

/**
 * Makes a signal that aborts after `left` milliseconds, when the deletion has waited long enough. Call `cancel` as
 * soon as the signal is no longer needed, or the timer keeps running.
 */
export function abortingAfter(clock: Clock, left: number) {
  const controller = new AbortController();
  const end = () => controller.abort(new DOMException("the deletion has waited long enough", "TimeoutError"));
  if (left <= 0) end();
  return { signal: controller.signal, cancel: left <= 0 ? () => {} : clock.after(left, end) };
}
