/**
 * How long a deletion waits for Twilio. A finalizer that waits for ever is the best known fault of operators: it
 * blocks a namespace, and people then take it off by hand. So every wait here ends with DELETE_TIMEOUT.
 */

import { effectiveNumber } from "../../../api/effective.ts";
import type { SmsNumber } from "../../../api/index.ts";
import type { Clock } from "../../../clock.ts";
import type { KubeObject } from "../../../kube/resource.ts";
import type { Informer } from "../../../kube/watch/informer.ts";

/**
 * What DELETE_TIMEOUT is compared with, in milliseconds of one monotonic clock: the wall clock may be set while a
 * deletion waits.
 */
export interface DeletionWait {
  /** When this process learnt of the deletion. */
  seenAtMs: number;
  /** Since when this process could have put webhooks back. */
  atWorkSinceMs: number;
  nowMs: number;
  timeoutMs: number;
}

/**
 * How long a deletion still waits for Twilio; 0 or less when its time is over. Time in which no operator could ask
 * Twilio does not count, or the first fault after an outage of ours would end the wait. All other time counts: in a
 * queue, for a worker, for a call.
 */
export function leftMs({ seenAtMs, atWorkSinceMs, nowMs, timeoutMs }: DeletionWait): number {
  return Math.max(seenAtMs, atWorkSinceMs) + timeoutMs - nowMs;
}

/**
 * When this process learnt of an object's deletion. The object's deletionTimestamp is not used: it comes from the
 * API server's clock, which may differ from ours. Listens from now on, so it must be made before the informer
 * starts.
 */
export function deletionSeen<T extends KubeObject>(informer: Pick<Informer<T>, "onChange">, clock: Clock) {
  const seen = new Map<string, number>();
  informer.onChange(({ type, object: { metadata } }) => {
    const { uid = "", deletionTimestamp } = metadata;
    if (type === "deleted") seen.delete(uid);
    else if (deletionTimestamp !== undefined && !seen.has(uid)) seen.set(uid, clock.monotonic());
  });
  // An object that was not seen being deleted starts its wait now.
  return ({ metadata }: T): number => seen.get(metadata.uid ?? "") ?? clock.monotonic();
}

/** Public: set to "true" on an SmsNumber, it ends the wait for Twilio at once. */
export const FORCE_DELETE_ANNOTATION = "smschannel.dev/force-delete";

/** Only "true" counts, so that nobody forces a deletion by "false". */
export const isForced = ({ metadata }: SmsNumber): boolean =>
  metadata.annotations?.[FORCE_DELETE_ANNOTATION] === "true";

/**
 * In how many milliseconds a deletion may no longer wait in the queue; 0 or less for now: its time is over, it is
 * forced, or it changes nothing at Twilio and so has nothing to wait for. Undefined while the object is not being
 * deleted.
 */
export function urgentInMs(number: SmsNumber, leftMs: () => number): number | undefined {
  if (number.metadata.deletionTimestamp === undefined) return undefined;
  const { deletionPolicy, managementPolicy } = effectiveNumber(number);
  const changesNothing = deletionPolicy === "Retain" || managementPolicy === "Observe";
  return isForced(number) || changesNothing ? 0 : leftMs();
}

/**
 * A signal that aborts, as a time-out does, when the deletion has waited long enough. `cancel` must be called, or
 * the timer stays.
 */
export function abortingAfter(clock: Clock, left: number) {
  const controller = new AbortController();
  const end = () => controller.abort(new DOMException("the deletion has waited long enough", "TimeoutError"));
  if (left <= 0) end();
  return { signal: controller.signal, cancel: left <= 0 ? () => {} : clock.after(left, end) };
}
