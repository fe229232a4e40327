import { randomBytes } from "node:crypto";
import type { Registry } from "@prometheus-io/client";
import type { Clock } from "../clock.ts";
import { ALWAYS, LeadershipLost, type Term } from "../leadership.ts";
import type { Log } from "../log.ts";
import type { KubeClient } from "./client.ts";
import type { EventRecorder } from "./events.ts";
import type { Change, Informer } from "./informer.ts";
import { Interruption } from "./interruption.ts";
import type { LeaderElector } from "./leader.ts";
import { KubeMetrics } from "./metrics.ts";
import type { Item, QueueLane, WorkQueue } from "./queue.ts";
import { type Next, type Reconciler, Reconciliation } from "./reconciliation.ts";
import { type KubeObject, keyOf, type ResourceType } from "./resource.ts";
import type { ObjectStatus } from "./status-writer.ts";
import { Urgency } from "./urgency.ts";

export type { FailureLike, FinalizeResult, ReconcileContext } from "./reconciliation.ts";

/** One kind: what of it is seen, in which order it is worked on, and what is done about each object. */
export interface ControlledKind<T extends KubeObject> extends Reconciler<T> {
  type: ResourceType<T>;
  informer: Informer<T>;
  /** Made by `queueOf`, before the controller: others put keys into it, too, and what they need may need the queue. */
  queue: WorkQueue;
  finalizer?: string;
  /** What of a status this controller owns, where another process owns part of it; default all. */
  ownStatus?: (status: ObjectStatus) => ObjectStatus;
  /**
   * In how many milliseconds the object can wait for nothing outside any more, 0 for now; undefined: never. From then on it
   * goes before all others, and an attempt under way that knows nothing of this is cut off.
   */
  urgentInMs?(object: T): number | undefined;
  /** Somebody changed what belongs to the object while no controller was at work: it goes first when one begins. */
  changedWhileAway?(object: T): boolean;
  /** Every object is looked at again this often, jittered by a fifth; absent: only who puts its key into the queue does so. */
  resyncIntervalMs?: number;
  /** Called when an object is gone from the store. */
  onGone?(object: T): void;
}

/** What the controllers of one process share. */
export interface ControllerRuntime {
  /** Writes go through `client.whileLeading(leader)`. */
  client: KubeClient;
  /** Without one this process is taken to lead always. */
  leader?: LeaderElector | undefined;
  clock: Clock;
  log: Log;
  registry: Registry;
  events: EventRecorder;
  /** This installation's name, for `status.managedBy`. */
  instance: string;
  fieldManager: string;
  /** An installation whose objects are taken over. */
  takeOverFrom?: string | undefined;
  /** Work begins after this too: when what reconcilers look up elsewhere is there. */
  startAfter?: Promise<unknown>;
  random?: () => number;
}

/** Runs a kind's reconciler: which object is looked at when, by whom, and what becomes of its answer. */
export class Controller<T extends KubeObject> {
  readonly #kind: ControlledKind<T>;
  readonly #runtime: ControllerRuntime;
  readonly #queue: WorkQueue;
  readonly #reconciliation: Reconciliation<T>;
  readonly #metrics: KubeMetrics;
  readonly #random: () => number;
  readonly #stop = new AbortController();
  readonly #resyncAt = new Map<string, { at: number; cancel: () => void }>();
  /** Attempts under way, by key. */
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
      // A finalizer knows when its own time is over, and ends by itself.
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

  /** Works from the first term after the informer has everything; the informer is started by whoever owns it. */
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

  /** Resolves when no reconcile is under way. The Lease must be released after this, not before. */
  async stop(): Promise<void> {
    if (this.#stop.signal.aborted) return void (await this.#settled());
    this.#stop.abort(new LeadershipLost("stopping"));
    this.#queue.close();
    for (const undo of this.#cleanup) undo();
    for (const { cancel } of this.#resyncAt.values()) cancel();
    this.#urgency.stop();
    await this.#settled();
  }

  /** Workers begin only after the first sync, which may never come: then there is nothing to wait for. */
  async #settled(): Promise<void> {
    if (this.#begun) await this.#workers;
  }

  #beginTerm({ signal }: Term): void {
    const { store } = this.#kind.informer;
    // Whoever led before may have left anything unfinished.
    for (const object of store.list()) {
      this.#queue.add(keyOf(object), this.#causeAtStart(object));
      // How long it may wait can depend on when the term began.
      this.#urgency.watch(object);
    }
    // What is ready is then another process's to say.
    signal.addEventListener(
      "abort",
      () => store.list().forEach((object) => void this.#reconciliation.unsay(object)),
      {
        once: true,
      },
    );
  }

  #causeAtStart(object: T): QueueLane {
    return this.#kind.changedWhileAway?.(object) === true ? "change" : "resync";
  }

  /** The server's state is an earlier one than what was seen: every object may be another than a comparison would show. */
  #rewound(): void {
    for (const key of this.#kind.informer.store.keys()) {
      this.#reconciliation.forgetWrites(key);
      this.#queue.add(key, "resync");
    }
  }

  #changed(change: Change<T>): void {
    const { type, object, previous } = change;
    const key = keyOf(object);
    // At a start everything is new to us but not to the world: a user's change must not stand in line behind it.
    const known = this.#kind.informer.knows(object.metadata.namespace ?? "");
    if (type === "added") this.#queue.add(key, known ? "change" : "resync");
    else if (type === "deleted") this.#forget(key, object);
    else if (previous === undefined || isNews(previous, object, this.#runtime.instance))
      this.#queue.add(key, "change");
    this.#interrupt(change);
  }

  /** The attempt under way on an object was begun for what the object was then. */
  #interrupt({ type, object, previous }: Change<T>): void {
    const key = keyOf(object);
    if (type === "deleted" || (isDeleting(object) && !isDeleting(previous)))
      this.#attempts.get(key)?.makeWay();
    if (type === "deleted") return;
    const wasUrgent = previous !== undefined && this.#urgency.isUrgent(previous);
    if (!this.#urgency.isUrgent(object)) this.#urgency.watch(object);
    else if (!wasUrgent) this.#hurry(key);
  }

  /** Nothing that waits may come before it, and the attempt under way began without knowing that. */
  #hurry(key: string): void {
    const attempt = this.#attempts.get(key);
    if (attempt?.isUrgent !== true) attempt?.cutOff();
    this.#queue.add(key, "urgent");
  }

  #forget(key: string, object: T): void {
    this.#queue.drop(key);
    this.#resyncAt.get(key)?.cancel();
    this.#resyncAt.delete(key);
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
      // Between the take and now, or while the queue was empty, the term may have ended: the key waits for the next.
      if (term.remainingMs() <= 0) this.#queue.add(item.key, item.cause);
      else await this.#process(item, term);
      this.#queue.done(item.key);
    }
  }

  /** The term under way, or the next one; undefined when the controller stops first. */
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
    // It was urgent in an earlier term, say: places for what waits for nothing must not be held by what does.
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
    // Deleted while it was looked at: nothing may be left of it, and nothing planned.
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

  /** Apart from the queue's own delays, of which only the earliest is kept: retries must not push resyncs away. */
  #scheduleResync(key: string): void {
    const { resyncIntervalMs } = this.#kind;
    const { clock } = this.#runtime;
    if (resyncIntervalMs === undefined || this.#stop.signal.aborted || this.#resyncAt.has(key)) return;
    const ms = resyncIntervalMs * (0.9 + this.#random() / 5);
    const cancel = clock.after(ms, () => {
      this.#resyncAt.delete(key);
      this.#queue.add(key, "resync");
    });
    this.#resyncAt.set(key, { at: clock.monotonic() + ms, cancel });
  }
}

const isDeleting = (object: KubeObject | undefined) => object?.metadata.deletionTimestamp !== undefined;

/** Our own status writes come back as updates, and would wake us for nothing. */
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
