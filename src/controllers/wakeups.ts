import type { SmsNumber, WorkStream } from "../api/index.ts";
import type { QueueLane, WorkQueue } from "../kube/controller/queue.ts";
import { type KubeObject, keyOf } from "../kube/resource.ts";
import type { ReadStore } from "../kube/watch/store.ts";
import type { Queues } from "./queues.ts";
import type { Records } from "./records/records.ts";
import type { Watches } from "./watches.ts";
import type { Streams } from "./workstream/streams.ts";

type Enqueue = Pick<WorkQueue, "add">;

/** The queues, and what is listened to. */
export interface WakeupsOptions {
  queues: { [Kind in keyof Queues]: Enqueue };
  watches: Watches;
  streams: Pick<Streams, "onChange">;
  records: Pick<Records, "route">;
}

/**
 * Decides which objects must be looked at again when something else has changed. Changes of a kind's own objects
 * are its controller's business. Nothing is changed here; what must be forgotten is in forgetting.ts.
 *
 * Each line here stands for a status that would otherwise stay wrong until a resync, and each must be narrow: two
 * kinds that wake each other on every write would never rest.
 */
export class Wakeups {
  readonly #queues: WakeupsOptions["queues"];
  readonly #watches: Watches;
  readonly #records: WakeupsOptions["records"];

  constructor({ queues, watches, streams, records }: WakeupsOptions) {
    this.#queues = queues;
    this.#watches = watches;
    this.#records = records;
    streams.onChange((stream) => this.numbersOf(stream));
    this.#listen();
  }

  /** Listens to changes of one kind that another kind must hear of. */
  #listen() {
    const { workStreams, smsNumbers, operatingHours, secrets } = this.#watches;
    const queues = this.#queues;
    // A right was granted, or a CRD was installed. Nothing else wakes the objects that waited for this list.
    workStreams.onListed((namespace) => all(queues.smsNumbers, smsNumbers, namespace));
    operatingHours.onListed((namespace) => all(queues.smsNumbers, smsNumbers, namespace));
    smsNumbers.onListed((namespace) => all(queues.workStreams, workStreams, namespace));
    secrets.onChange(({ object }) => {
      for (const stream of workStreams.store.byIndex("secret", keyOf(object))) this.stream(keyOf(stream));
    });
    // Only a new generation: the stream's own status writes must not wake its numbers, or theirs would wake it in
    // turn.
    workStreams.onChange(({ type, object, previous }) => {
      if (type !== "updated" || object.metadata.generation !== previous?.metadata.generation)
        this.numbersOf(keyOf(object));
    });
    operatingHours.onChange(({ type, object }) => {
      // Numbers refer to opening hours only by name. Their content does not matter to the number.
      if (type === "updated") return;
      for (const number of smsNumbers.store.byIndex("hours", keyOf(object))) this.number(keyOf(number));
    });
    // The stream repeats its number's Ready condition, so it looks again only when that reads differently.
    smsNumbers.onChange(({ type, object, previous }) => {
      if (type === "updated" && readyText(object) === readyText(previous)) return;
      this.stream(`${object.metadata.namespace}/${object.spec.workStreamRef.name}`);
    });
  }

  /** Wakes a stream, by its key. */
  stream(key: string, lane: QueueLane = "change") {
    this.#queues.workStreams.add(key, lane);
  }

  /** Wakes a number, by its key. */
  number(key: string, lane: QueueLane = "change") {
    this.#queues.smsNumbers.add(key, lane);
  }

  /** Wakes the numbers of a stream, by the stream's key. */
  numbersOf(stream: string, lane: QueueLane = "change") {
    for (const number of this.#watches.smsNumbers.store.byIndex("stream", stream))
      this.number(keyOf(number), lane);
  }

  /** A self-check or a receiver's report changed what is known of this route: wakes its stream and numbers. */
  route(key: string, lane: QueueLane) {
    const route = this.#records.route(key);
    if (route === undefined) return;
    const stream = `${route.namespace}/${route.stream}`;
    this.stream(stream, lane);
    this.numbersOf(stream, lane);
  }

  /**
   * A stream is gone: wakes its numbers, and one stream of the namespace that had found no room. One at a time,
   * since each that takes room may leave none for the next.
   */
  streamGone({ metadata }: WorkStream) {
    this.numbersOf(keyOf({ metadata }));
    const [waiting] = this.#watches.workStreams.store.byIndex("roomless", metadata.namespace!);
    if (waiting !== undefined) this.stream(keyOf(waiting));
  }

  /** A number is gone: wakes those that may have waited for it, or for its stream. */
  numberGone({ metadata, spec }: SmsNumber) {
    for (const other of this.#watches.smsNumbers.store.byIndex("digits", spec.number))
      this.number(keyOf(other));
    this.numbersOf(`${metadata.namespace}/${spec.workStreamRef.name}`);
  }
}

/** In the lane of resyncs: a whole list must not hold up a user's change. */
function all(queue: Enqueue, { store }: { store: ReadStore<KubeObject> }, namespace: string | undefined) {
  for (const object of store.list(namespace)) queue.add(keyOf(object), "resync");
}

/** The Ready condition as one text, to be compared. */
function readyText(object: SmsNumber | undefined): string {
  const ready = object?.status?.conditions?.find(({ type }) => type === "Ready");
  return `${ready?.status} ${ready?.reason} ${ready?.message}`;
}
