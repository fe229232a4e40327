import type { SmsNumber, WorkStream } from "../api/index.ts";
import type { Clock } from "../clock.ts";
import { queueOf, type WorkQueue } from "../kube/controller/queue.ts";
import type { Watches } from "./watches.ts";
import { secretOf } from "./workstream/secret.ts";
import type { Streams } from "./workstream/streams.ts";

/** The objects that wait for an attempt, by kind. The queues are made before all parts that put keys into them. */
export interface Queues {
  workStreams: WorkQueue;
  smsNumbers: WorkQueue;
}

/** The parts from which the queues are made. */
export interface QueuesOptions {
  watches: Pick<Watches, "workStreams" | "smsNumbers">;
  streams: Pick<Streams, "get">;
  clock: Clock;
  /** How many objects of a kind are worked on at the same time. */
  workers: number;
}

/**
 * Makes the queues. An attempt on a stream or a number mostly waits for Twilio, so accounts share the workers fairly,
 * as namespaces do (ADR 29). One account whose requests hang must not hold all workers.
 */
export function createQueues({ watches, streams, clock, workers }: QueuesOptions): Queues {
  const { workStreams, smsNumbers } = watches;
  /**
   * The name of a stream's account in the queue: the fingerprint of the stream's credentials. While these are not
   * known, the name of the stream's Secret takes their place, because streams with the same Secret have the same
   * account. Undefined: the stream does not exist.
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
