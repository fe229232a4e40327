/**
 * Runs the reconciler of one kind: decides when each object is reconciled, and handles the result of each attempt.
 *
 *     informer ── change ──▶ queue ──▶ workers ──▶ Reconciliation (one attempt) ──▶ status, events, next attempt
 *                              ▲                                                        │
 *                              └──────────── retry, resync, "after this long" ──────────┘
 *
 * The parts together guarantee:
 * - An object is never with two workers at the same time. A change that comes during an attempt leads to another attempt
 *   afterwards.
 * - Work is done only under a term of leadership. Each term begins with an attempt for every object, because the process that
 *   led before may have left anything unfinished.
 * - Our own status write comes back as a watch event and causes no attempt.
 * - Each object is reconciled again at intervals (resync), because the outside resource behind it can change without an event.
 *
 * Start the controller, and also the informer. Stop the controller before the LeaderElector, so that no attempt is under way
 * when the Lease is released.
 *
 * https://kubernetes.io/docs/concepts/architecture/controller/
 */

import { randomBytes } from "node:crypto";
import type { Registry } from "@prometheus-io/client";
import type { Clock } from "../../clock.ts";
import { ALWAYS, LeadershipLost, type Term } from "../../leadership.ts";
import type { Log } from "../../log.ts";
import type { KubeClient } from "../client/client.ts";
import type { LeaderElector } from "../leader/leader.ts";
import { type KubeObject, keyOf, type ResourceType } from "../resource.ts";
import type { EventRecorder } from "../status/events.ts";
import type { ObjectStatus } from "../status/status-writer.ts";
import type { Change, Informer } from "../watch/informer.ts";
import { Interruption } from "./interruption.ts";
import { KubeMetrics } from "./metrics.ts";
import type { Item, QueueLane, WorkQueue } from "./queue.ts";
import { type Next, type Reconciler, Reconciliation } from "./reconciliation.ts";
import { Urgency } from "./urgency.ts";

export type { FailureLike, ReconcileContext } from "./reconciliation.ts";

/** One kind: its objects, the order in which they are reconciled, and the code that reconciles an object. */
export interface ControlledKind<T extends KubeObject> extends Reconciler<T> {
  type: ResourceType<T>;
  informer: Informer<T>;
  /**
   * The queue. `queueOf` makes it before the controller is made: the reconciler may need other parts that put keys into the
   * queue too.
   */
  queue: WorkQueue;
  finalizer?: string;
  /** Returns the part of a status that this controller owns, when another process owns the rest. Default: the whole status. */
  ownStatus?: (status: ObjectStatus) => ObjectStatus;
  /**
   * In how many milliseconds the object becomes urgent, which means that it no longer waits for anything outside. 0: it is
   * urgent now; undefined: it never will be. An urgent object goes before all others, and an attempt that began before it was
   * urgent is cut off.
   */
  urgentInMs?(object: T): number | undefined;
  /** Whether somebody changed the object while no controller was at work. Such objects go first when a controller begins. */
  changedWhileAway?(object: T): boolean;
  /**
   * How often every object is reconciled again, give or take a tenth. Absent: an object is reconciled only when its key is
   * queued.
   */
  resyncIntervalMs?: number;
  /** Called when an object has been removed from the store. */
  onGone?(object: T): void;
}

/** The things that the controllers of one process share. */
export interface ControllerRuntime {
  /** The client for all requests. Writes go through `client.whileLeading(leader)`. */
  client: KubeClient;
  /** Decides when this process leads. Absent: this process runs alone and always leads. */
  leader?: LeaderElector | undefined;
  clock: Clock;
  log: Log;
  registry: Registry;
  events: EventRecorder;
  /** This installation's name, for `status.managedBy`. */
  instance: string;
  fieldManager: string;
  /** The name of an installation whose objects are taken over. */
  takeOverFrom?: string | undefined;
  /**
   * A promise that must resolve before work begins: until then, data that reconcilers look up elsewhere is not read yet.
   * Absent: work need not wait for such data.
   */
  startAfter?: Promise<unknown>;
  random?: () => number;
}

/** The controller of one kind. */
export class Controller<T extends KubeObject> {
  readonly #kind: ControlledKind<T>;
  readonly #runtime: ControllerRuntime;
  readonly #queue: WorkQueue;
  readonly #reconciliation: Reconciliation<T>;
  readonly #metrics: KubeMetrics;
  readonly #random: () => number;
  readonly #stop = new AbortController();
  /** For each key, a function that cancels its planned resync. */
  readonly #plannedResyncs = new Map<string, () => void>();
  /** The attempts under way, by key. */
  readonly #attempts = new Map<string, Interruption>();
  readonly #urgency: Urgency<T>;
  readonly #cleanup: (() => void)[] = [];
  #workers: Promise<unknown> | undefined;
  #begun = false;

  constructor(kind: ControlledKind<T>, runtime: ControllerRuntime) {
    const { client, leader, clock, registry } = runtime;
    this.#kind = kind;
    this.#runtime = runtime;
    this.#queue = kind.queue;
    this.#random = runtime.random ?? Math.random;
    this.#urgency = new Urgency({
      clock,
      inMs: kind.urgentInMs,
      newest: (key) => kind.informer.store.getByKey(key),
      // An attempt that finalizes the object is not cut off: the finalizer checks by itself whether its time is over, and would
      // only have to begin again.
      onDue: (key) =>
        this.#attempts.get(key)?.deleting === true ? this.#queue.add(key, "urgent") : this.#hurry(key),
    });
    this.#metrics = KubeMetrics.of(registry);
    this.#metrics.countFromZero(kind.type.kind);
    this.#reconciliation = new Reconciliation(
      { ...kind, ...runtime, client: leader === undefined ? client : client.whileLeading(leader) },
      this.#metrics,
      this.#stop.signal,
    );
  }

  /**
   * Starts the controller. Work begins in the first term after the informer has synced. The informer's owner starts the
   * informer.
   */
  start(): void {
    if (this.#workers !== undefined) return;
    const { informer, type, queue } = this.#kind;
    const { leader, startAfter } = this.#runtime;
    this.#cleanup.push(
      informer.onChange((change) => this.#changed(change)),
      informer.onRewound(() => this.#rewound()),
      this.#metrics.sampleDepth(type.kind, () => this.#queue.depth),
      this.#metrics.sampleForeign(() => this.#reconciliation.foreign),
      leader?.onTerm((term) => this.#beginTerm(term)) ?? (() => {}),
    );
    if (leader === undefined) this.#beginTerm(ALWAYS);
    this.#workers = Promise.all([informer.synced, startAfter]).then(() => {
      for (const object of informer.store.list()) this.#queue.add(keyOf(object), this.#causeAtStart(object));
      return Promise.all(Array.from({ length: queue.places }, () => this.#work()));
    });
  }

  /** Stops the controller, and waits until no attempt is under way. Release the Lease only then, as attempts write. */
  async stop(): Promise<void> {
    if (this.#stop.signal.aborted) return void (await this.#settled());
    this.#stop.abort(new LeadershipLost("stopping"));
    this.#queue.close();
    for (const undo of this.#cleanup) undo();
    for (const cancel of this.#plannedResyncs.values()) cancel();
    this.#urgency.stop();
    await this.#settled();
  }

  /** Waits until the workers have ended, if they have begun. Workers begin after the first sync, which may never come. */
  async #settled(): Promise<void> {
    if (this.#begun) await this.#workers;
  }

  #beginTerm({ signal }: Term): void {
    const { store } = this.#kind.informer;
    // Every object is queued, because the process that led before may have left anything unfinished.
    for (const object of store.list()) {
      this.#queue.add(keyOf(object), this.#causeAtStart(object));
      // When the object becomes urgent can depend on when the term began, so that time is computed again.
      this.#urgency.watch(object);
    }
    // When the term is over, this process stops reporting which objects are ready, because another process does so. If two
    // processes reported, objects would be counted twice.
    signal.addEventListener(
      "abort",
      () => store.list().forEach((object) => void this.#reconciliation.unsay(object)),
      {
        once: true,
      },
    );
  }

  /**
   * The cause of an object's first attempt in a term: a change if somebody changed the object while no controller was at work,
   * else a resync.
   */
  #causeAtStart(object: T): QueueLane {
    return this.#kind.changedWhileAway?.(object) === true ? "change" : "resync";
  }

  /**
   * Reconciles every object again after the API server was set back to an earlier state. A changed object can then have the
   * same generation as the object that we knew, and so look unchanged.
   */
  #rewound(): void {
    for (const key of this.#kind.informer.store.keys()) {
      this.#reconciliation.forgetWrites(key);
      this.#queue.add(key, "resync");
    }
  }

  #changed(change: Change<T>): void {
    const { type, object, previous } = change;
    const key = keyOf(object);
    // At a start every object arrives as "added". These objects are queued as resyncs. As changes, thousands of them would go
    // before a change that a user makes now.
    const known = this.#kind.informer.knows(object.metadata.namespace ?? "");
    if (type === "added") this.#queue.add(key, known ? "change" : "resync");
    else if (type === "deleted") this.#forget(key, object);
    else if (previous === undefined || isNews(previous, object, this.#runtime.instance))
      this.#queue.add(key, "change");
    this.#interrupt(change);
  }

  /** Interrupts the attempt under way when the object was deleted, or became urgent, after the attempt had begun. */
  #interrupt({ type, object, previous }: Change<T>): void {
    const key = keyOf(object);
    if (type === "deleted" || (isDeleting(object) && !isDeleting(previous)))
      this.#attempts.get(key)?.makeWay();
    if (type === "deleted") return;
    const wasUrgent = previous !== undefined && this.#urgency.isUrgent(previous);
    if (!this.#urgency.isUrgent(object)) this.#urgency.watch(object);
    else if (!wasUrgent) this.#hurry(key);
  }

  /** Puts the object before all others. An attempt under way that does not know that the object is urgent is cut off. */
  #hurry(key: string): void {
    const attempt = this.#attempts.get(key);
    if (attempt?.isUrgent !== true) attempt?.cutOff();
    this.#queue.add(key, "urgent");
  }

  #forget(key: string, object: T): void {
    this.#queue.drop(key);
    this.#plannedResyncs.get(key)?.();
    this.#plannedResyncs.delete(key);
    this.#urgency.forget(key);
    this.#reconciliation.forget(key, object);
    this.#kind.onGone?.(object);
  }

  async #work(): Promise<void> {
    this.#begun = true;
    while (!this.#stop.signal.aborted) {
      const term = await this.#term();
      if (term === undefined) return;
      const item = await this.#queue.take();
      if (item === undefined) return;
      // The term may have ended during the wait for this key, which can be long. Then the key waits for the next term.
      if (term.remainingMs() <= 0) this.#queue.add(item.key, item.cause);
      else await this.#process(item, term);
      // The key is given back only after the attempt: until then the queue gives it to no other worker.
      this.#queue.done(item.key);
    }
  }

  /** Returns the present term of leadership, or waits for the next one; undefined when the controller stops first. */
  #term(): Promise<Term | undefined> {
    const { leader } = this.#runtime;
    if (leader === undefined) return Promise.resolve(ALWAYS);
    if (leader.term !== undefined) return Promise.resolve(leader.term);
    return new Promise((resolve) => {
      const { signal } = this.#stop;
      const onStop = () => settle(undefined);
      const settle = (term: Term | undefined) => {
        off();
        signal.removeEventListener("abort", onStop);
        resolve(term);
      };
      const off = leader.onTerm((term) => queueMicrotask(() => settle(term)));
      signal.addEventListener("abort", onStop, { once: true });
      if (signal.aborted) onStop();
    });
  }

  async #process({ key, cause }: Item, term: Term): Promise<void> {
    const { type, informer } = this.#kind;
    const { clock } = this.#runtime;
    const object = informer.store.getByKey(key);
    if (object === undefined) return;
    // The object was queued as urgent and no longer is, as can happen in a later term. It is queued as a change, because an
    // attempt that may wait must not take an urgent place.
    if (cause === "urgent" && !this.#urgency.isUrgent(object)) return this.#queue.add(key, "change");
    const { namespace, name } = object.metadata;
    const reconcileId = randomBytes(4).toString("hex");
    const log = this.#runtime.log.child({ kind: type.kind, namespace, name, reconcileId });
    const began = clock.monotonic();
    const interruption = new Interruption({ isUrgent: cause === "urgent", deleting: isDeleting(object) });
    this.#attempts.set(key, interruption);
    const work = { key, cause, object, term, log, interruption };
    const { result, next } = await this.#reconciliation.attempt(work);
    this.#attempts.delete(key);
    // The object may have been deleted during the attempt, and created again. What this process reports or remembers of the
    // former object must not stay.
    const now = informer.store.getByKey(key);
    if (now?.metadata.uid !== object.metadata.uid) this.#reconciliation.unsay(object);
    if (now === undefined) {
      this.#queue.drop(key);
      this.#reconciliation.forget(key, object);
    } else if (next !== undefined) this.#plan(now, next);
    this.#metrics.reconciles.inc({ kind: type.kind, result });
    this.#metrics.durations.observe({ kind: type.kind }, (clock.monotonic() - began) / 1000);
    if (now !== undefined && result !== "aborted" && result !== "gone" && result !== "finalized")
      this.#scheduleResync(key);
  }

  #plan(object: T, next: Next): void {
    const key = keyOf(object);
    if (next.do === "retry")
      this.#queue.retry(key, next.atLeastMs, this.#urgency.isUrgent(object) ? "urgent" : "retry");
    else this.#queue.forget(key);
    if (next.do === "after") this.#queue.addAfter(key, next.ms);
  }

  /**
   * Plans the object's next resync unless one is planned already. Resyncs have timers of their own. The queue keeps only a
   * key's earliest delay, so an object that is retried every 30 s would never be resynced.
   */
  #scheduleResync(key: string): void {
    const { resyncIntervalMs } = this.#kind;
    const { clock } = this.#runtime;
    if (resyncIntervalMs === undefined || this.#stop.signal.aborted || this.#plannedResyncs.has(key)) return;
    // The time between two resyncs varies by a tenth either way, so that objects that were created together are not always
    // resynced together.
    const ms = resyncIntervalMs * (0.9 + this.#random() / 5);
    const cancel = clock.after(ms, () => {
      this.#plannedResyncs.delete(key);
      this.#queue.add(key, "resync");
    });
    this.#plannedResyncs.set(key, cancel);
  }
}

const isDeleting = (object: KubeObject | undefined) => object?.metadata.deletionTimestamp !== undefined;

/**
 * Whether an update needs an attempt. Our own status writes also arrive as updates, and need none. A change of the spec raises
 * the generation, and a change of the status does not. Labels and annotations do not raise it either, so they are compared. Of
 * the status only `managedBy` matters: its change means that another installation has given up the object, or has taken it.
 */
function isNews(before: KubeObject, after: KubeObject, instance: string): boolean {
  const [a, b] = [before.metadata, after.metadata];
  const manager = ({ status }: KubeObject) => (status as ObjectStatus | undefined)?.managedBy;
  return (
    a.uid !== b.uid ||
    a.generation !== b.generation ||
    a.deletionTimestamp !== b.deletionTimestamp ||
    (manager(before) !== manager(after) && manager(after) !== instance) ||
    !sameText(a.annotations, b.annotations) ||
    !sameText(a.labels, b.labels)
  );
}

function sameText(a: Record<string, string> = {}, b: Record<string, string> = {}): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
