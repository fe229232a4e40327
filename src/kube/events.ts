import { randomBytes } from "node:crypto";
import type { Clock } from "../clock.ts";
import { Places } from "../fairness/places.ts";
import { Shares } from "../fairness/shares.ts";
import type { Log } from "../log.ts";
import { type KubeClient, KubeError } from "./client.ts";
import { type EventObject, events, type KubeObject } from "./resource.ts";
import type { EventNote } from "./summarise.ts";

export interface EventRecorderOptions {
  client: KubeClient;
  clock: Clock;
  log: Log;
  /** Such as `smschannel.dev/controller`. */
  reportingController: string;
  /** Such as the pod's name. */
  reportingInstance: string;
}

/** The same note within this time is one event with a count. */
const SERIES_MS = 6 * 60_000;
/** A series is written at most this often; what happens in between is counted. */
const SERIES_WRITE_MS = 60_000;
/** New events per object: so many at once, then one per refill. */
const BURST = 15;
const REFILL_MS = 60_000;
/** Requests at a time: status writes of the same burst come first. */
const AT_ONCE = 8;
/**
 * More than this waiting: the API server has other worries, and events are the first thing to do without. One namespace fills
 * three quarters of it at the most, so that what happens elsewhere is told all the same.
 */
const BACKLOG = 2048;
const REMEMBERED = 4096;

/** All that an event says of its object. What waits holds this and not the object, which has long been another. */
type Regarding = EventObject["regarding"];

interface Series {
  name: string | undefined;
  count: number;
  firstAt: number;
  lastAt: number;
  writtenAt: number;
  /** Writes about the same event follow one another. */
  writing: Promise<void>;
}

/** Tells people what happened, by `kubectl describe`. Never throws and never makes a reconcile wait or fail. */
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
      firstAt: now,
      lastAt: now,
      writtenAt: now,
      writing: Promise.resolve(),
    };
    if (!this.#backlog.admits(flowOf(regarding))) return;
    remember(this.#series, key, series);
    this.#write(regarding, series, now, () => this.#create(regarding, note, series, key));
  }

  /** Waits for what is under way. */
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
    const event: EventObject = {
      apiVersion: "events.k8s.io/v1",
      kind: "Event",
      metadata: {
        name: `${regarding.name.slice(0, 200)}.${randomBytes(8).toString("hex")}`,
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
      series.name = (await client.create(events, event, undefined, { metadataOnly: true })).metadata.name;
    } catch (error) {
      // The next of its kind is to be a new event, not one more of one that never was.
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
    // A terminating namespace takes no new events, and an event that was counted up may be an hour old and gone.
    const expected = error instanceof KubeError && (error.status === 403 || error.status === 404);
    const { kind, namespace, name } = regarding;
    const facts = { err: error, kind, namespace, name };
    this.#options.log[expected ? "debug" : "warn"](facts, "event not recorded");
  }

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
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}

/** Least recently set goes first. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > REMEMBERED) map.delete(map.keys().next().value!);
}

const microTime = (ms: number) => new Date(ms).toISOString().replace(/Z$/, "000Z");

/** At most so many bytes of UTF-8, in whole characters. */
function cut(text: string, bytes: number): string {
  const encoded = new TextEncoder().encodeInto(text, new Uint8Array(bytes));
  return encoded.read === text.length ? text : `${text.slice(0, Math.max(0, encoded.read - 3))}…`;
}
