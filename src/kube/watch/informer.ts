/**
 * Keeps a local copy of a collection of objects, and tells listeners about every change.
 *
 * A controller does not poll: it reads the collection once and then watches it. `Informer` sends the requests for the state
 * machine in reflector.ts, keeps the objects in a `Store`, and compares what arrives with the store. Listeners get only the
 * difference, so a list that repeats known objects causes no event.
 *
 *     const informer = new Informer({ client, type, clock, log });
 *     informer.onChange(({ type, object }) => …);    // before start(), or the first objects are missed
 *     informer.start();
 *     await informer.synced;                         // from here on the store has each namespace that could be listed
 *     informer.store.get(namespace, name);
 *     await informer.stop();
 *
 * A listener learns the newest state and not the history: several changes that happen while the connection is down arrive as
 * one change. Controllers must therefore act on what an object is, not on what happened to it.
 *
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
 */

import { isDeepStrictEqual } from "node:util";
import type { Registry } from "@prometheus-io/client";
import type { Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import type { KubeClient } from "../client/client.ts";
import { KubeMetrics } from "../controller/metrics.ts";
import { type KubeObject, keyOf, type ResourceType } from "../resource.ts";
import { type ReflectorAction, type ReflectorInput, type ReflectorNews, start, step } from "./reflector.ts";
import { type Indexes, type ReadStore, Store } from "./store.ts";
import { trim } from "./trim.ts";
import { type Failed, failureOf } from "./watch-failure.ts";

/**
 * The largest size of a page; a larger page is asked for again in smaller pages. 500 ordinary objects are smaller than this.
 * But users can write a megabyte into the labels and annotations of an object, and 500 such objects would not fit into memory.
 */
const PAGE_BYTES = 4 * 1024 * 1024;

export interface InformerOptions<T extends KubeObject> {
  client: KubeClient;
  type: ResourceType<T>;
  /**
   * The namespaces to watch. Each gets a watch of its own, which needs no rights beyond that namespace. Empty or absent: one
   * watch for all namespaces.
   */
  namespaces?: readonly string[];
  fieldSelector?: string;
  labelSelector?: string;
  /** Asks for metadata only, so that the content of a Secret never leaves the server. */
  metadataOnly?: boolean;
  /** Makes an object smaller before it is stored. The function gets its own copy of the object, which it may change. */
  transform?: (object: T) => T;
  indexes?: Indexes<T>;
  clock: Clock;
  log: Log;
  registry?: Registry;
  /** When neither an event nor a bookmark came for this long, everything is listed again. Default 100 s. */
  silentAfterMs?: number;
  random?: () => number;
}

export interface Change<T> {
  type: "added" | "updated" | "deleted";
  object: T;
  previous?: T;
}

/** The state of one watch: of a namespace, or of all namespaces when `namespace` is undefined. */
interface NamespaceWatch {
  namespace: string | undefined;
  /** True when the namespace has been listed completely at least once. */
  listed: boolean;
  /** True when the server does not allow the list, or does not know the kind. `synced` does not wait for such a namespace. */
  refused: boolean;
  problem: string | undefined;
  /** The keys of all objects that the current list has brought so far. A list arrives in pages. */
  seen: Set<string>;
  /** When data last came from the server, by the monotonic clock. */
  heardAt: number | undefined;
  /** Aborts the list or watch under way when the server was set back to an earlier state. */
  distrust: AbortController;
}

/** Keeps a store equal to the API server's collection. A listener is called when the change is already in the store. */
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
    // Nothing rejects `synced` yet. If something does one day, this handler keeps the rejection from ending the process.
    this.#synced.promise.catch(() => {});
  }

  get store(): ReadStore<T> {
    return this.#store;
  }
  /**
   * Resolves when every namespace has been listed once or was refused. Otherwise one namespace that this account may not list,
   * or a kind whose CRD is missing, would stop the work on all others. `knows` says which namespaces were listed.
   */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }
  /**
   * True when an object of this namespace that is not in the store does not exist: the namespace has been listed, or is not
   * watched. Before that, a missing object means nothing, and no code may act on it.
   */
  knows(namespace: string): boolean {
    return this.#watched.every((watched) => watched.listed || (watched.namespace ?? namespace) !== namespace);
  }

  /** Why the store may be out of date, in a sentence for a person; undefined while everything works. */
  problem(): string | undefined {
    const bad = this.#watched.filter(({ problem }) => problem !== undefined);
    if (bad.length === 0) return undefined;
    const { namespace, problem } = bad[0]!;
    const where = namespace === undefined ? "" : ` in namespace ${namespace}`;
    return `${this.type.plural}${where}: ${problem}${bad.length > 1 ? ` (and ${bad.length - 1} more namespaces)` : ""}`;
  }

  /**
   * Calls `listener` for each change, in order, when the change is already in the store. An error that a listener throws is
   * logged, and stops neither other listeners nor the watch. Returns a function that removes the listener.
   */
  onChange(listener: (change: Change<T>) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Calls `listener` with a namespace when its objects were listed for the first time. When one watch covers all namespaces,
   * `listener` is called with undefined.
   */
  onListed(listener: (namespace: string | undefined) => void): void {
    this.#onListed.add(listener);
  }

  /**
   * Calls `listener` when the API server was set back to an earlier state, because a backup was restored, and the store equals
   * that state. What a listener remembers (a version, a generation, our own last write) may never have happened in that state.
   * `found` is true when this informer noticed the restore by its own versions; then call `distrust` on the informers of other
   * kinds.
   */
  onRewound(listener: (found: boolean) => void): () => void {
    this.#onRewound.add(listener);
    return () => void this.#onRewound.delete(listener);
  }

  /** Lists everything again, whatever the versions say. Called when another informer found that the API server was set back. */
  distrust(): void {
    // A namespace that was never listed is left out, because it is about to be listed anyway.
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

  /** Runs the state machine of one watch until the informer stops. */
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
      // There is always a next action, except when the informer stops and so ends an action without an input for the state
      // machine.
      if (next === undefined) return;
      action = next;
    }
  }

  /**
   * Performs an action of the state machine and yields the result as inputs. Never throws: a failure is an input like any
   * other.
   */
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
        // Two lists are accepted at any size: a page of one object cannot be made smaller, and a list without pages is the last
        // resort.
        maxBytes: action.limit > 1 ? PAGE_BYTES : undefined,
        transform: (item) => trim(item, this.#options),
      },
      signal,
    );
    watched.heardAt = this.#options.clock.monotonic();
    return { type: "page", ...page };
  }

  /** Asks for the server's present version, which every list carries. The list has one object at most, to be cheap. */
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
        // An open watch ends every reported problem except silence: the server also opens a watch from a version that it has
        // not reached yet, and then sends nothing.
        onOpen: () => {
          if (!action.quiet) this.#report(watched, "");
        },
        onBytes: heard,
      };
      const both = AbortSignal.any([signal, silence.signal]);
      for await (const event of client.watch(this.type, options, both)) yield { type: "event", event };
    } finally {
      disarm();
      // Whoever reads these events may stop early. The connection must then be closed, because nobody reads from it any more.
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
        this.#upsert(item, { listed: true });
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
      "the api server was set back to an earlier state, everything is checked again",
    );
    for (const other of found ? this.#watched : [])
      if (other !== watched && other.listed) other.distrust.abort(DISTRUSTED);
    for (const listener of this.#onRewound) listener(found);
  }

  /**
   * Removes from the store the objects that a complete list did not contain. They were deleted while nobody watched, so no
   * event will report the deletion.
   */
  #sweep(watched: NamespaceWatch): void {
    // Only objects of this watch's namespace are removed: the other namespaces have lists of their own.
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
    // Only 403 and 404 mean that the namespace is refused. Any other failure may be over in a moment, so `synced` keeps waiting
    // for the namespace.
    if (status !== 403 && status !== 404) return;
    watched.refused = true;
    this.#settle();
  }

  #settle(): void {
    if (this.#watched.every(({ listed, refused }) => listed || refused)) this.#synced.resolve();
  }

  /**
   * Stores an object, unless it is stored already. The version of a listed object proves nothing: a server that was set back to
   * a backup assigns the same versions again to other content. So a listed object is compared with the stored one.
   */
  #upsert(object: T, { listed = false } = {}): void {
    const previous = this.#store.getByKey(keyOf(object));
    const sameVersion = previous?.metadata.resourceVersion === object.metadata.resourceVersion;
    if (previous !== undefined && sameVersion && (!listed || isDeepStrictEqual(previous, object))) return;
    // The object was deleted and created again while nobody watched. Listeners must get both changes: what they remember of the
    // first object is not true of the second.
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

  /** Logs a problem once when it begins or changes, and once when it ends. */
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

/**
 * How long a watch may be silent. The API server sends a bookmark every minute, a quarter more or less, so the next bookmark is
 * overdue after 75 s.
 */
const SILENT_AFTER_MS = 100_000;
/**
 * The two reasons for which the informer aborts its own request. They are recognised by identity, so they are never confused
 * with an error of the network.
 */
const SILENT = new Error("the watch was silent for too long");
const DISTRUSTED = new Error("the api server was set back to an earlier state");
