import type { SmsNumber } from "../../../api/index.ts";
import type { Clock } from "../../../clock.ts";
import type { Informer } from "../../../kube/informer.ts";
import type { KubeObject } from "../../../kube/resource.ts";

/** What DELETE_TIMEOUT is compared with, in milliseconds of one clock that never jumps. */
export interface DeletionWait {
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
export function leftMs({ seenAtMs, atWorkSinceMs, nowMs, timeoutMs }: DeletionWait): number {
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

/** Ends the wait for Twilio at once. */
export const FORCE_DELETE_ANNOTATION = "smschannel.dev/force-delete";

export const isForced = ({ metadata }: SmsNumber): boolean =>
  metadata.annotations?.[FORCE_DELETE_ANNOTATION] === "true";

/**
 * In how many milliseconds a deletion may wait for Twilio no more, 0 or less for now: its time-out is over, it is forced, or it
 * changes nothing there. Undefined while there is no deletion.
 */
export function urgentInMs(number: SmsNumber, leftMs: () => number): number | undefined {
  const { metadata, spec } = number;
  if (metadata.deletionTimestamp === undefined) return undefined;
  const changesNothing = spec.deletionPolicy === "Retain" || spec.managementPolicy === "Observe";
  return isForced(number) || changesNothing ? 0 : leftMs();
}

/** Aborts as a time-out does when the deletion has waited long enough. */
export function abortingAfter(clock: Clock, left: number) {
  const controller = new AbortController();
  const end = () => controller.abort(new DOMException("the deletion has waited long enough", "TimeoutError"));
  if (left <= 0) end();
  return { signal: controller.signal, cancel: left <= 0 ? () => {} : clock.after(left, end) };
}
