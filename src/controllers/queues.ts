import type { SmsNumber, WorkStream } from "../api/index.ts";
import type { Clock } from "../clock.ts";
import { queueOf, type WorkQueue } from "../kube/controller/queue.ts";
import type { Watches } from "./watches.ts";
import { secretOf } from "./workstream/secret.ts";
import type { Streams } from "./workstream/streams.ts";

/** What waits to be worked on, by kind. Made before everything else that puts keys into them. */
export interface Queues {
  workStreams: WorkQueue;
  smsNumbers: WorkQueue;
}

/** What the queues are made from. */
export interface QueuesOptions {
  watches: Pick<Watches, "workStreams" | "smsNumbers">;
  streams: Pick<Streams, "get">;
  clock: Clock;
  /** How many objects of a kind are worked on at a time. */
  workers: number;
}

/**
 * Work on a stream or a number mostly waits for Twilio, so accounts share the workers fairly, as namespaces do
 * (ADR 29): one whose Twilio hangs must not hold them all.
 */
export function createQueues({ watches, streams, clock, workers }: QueuesOptions): Queues {
  const { workStreams, smsNumbers } = watches;
  /**
   * While a stream's credentials are not known, the name of its Secret stands for the account: streams with the same
   * Secret have the same account.
   */
  const accountOf = (namespace: string, stream: string): string | undefined => {
    const known = streams.get(`${namespace}/${stream}`)?.fingerprint;
    if (known !== undefined) return known;
    const object = workStreams.store.get(namespace, stream);
    return object === undefined ? undefined : `${namespace}/${secretOf(object)}`;
  };
  return {
    workStreams: queueOf(workStreams, {
      clock,
      workers,
      upstreamOf: ({ metadata }: WorkStream) => accountOf(metadata.namespace!, metadata.name),
    }),
    smsNumbers: queueOf(smsNumbers, {
      clock,
      workers,
      upstreamOf: ({ metadata, spec }: SmsNumber) => accountOf(metadata.namespace!, spec.workStreamRef.name),
    }),
  };
}
