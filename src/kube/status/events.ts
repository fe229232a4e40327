/**
 * Records Kubernetes events, which `kubectl describe` shows below an object.
 *
 * Events are for people and may get lost. The API server keeps them for an hour, and each event is a write to etcd. A
 * reconcile that fails every few seconds would write an event every few seconds. Three limits keep events useful and cheap:
 * - Repetition: the same note about the same object becomes one event with a count (`series`), written once a minute.
 * - Rate: an object gets 15 different events without a wait, then one a minute.
 * - Backlog: at most 2,048 events wait, 8 are written at a time, and namespaces take turns.
 *
 * Go controllers do the same with client-go's EventCorrelator, whose limits differ. Facts that an operator must know for
 * certain are in a condition, a metric or the log, never in an event alone.
 *
 * https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
 */

import { randomBytes } from "node:crypto";
import type { Clock } from "../../clock.ts";
import { Places } from "../../fairness/places.ts";
import { Shares } from "../../fairness/shares.ts";
import type { Log } from "../../log.ts";
import { type KubeClient, KubeError } from "../client/client.ts";
import { type EventObject, events, type KubeObject } from "../resource.ts";
import type { EventNote } from "./summarise.ts";

export interface EventRecorderOptions {
  client: KubeClient;
  clock: Clock;
  log: Log;
  /** The name of the program, such as `smschannel.dev/controller`. The API server accepts only a qualified name. */
  reportingController: string;
  /** The name of the process, such as the pod's name. */
  reportingInstance: string;
}

/** A note that is repeated within this time belongs to the same series. client-go also ends its series after six minutes. */
const SERIES_MS = 6 * 60_000;
/** A series is written at most this often; repetitions between two writes are counted. */
const SERIES_WRITE_MS = 60_000;
/** How many new events an object may have in quick succession. After that it may have one more for each REFILL_MS. */
const BURST = 15;
const REFILL_MS = 60_000;
/** How many events are written at a time. The other connections to the API server are for status writes, which matter more. */
const AT_ONCE = 8;
/**
 * How many events may wait to be written; further events are dropped. When this many wait, the API server is in trouble, and
 * events are the first thing to do without. One namespace fills at most three quarters, so events of other namespaces are still
 * written.
 */
const BACKLOG = 2048;
/**
 * How many series, and how many objects' budgets, are remembered. The one that was set longest ago is forgotten first. At worst
 * an event is written once more.
 */
const REMEMBERED = 4096;

/**
 * The fields by which an event names its object. A waiting event keeps only these fields: otherwise the whole object would stay
 * in memory.
 */
type Regarding = EventObject["regarding"];

interface Series {
  /** The event's name in the API; undefined until the event is written. */
  name: string | undefined;
  count: number;
  lastAt: number;
  writtenAt: number;
  /**
   * Settles when the last write of the series has ended. Each write waits for the one before, or a lower count could overwrite
   * a higher one.
   */
  writing: Promise<void>;
}

/** Records events. It never throws, and never makes a reconcile wait. */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #series = new Map<string, Series>();
  readonly #budgets = new Map<string, { tokens: number; at: number }>();
  readonly #inFlight = new Set<Promise<void>>();
  readonly #backlog = new Shares(BACKLOG);
  readonly #places = new Places(AT_ONCE);

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  record(object: KubeObject, note: EventNote): void {
    const now = this.#options.clock.monotonic();
    const regarding = regardingOf(object);
    const key = [regarding.uid, note.type, note.reason, note.message].join("\n");
    const known = this.#series.get(key);
    if (known !== undefined && now - known.lastAt < SERIES_MS) {
      known.count++;
      known.lastAt = now;
      if (now - known.writtenAt >= SERIES_WRITE_MS)
        this.#write(regarding, known, now, (name) => this.#count(regarding, name, known));
      return;
    }
    if (!this.#allowed(regarding.uid ?? "", now)) return;
    const series = {
      name: undefined,
      count: 1,
      lastAt: now,
      writtenAt: now,
      writing: Promise.resolve(),
    };
    if (!this.#backlog.admits(flowOf(regarding))) return;
    remember(this.#series, key, series);
    this.#write(regarding, series, now, () => this.#create(regarding, note, series, key));
  }

  /** Waits until every event recorded so far is written or has failed. */
  async stop(): Promise<void> {
    await Promise.all(this.#inFlight);
  }

  #write(
    regarding: Regarding,
    series: Series,
    now: number,
    write: (name: string | undefined) => Promise<void>,
  ): void {
    const flow = flowOf(regarding);
    if (!this.#backlog.admits(flow)) return;
    this.#backlog.take(flow);
    series.writtenAt = now;
    series.writing = series.writing
      .then(() => this.#places.with(flow, () => write(series.name)))
      .catch((error) => this.#failed(regarding, error));
    const { writing } = series;
    this.#inFlight.add(writing);
    void writing.then(() => {
      this.#inFlight.delete(writing);
      this.#backlog.giveBack(flow);
    });
  }

  async #create(regarding: Regarding, note: EventNote, series: Series, key: string): Promise<void> {
    const { client, clock, reportingController, reportingInstance } = this.#options;
    // The API server refuses an event with longer fields: 128 bytes for a word, 1,024 bytes for the note.
    const event: EventObject = {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: {
        // Events are named as in client-go: the object's name and a unique suffix. A name may have 253 characters at most.
        name: `${regarding.name.slice(0, 200)}.${randomBytes(8).toString("hex")}`,
        // Events about objects without a namespace are kept in "default", where kubectl looks for them.
        namespace: regarding.namespace ?? "default",
      },
      eventTime: microTime(clock.now()),
      reportingController,
      reportingInstance: reportingInstance.slice(0, 128),
      action: (note.action ?? "Reconcile").slice(0, 128),
      reason: note.reason.slice(0, 128),
      note: cut(note.message, 1024),
      type: note.type,
      regarding,
    };
    try {
      series.name = (await client.create(events, event, { metadataOnly: true })).metadata.name;
    } catch (error) {
      // No event was created, so there is no event whose count could be raised. The series is forgotten, and the next note like
      // this one becomes a new event.
      if (this.#series.get(key) === series) this.#series.delete(key);
      throw error;
    }
  }

  async #count(regarding: Regarding, name: string | undefined, series: Series): Promise<void> {
    if (name === undefined) return;
    const { client, clock } = this.#options;
    const lastObservedTime = microTime(clock.now());
    const ref = { namespace: regarding.namespace ?? "default", name };
    await client.patch(events, ref, { series: { count: series.count, lastObservedTime } });
  }

  #failed(regarding: Regarding, error: unknown): void {
    // Two errors are expected. A namespace that is being deleted accepts no new objects (403), and an event whose count must be
    // raised may be over an hour old and gone (404).
    const expected = error instanceof KubeError && (error.status === 403 || error.status === 404);
    const { kind, namespace, name } = regarding;
    const facts = { err: error, kind, namespace, name };
    this.#options.log[expected ? "debug" : "warn"](facts, "event not recorded");
  }

  /** Whether the object may have another new event. Each object has a token bucket, and each new event takes a token. */
  #allowed(uid: string, now: number): boolean {
    const before = this.#budgets.get(uid) ?? { tokens: BURST, at: now };
    const tokens = Math.min(BURST, before.tokens + (now - before.at) / REFILL_MS);
    if (tokens < 1) return false;
    remember(this.#budgets, uid, { tokens: tokens - 1, at: now });
    return true;
  }
}

const flowOf = ({ namespace = "" }: Regarding) => ({ tenant: namespace });

function regardingOf({ apiVersion, kind, metadata }: KubeObject): Regarding {
  const { name, namespace, uid, resourceVersion } = metadata;
  return {
    apiVersion,
    kind,
    name,
    ...(namespace === undefined ? {} : { namespace }),
    // `kubectl describe` finds an object's events by its uid, so an event is never shown for a later object of the same name.
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}

/**
 * Sets the value, and makes the key the most recent one. When there are too many keys, the least recently set key is removed.
 */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > REMEMBERED) map.delete(map.keys().next().value!);
}

/** A time in the form of metav1.MicroTime, which always has six decimals. JavaScript gives only three. */
const microTime = (ms: number) => new Date(ms).toISOString().replace(/Z$/, "000Z");

/** Cuts a text to at most this many bytes of UTF-8, in whole characters, because the API server counts bytes. */
function cut(text: string, bytes: number): string {
  const encoded = new TextEncoder().encodeInto(text, new Uint8Array(bytes));
  if (encoded.read === text.length) return text;
  // The slice may end between the two halves of an emoji. The first half alone is left out.
  return `${text.slice(0, Math.max(0, encoded.read - 3)).replace(/[\uD800-\uDBFF]$/, "")}…`;
}
