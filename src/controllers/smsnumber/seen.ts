/**
 * Answers the questions that the SmsNumber controller has about the watched cluster. Every answer comes from memory,
 * except a namespace's UID, which may need a request.
 */

import type { SmsNumber, WorkStream } from "../../api/index.ts";
import type { Clock } from "../../clock.ts";
import type { NamespaceUids } from "../namespaces.ts";
import { Touches } from "../touches.ts";
import type { Watches } from "../watches.ts";
import { deletionSeen, leftMs } from "./cleanup/patience.ts";

/** What this process knows of the cluster around a number, through its watches. */
export interface ClusterSeen {
  workStream(namespace: string, name: string): WorkStream | undefined;
  /**
   * False when WorkStreams of this namespace cannot be listed. A WorkStream that the watch does not show may then
   * exist all the same.
   */
  knowsWorkStreams(namespace: string): boolean;
  /** True only when it is certain that the namespace has no OperatingHours with this name. */
  lacksHours(namespace: string, name: string): boolean;
  /** Returns the SmsNumbers with these digits in all namespaces, since any of them can claim the number. */
  numbersWithDigits(digits: string): SmsNumber[];
  numbersOfStream(namespace: string, stream: string): SmsNumber[];
  namespaceUid(namespace: string, signal: AbortSignal): Promise<string>;
  /** When a user last changed the SmsNumber, by the monotonic clock. */
  touchedAt(number: SmsNumber): number;
  /**
   * How much longer the SmsNumber's deletion waits for Twilio, in milliseconds; 0 or less when it has waited long
   * enough.
   */
  deletionLeftMs(number: SmsNumber): number;
}

/** The parts from which `seenBy` builds the view of the cluster. */
export interface SeenOptions {
  watches: Watches;
  namespaces: Pick<NamespaceUids, "uidOf">;
  clock: Clock;
  deleteTimeoutMs: number;
  /** The time since which this process has been able to put webhooks back, by the monotonic clock. */
  atWorkSinceMs(): number;
}

/**
 * Builds the view of the cluster. Call this before the informers start: the view hears of edits and deletions only
 * from this call on, and would miss earlier ones.
 */
export function seenBy({
  watches,
  namespaces,
  clock,
  deleteTimeoutMs,
  atWorkSinceMs,
}: SeenOptions): ClusterSeen {
  const { workStreams, smsNumbers, operatingHours } = watches;
  const touched = new Touches(smsNumbers, clock);
  const deletedAt = deletionSeen(smsNumbers, clock);
  return {
    workStream: (namespace, name) => workStreams.store.get(namespace, name),
    knowsWorkStreams: (namespace) => workStreams.knows(namespace),
    lacksHours: (namespace, name) =>
      operatingHours.knows(namespace) && operatingHours.store.get(namespace, name) === undefined,
    numbersWithDigits: (digits) => smsNumbers.store.byIndex("digits", digits),
    numbersOfStream: (namespace, stream) => smsNumbers.store.byIndex("stream", `${namespace}/${stream}`),
    namespaceUid: (namespace, signal) => namespaces.uidOf(namespace, signal),
    touchedAt: (number) => touched.at(number),
    deletionLeftMs: (number) =>
      leftMs({
        seenAtMs: deletedAt(number),
        atWorkSinceMs: atWorkSinceMs(),
        nowMs: clock.monotonic(),
        timeoutMs: deleteTimeoutMs,
      }),
  };
}

/**
 * Is the SmsNumber suspended, by its own spec or by its WorkStream's? Then the operator sets nothing at Twilio for
 * it.
 */
export function isSuspended(
  { seen }: { seen: Pick<ClusterSeen, "workStream"> },
  { metadata, spec }: SmsNumber,
): boolean {
  const stream = seen.workStream(metadata.namespace!, spec.workStreamRef.name);
  return spec.suspend === true || stream?.spec.suspend === true;
}
