import type { SmsNumber, WorkStream } from "../api/index.ts";
import type { QueueLane, WorkQueue } from "../kube/controller/queue.ts";
import { type KubeObject, keyOf } from "../kube/resource.ts";
import type { ReadStore } from "../kube/watch/store.ts";
import type { Queues } from "./queues.ts";
import type { HeldNumber } from "./records/record.ts";
import type { Records } from "./records/records.ts";
import type { Watches } from "./watches.ts";
import type { Streams } from "./workstream/streams.ts";

type Enqueue = Pick<WorkQueue, "add">;

/** The queues, and the parts whose changes put objects into them. */
export interface WakeupsOptions {
  queues: { [Kind in keyof Queues]: Enqueue };
  watches: Watches;
  streams: Pick<Streams, "onChange">;
  records: Pick<Records, "route">;
}

/**
 * Decides which objects need an attempt because something else has changed. The controller of a kind handles changes
 * of its own objects. This class only fills queues; forgetting.ts drops what is remembered of deleted objects.
 *
 * If any rule of this class were missing, the status of some object would stay wrong until a resync. Each rule must
 * also be narrow: if two kinds woke each other on every write, their attempts would never end.
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

  /** Listens to changes of objects of one kind that matter to objects of another kind. */
  #listen() {
    const { workStreams, smsNumbers, operatingHours, secrets } = this.#watches;
    const queues = this.#queues;
    // When a kind is listed for the first time, objects of another kind may have waited for that list, and nothing else
    // wakes them. The list can come late, when a right was granted or a CRD was installed.
    workStreams.onListed((namespace) => all(queues.smsNumbers, smsNumbers, namespace));
    operatingHours.onListed((namespace) => all(queues.smsNumbers, smsNumbers, namespace));
    smsNumbers.onListed((namespace) => all(queues.workStreams, workStreams, namespace));
    secrets.onChange(({ object }) => {
      for (const stream of workStreams.store.byIndex("secret", keyOf(object))) this.stream(keyOf(stream));
    });
    // Only a new generation of a stream wakes its numbers. If writes of the stream's status did so too, stream and
    // numbers would wake each other without end.
    workStreams.onChange(({ type, object, previous }) => {
      if (type !== "updated" || object.metadata.generation !== previous?.metadata.generation)
        this.numbersOf(keyOf(object));
    });
    operatingHours.onChange(({ type, object }) => {
      // An SmsNumber only checks that its OperatingHours exist. Their content does not matter to it.
      if (type === "updated") return;
      for (const number of smsNumbers.store.byIndex("hours", keyOf(object))) this.number(keyOf(number));
    });
    // The stream repeats the Ready condition of its number, so it needs an attempt only when that condition has
    // changed.
    smsNumbers.onChange(({ type, object, previous }) => {
      if (type === "updated" && readyText(object) === readyText(previous)) return;
      this.stream(`${object.metadata.namespace}/${object.spec.workStreamRef.name}`);
    });
  }

  /** Puts a stream into its queue, by its key. */
  stream(key: string, lane: QueueLane = "change") {
    this.#queues.workStreams.add(key, lane);
  }

  /** Puts a number into its queue, by its key. */
  number(key: string, lane: QueueLane = "change") {
    this.#queues.smsNumbers.add(key, lane);
  }

  /** Puts all numbers of a stream into their queue, by the stream's key. */
  numbersOf(stream: string, lane: QueueLane = "change") {
    for (const number of this.#watches.smsNumbers.store.byIndex("stream", stream))
      this.number(keyOf(number), lane);
  }

  /**
   * Wakes the stream and the numbers of a route. Called when a self-check or a receiver's report changed what is
   * known of the route.
   */
  route(key: string, lane: QueueLane) {
    const route = this.#records.route(key);
    if (route === undefined) return;
    const stream = `${route.namespace}/${route.stream}`;
    this.stream(stream, lane);
    this.numbersOf(stream, lane);
  }

  /**
   * Called when a stream is gone. Wakes its numbers, and one other stream of the namespace for whose route there was no
   * room. It wakes only one such stream at a time, because each route that is added may leave no room for the next.
   */
  streamGone({ metadata }: WorkStream) {
    this.numbersOf(keyOf({ metadata }));
    const [waiting] = this.#watches.workStreams.store.byIndex("roomless", metadata.namespace!);
    if (waiting !== undefined) this.stream(keyOf(waiting));
  }

  /**
   * Called when a number is gone. Wakes the SmsNumbers that may have waited for the same digits or for the same
   * stream.
   */
  numberGone({ metadata, spec }: SmsNumber) {
    const { namespace } = metadata;
    this.numberFree({ namespace: namespace!, number: spec.number, stream: spec.workStreamRef.name });
  }

  /**
   * Called when nobody holds a number any more. Wakes the SmsNumbers that may have waited for the same digits or for
   * the same stream: a claim that ends changes no object that they watch.
   */
  numberFree({ namespace, number, stream }: Pick<HeldNumber, "namespace" | "number" | "stream">) {
    for (const other of this.#watches.smsNumbers.store.byIndex("digits", number)) this.number(keyOf(other));
    this.numbersOf(`${namespace}/${stream}`);
  }
}

/**
 * Queues every object of the namespace. The objects go into the lane of resyncs, so that a whole list does not delay
 * a user's change.
 */
function all(queue: Enqueue, { store }: { store: ReadStore<KubeObject> }, namespace: string | undefined) {
  for (const object of store.list(namespace)) queue.add(keyOf(object), "resync");
}

/** The Ready condition as one text, to find out whether it has changed. */
function readyText(object: SmsNumber | undefined): string {
  const ready = object?.status?.conditions?.find(({ type }) => type === "Ready");
  return `${ready?.status} ${ready?.reason} ${ready?.message}`;
}
