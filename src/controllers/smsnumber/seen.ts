/** The watched cluster, as the SmsNumber controller asks about it. Everything answers from memory. */

import type { SmsNumber, WorkStream } from "../../api/index.ts";
import type { Clock } from "../../clock.ts";
import type { NamespaceUids } from "../namespaces.ts";
import { Touches } from "../touches.ts";
import type { Watches } from "../watches.ts";
import { deletionSeen, leftMs } from "./cleanup/patience.ts";

/** What is seen of the cluster around a number, as far as this process watches it. */
export interface ClusterSeen {
  workStream(namespace: string, name: string): WorkStream | undefined;
  /** False when WorkStreams of this namespace cannot be listed: one that is not seen may well exist. */
  knowsWorkStreams(namespace: string): boolean;
  /** True only when it is certain that there is no OperatingHours of this name. */
  lacksHours(namespace: string, name: string): boolean;
  /** Across all namespaces: a number can be claimed from any of them. */
  numbersWithDigits(digits: string): SmsNumber[];
  numbersOfStream(namespace: string, stream: string): SmsNumber[];
  namespaceUid(namespace: string, signal: AbortSignal): Promise<string>;
  /** When a user last did something to the object, by the monotonic clock. */
  touchedAt(number: SmsNumber): number;
  /** How long its deletion still waits for Twilio; 0 or less when it has waited long enough. */
  deletionLeftMs(number: SmsNumber): number;
}

/** What it is built from. */
export interface SeenOptions {
  watches: Watches;
  namespaces: Pick<NamespaceUids, "uidOf">;
  clock: Clock;
  deleteTimeoutMs: number;
  /** Since when this process has been able to put webhooks back, by the monotonic clock. */
  atWorkSinceMs(): number;
}

/**
 * Listens to the informers from now on, so it must be made before they start: a touch or deletion before that would
 * be missed.
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
