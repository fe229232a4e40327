import { isDeepStrictEqual } from "node:util";
import type { Registry } from "@prometheus-io/client";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { KubeClient } from "./client.ts";
import { KubeMetrics } from "./metrics.ts";
import { type ReflectorAction, type ReflectorInput, type ReflectorNews, start, step } from "./reflector.ts";
import { type KubeObject, keyOf, type ResourceType } from "./resource.ts";
import { type Indexes, type ReadStore, Store } from "./store.ts";
import { trim } from "./trim.ts";
import { type Failed, failureOf } from "./watch-failure.ts";

/**
 * Of one page. 500 ordinary objects have less, but an object can have a megabyte, in labels and annotations that its owner writes.
 */
const PAGE_BYTES = 4 * 1024 * 1024;

export interface InformerOptions<T extends KubeObject> {
  client: KubeClient;
  type: ResourceType<T>;
  /** Namespaces to watch, each by a watch of its own; empty or absent: all by one. */
  namespaces?: readonly string[];
  fieldSelector?: string;
  labelSelector?: string;
  /** Metadata only: of Secrets nothing else is ever transferred. */
  metadataOnly?: boolean;
  /** Makes objects smaller before they are stored. Gets its own copy, may change it; undefined: leave the object out. */
  transform?: (object: T) => T;
  indexes?: Indexes<T>;
  clock: Clock;
  log: Log;
  registry?: Registry;
  /** After silence for so long, bookmarks included, everything is listed anew. The server sends one a minute. Default 100 s. */
  silentAfterMs?: number;
  random?: () => number;
}

export interface Change<T> {
  type: "added" | "updated" | "deleted";
  object: T;
  previous?: T;
}

interface NamespaceWatch {
  namespace: string | undefined;
  listed: boolean;
  /** The server has said that it may not be listed, or does not know the kind: nobody need wait for the end of it. */
  refused: boolean;
  problem: string | undefined;
  /** Keys of the pages so far of the list under way. */
  seen: Set<string>;
  heardAt: number | undefined;
  /** Ends what is under way, because the server was set back. */
  distrust: AbortController;
}

/** Keeps a store equal to the API server's collection, and tells each change once it is in the store. */
export class Informer<T extends KubeObject> {
  readonly type: ResourceType<T>;
  readonly #options: InformerOptions<T>;
  readonly #store: Store<T>;
  readonly #watched: NamespaceWatch[];
  readonly #listeners = new Set<(change: Change<T>) => void>();
  readonly #onListed = new Set<(namespace: string | undefined) => void>();
  readonly #onRewound = new Set<(found: boolean) => void>();
  readonly #stop = new AbortController();
  readonly #synced = Promise.withResolvers<void>();
  #running: Promise<unknown> | undefined;
  #endSampling = () => {};

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    this.type = options.type;
    this.#store = new Store(options.indexes);
    const namespaces = options.namespaces ?? [];
    this.#watched = (namespaces.length === 0 ? [undefined] : [...new Set(namespaces)]).map((namespace) => ({
      namespace,
      listed: false,
      refused: false,
      problem: undefined,
      seen: new Set(),
      heardAt: undefined,
      distrust: new AbortController(),
    }));
    // Who never asks must not end the process with an unhandled rejection; there is none, but a stop leaves it pending.
    this.#synced.promise.catch(() => {});
  }

  get store(): ReadStore<T> {
    return this.#store;
  }
  /**
   * Resolves when everything has been listed once that may be: one namespace without a right to it, or a kind that is not
   * there, must not keep the others waiting. What has not been listed, `knows` tells.
   */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }
  get hasSynced(): boolean {
    return this.#watched.every(({ listed }) => listed);
  }
  /** What is not in the store of this namespace is not in the cluster: its objects have been listed once, or are not watched. */
  knows(namespace: string): boolean {
    return this.#watched.every((watched) => watched.listed || (watched.namespace ?? namespace) !== namespace);
  }

  /** Why the store may be behind, as a sentence for a person; undefined while all is well. */
  problem(): string | undefined {
    const bad = this.#watched.filter(({ problem }) => problem !== undefined);
    if (bad.length === 0) return undefined;
    const { namespace, problem } = bad[0]!;
    const where = namespace === undefined ? "" : ` in namespace ${namespace}`;
    return `${this.type.plural}${where}: ${problem}${bad.length > 1 ? ` (and ${bad.length - 1} more namespaces)` : ""}`;
  }

  /** `listener` is called in order, after the store changed. What it throws is logged and stops nothing. */
  onChange(listener: (change: Change<T>) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** `listener` is called when a namespace, or with undefined all of them, has been listed for the first time. */
  onListed(listener: (namespace: string | undefined) => void): void {
    this.#onListed.add(listener);
  }

  /**
   * `listener` is called when the API server was set back to an earlier state (a backup was restored) and the store is equal to
   * it again: whatever was remembered by version, generation or as our own last write may not have happened there. `found`: this
   * informer's own watch shows it, and the informers of other kinds must be told by `distrust`.
   */
  onRewound(listener: (found: boolean) => void): () => void {
    this.#onRewound.add(listener);
    return () => void this.#onRewound.delete(listener);
  }

  /** The API server was set back: everything is listed anew, whatever the versions say. */
  distrust(): void {
    for (const watched of this.#watched) if (watched.listed) watched.distrust.abort(DISTRUSTED);
  }

  start(): void {
    if (this.#running !== undefined) return;
    const { registry, clock } = this.#options;
    if (registry !== undefined)
      this.#endSampling = KubeMetrics.of(registry).sampleWatch(this.type.kind, () => ({
        ageMs: this.#ageMs(clock.monotonic()),
        interrupted: this.#watched.filter(({ problem }) => problem !== undefined).length,
      }));
    this.#running = Promise.all(this.#watched.map((watched) => this.#reflect(watched)));
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error("informer stopped"));
    this.#endSampling();
    await this.#running;
  }

  async #reflect(watched: NamespaceWatch): Promise<void> {
    const { signal } = this.#stop;
    const random = this.#options.random ?? Math.random;
    let { state, action } = start();
    while (!signal.aborted) {
      let next: ReflectorAction | undefined;
      for await (const input of this.#perform(action, watched, signal)) {
        if (signal.aborted) return;
        if (action.do === "list" && input.type === "failed") this.#listFailed(watched, input.error);
        const done = step(state, input, random());
        state = done.state;
        if (done.news !== undefined) this.#learn(watched, done.news);
        if (done.problem !== undefined) this.#report(watched, done.problem);
        if (done.action !== undefined) {
          next = done.action;
          break;
        }
      }
      // An action that ended without a word can only be one that was stopped.
      if (next === undefined) return;
      action = next;
    }
  }

  /** Does what the machine asked for and tells what came of it; never throws. */
  async *#perform(
    action: ReflectorAction,
    watched: NamespaceWatch,
    stopped: AbortSignal,
  ): AsyncGenerator<ReflectorInput<T>> {
    const { clock } = this.#options;
    const began = clock.monotonic();
    const { distrust } = watched;
    const signal = AbortSignal.any([stopped, distrust.signal]);
    try {
      if (action.do === "wait") {
        await clock.sleep(action.ms, signal);
        yield { type: "waited" };
      } else if (action.do === "list") {
        yield await this.#list(action, watched, signal);
      } else if (action.do === "ask") {
        yield await this.#ask(watched, signal);
      } else {
        yield* this.#watch(action, watched, signal);
        yield { type: "ended", livedMs: clock.monotonic() - began };
      }
    } catch (error) {
      if (stopped.aborted) return;
      if (distrust.signal.aborted) {
        watched.distrust = new AbortController();
        yield { type: "distrusted" };
        return;
      }
      const livedMs = clock.monotonic() - began;
      yield error === SILENT ? { type: "silent" } : { type: "failed", error: failureOf(error), livedMs };
    }
  }

  async #list(
    action: Extract<ReflectorAction, { do: "list" }>,
    watched: NamespaceWatch,
    signal: AbortSignal,
  ): Promise<ReflectorInput<T>> {
    const page = await this.#options.client.listPage(
      this.type,
      {
        ...this.#selection(watched),
        limit: action.limit,
        continue: action.continue,
        // One object, or all at once, is taken as it is.
        maxBytes: action.limit > 1 ? PAGE_BYTES : undefined,
        transform: (item) => trim(item, this.#options),
      },
      signal,
    );
    watched.heardAt = this.#options.clock.monotonic();
    return { type: "page", ...page };
  }

  /** A list tells how far the server is; of one object, as its content is of no interest. */
  async #ask(watched: NamespaceWatch, signal: AbortSignal): Promise<ReflectorInput<T>> {
    const { client, clock, silentAfterMs = SILENT_AFTER_MS } = this.#options;
    const selection = { ...this.#selection(watched), metadataOnly: true, limit: 1 };
    const { resourceVersion } = await client.listPage(this.type, selection, signal);
    const silent = clock.monotonic() - (watched.heardAt ?? Number.NEGATIVE_INFINITY) >= silentAfterMs;
    return { type: "version", resourceVersion, silent };
  }

  async *#watch(
    action: Extract<ReflectorAction, { do: "watch" }>,
    watched: NamespaceWatch,
    signal: AbortSignal,
  ): AsyncGenerator<ReflectorInput<T>> {
    const { client, clock, silentAfterMs = SILENT_AFTER_MS } = this.#options;
    const silence = new AbortController();
    const arm = () => clock.after(silentAfterMs, () => silence.abort(SILENT));
    let disarm = arm();
    const heard = () => {
      watched.heardAt = clock.monotonic();
      disarm();
      disarm = arm();
    };
    try {
      const options = {
        ...this.#selection(watched),
        resourceVersion: action.resourceVersion,
        timeoutSeconds: action.timeoutSeconds,
        // A watch that is open proves little: from a version of the future it is accepted as well, and says nothing.
        onOpen: () => {
          if (!action.quiet) this.#report(watched, "");
        },
        onBytes: heard,
      };
      const both = AbortSignal.any([signal, silence.signal]);
      for await (const event of client.watch(this.type, options, both)) yield { type: "event", event };
    } finally {
      disarm();
      // Leaving early must close the connection: nobody reads it any more.
      silence.abort(SILENT);
    }
  }

  #selection({ namespace }: NamespaceWatch) {
    const { fieldSelector, labelSelector, metadataOnly } = this.#options;
    return { namespace, fieldSelector, labelSelector, metadataOnly };
  }

  #learn(watched: NamespaceWatch, news: ReflectorNews<T>): void {
    if (news.type === "upsert") this.#upsert(trim(news.object, this.#options));
    else if (news.type === "remove") this.#remove(keyOf(news.object));
    else {
      if (news.first) watched.seen = new Set();
      for (const item of news.items) {
        watched.seen.add(keyOf(item));
        this.#upsert(item, news.rewound);
      }
      if (!news.last) return;
      this.#sweep(watched);
      if (news.rewound) this.#rewound(watched, news.found);
    }
  }

  #rewound(watched: NamespaceWatch, found: boolean): void {
    const { log } = this.#options;
    log.warn(
      { kind: this.type.kind, namespace: watched.namespace },
      "the api server was set back to an earlier state, everything is looked at again",
    );
    for (const other of found ? this.#watched : [])
      if (other !== watched && other.listed) other.distrust.abort(DISTRUSTED);
    for (const listener of this.#onRewound) listener(found);
  }

  /** What a complete list did not have was deleted while nobody watched. */
  #sweep(watched: NamespaceWatch): void {
    const held =
      watched.namespace === undefined
        ? [...this.#store.keys()]
        : this.#store.list(watched.namespace).map(keyOf);
    for (const key of held) if (!watched.seen.has(key)) this.#remove(key);
    watched.seen = new Set();
    if (watched.listed) return;
    watched.listed = true;
    this.#settle();
    for (const listener of this.#onListed) listener(watched.namespace);
  }

  #listFailed(watched: NamespaceWatch, { status }: Failed): void {
    if (status !== 403 && status !== 404) return;
    watched.refused = true;
    this.#settle();
  }

  #settle(): void {
    if (this.#watched.every(({ listed, refused }) => listed || refused)) this.#synced.resolve();
  }

  /** `rewound`: what has the same version need not be the same, as the server counts on from an earlier one. */
  #upsert(object: T, rewound = false): void {
    const previous = this.#store.getByKey(keyOf(object));
    const sameVersion = previous?.metadata.resourceVersion === object.metadata.resourceVersion;
    if (previous !== undefined && sameVersion && (!rewound || isDeepStrictEqual(previous, object))) return;
    // A deleted and re-created object can have been missed as such: to listeners it is two objects.
    if (previous !== undefined && previous.metadata.uid !== object.metadata.uid)
      this.#remove(keyOf(previous));
    const replaced = this.#store.set(object);
    this.#tell(
      replaced === undefined ? { type: "added", object } : { type: "updated", object, previous: replaced },
    );
  }

  #remove(key: string): void {
    const object = this.#store.delete(key);
    if (object !== undefined) this.#tell({ type: "deleted", object });
  }

  #tell(change: Change<T>): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        this.#options.log.error({ err: error, kind: this.type.kind }, "a listener of a watch failed");
      }
    }
  }

  #report(watched: NamespaceWatch, problem: string): void {
    const now = problem === "" ? undefined : problem;
    if (now === watched.problem) return;
    watched.problem = now;
    const facts = { kind: this.type.kind, namespace: watched.namespace };
    if (now === undefined) this.#options.log.info(facts, "watch works again");
    else this.#options.log.warn({ ...facts, problem: now }, "watch interrupted, will retry");
  }

  #ageMs(now: number): number | undefined {
    const heard = this.#watched.map(({ heardAt }) => heardAt).filter((at) => at !== undefined);
    return heard.length === 0 ? undefined : now - Math.min(...heard);
  }
}

/** A bookmark comes at least every 75 s. */
const SILENT_AFTER_MS = 100_000;
const SILENT = new Error("the watch was silent for too long");
/** The reason for which what is under way is ended. */
const DISTRUSTED = new Error("the api server was set back to an earlier state");
