/**
 * Records Kubernetes events: what `kubectl describe` shows below an object.
 *
 * Events are for people and may get lost. They are kept for an hour, each is a write to etcd like any other, and a
 * reconcile that fails every few seconds would write one every few seconds. Three limits keep them useful and cheap:
 * - Repetition: the same note about the same object becomes one event with a count (`series`), written once a minute.
 * - Rate: an object gets 15 different events at once, then one a minute.
 * - Backlog: 2,048 events wait at the most, 8 are written at a time, and namespaces take turns.
 *
 * Go controllers do the same by client-go's EventCorrelator, with other numbers. What an operator must know for certain
 * is in a condition, a metric or the log, never in an event alone.
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
  /** The program, such as `smschannel.dev/controller`; the API server takes a qualified name only. */
  reportingController: string;
  /** The process, such as the pod's name. */
  reportingInstance: string;
}

/** The same note within this time belongs to the same series. client-go ends its series after six minutes as well. */
const SERIES_MS = 6 * 60_000;
/** A series is written at most this often; what happens in between is counted. */
const SERIES_WRITE_MS = 60_000;
/** New events of one object: this many at once, then one for each refill. */
const BURST = 15;
const REFILL_MS = 60_000;
/** Events written at a time. A burst of reconciles writes status too, which matters more and has the other connections. */
const AT_ONCE = 8;
/**
 * Events that wait to be written; more are dropped. With this many waiting the API server is in trouble, and events are
 * the first thing to do without. One namespace fills three quarters at most, so that the others' events are still written.
 */
const BACKLOG = 2048;
/** Series and budgets remembered; the least recently used goes first. At worst an event is written once more. */
const REMEMBERED = 4096;

/** All that an event says of its object. A waiting event keeps this instead of the object, which would stay in memory. */
type Regarding = EventObject["regarding"];

interface Series {
  /** The event's name in the API; undefined until it is written. */
  name: string | undefined;
  count: number;
  lastAt: number;
  writtenAt: number;
  /** The last write. Writes of one series follow one another, or a lower count could overwrite a higher one. */
  writing: Promise<void>;
}

/** Records events without ever throwing, and without making a reconcile wait. */
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

  /** Waits until everything recorded so far is written or has failed. */
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
    // The API server refuses an event with a longer field: 128 bytes for a word, 1,024 for the note.
    const event: EventObject = {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: {
        // As client-go names events: the object's name and something unique. A name has 253 characters at most.
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
      // Forget the series: the next of its kind must be a new event, as there is none whose count could be raised.
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
    // Expected: a namespace that is being deleted takes no new objects (403), and an event whose count is to be raised
    // may be over an hour old and gone (404).
    const expected = error instanceof KubeError && (error.status === 403 || error.status === 404);
    const { kind, namespace, name } = regarding;
    const facts = { err: error, kind, namespace, name };
    this.#options.log[expected ? "debug" : "warn"](facts, "event not recorded");
  }

  /** A token bucket per object. */
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
    // kubectl describe finds an object's events by its uid, so an event never shows at a later object of the same name.
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}

/** Sets the key as the most recent one; the least recently set goes when there are too many. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > REMEMBERED) map.delete(map.keys().next().value!);
}

/** A time as metav1.MicroTime wants it: always with six digits, of which JavaScript knows three. */
const microTime = (ms: number) => new Date(ms).toISOString().replace(/Z$/, "000Z");

/** Cuts a text to at most so many bytes of UTF-8, in whole characters: the API server counts bytes. */
function cut(text: string, bytes: number): string {
  const encoded = new TextEncoder().encodeInto(text, new Uint8Array(bytes));
  return encoded.read === text.length ? text : `${text.slice(0, Math.max(0, encoded.read - 3))}…`;
}
