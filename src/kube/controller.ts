import { randomBytes } from "node:crypto";
import type { Registry } from "@prometheus-io/client";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { KubeClient } from "./client.ts";
import { KubeError } from "./client.ts";
import { conditionOf } from "./conditions.ts";
import type { EventRecorder } from "./events.ts";
import { addFinalizer, removeFinalizer } from "./finalizer.ts";
import type { Change, Informer } from "./informer.ts";
import { type LeaderElector, LeadershipLost, type Term } from "./leader.ts";
import { KubeMetrics } from "./metrics.ts";
import { type Cause, type Item, type Lane, WorkQueue } from "./queue.ts";
import { type KubeObject, keyOf, type ResourceType } from "./resource.ts";
import { type Status, StatusWriter, type Written } from "./status-writer.ts";
import {
  type EventNote,
  type Outcome,
  type ReasonClass,
  type Summary,
  summarise,
  type Verdict,
} from "./summarise.ts";

export interface ReconcileContext<T extends KubeObject> {
  /** As the store has it, with the status as it was last written. Not to be changed. */
  object: T;
  lane: Lane;
  /** Aborts when leadership is lost or the controller stops. */
  signal: AbortSignal;
  /** Bound to kind, namespace, name and this reconcile. */
  log: Log;
  deleting: boolean;
  /** Puts the finalizer on the object unless it is there: before the first change outside of the cluster. */
  ensureFinalizer(): Promise<void>;
  /** How long nobody else can lead for certain: no outside call starts with less than its own time-out. */
  remainingLeaseMs(): number;
}

export interface ControllerOptions<T extends KubeObject> {
  type: ResourceType<T>;
  client: KubeClient;
  informer: Informer<T>;
  clock: Clock;
  log: Log;
  registry: Registry;
  events: EventRecorder;
  /** This release's name, for `status.managedBy`. */
  instance: string;
  fieldManager: string;
  finalizer?: string;
  /** A release whose objects are taken over. */
  takeOverFrom?: string | undefined;
  /** Without one this process is taken to lead always. */
  leader?: LeaderElector | undefined;
  /** Objects worked on at a time. Default 8. */
  workers?: number;
  /** Every object is looked at again this often, jittered by a fifth; absent: only who calls `enqueue` does so. */
  resyncIntervalMs?: number;
  queue?: { backoffMs?: number; maxBackoffMs?: number; changesPerResync?: number };
  random?: () => number;
  /** What of a status this controller owns, where another process owns part of it; default all. */
  ownStatus?: (status: Status) => Status;
  /** The status of an object that has none yet, written before its first reconcile. */
  firstSight(object: T): { verdicts: readonly Verdict[]; status?: Record<string, unknown> };
  reconcile(ctx: ReconcileContext<T>): Promise<Outcome>;
  /** Undoes what was done outside. Absent: nothing is to be undone. */
  finalize?(ctx: ReconcileContext<T>): Promise<Finalized>;
  /** All verdicts when a reconcile threw an error with a reason and a class. */
  onFailure(object: T, error: FailureLike): readonly Verdict[];
  /** Called when an object is gone from the store. */
  onGone?(object: T): void;
}

/** `done` lets the object go; an Outcome is written as status, and finalize is called again. */
export type Finalized = { done: true; events?: readonly EventNote[] } | Outcome;

/** Any error that says publicly what failed; all others are bugs. */
export interface FailureLike extends Error {
  reason: string;
  class: ReasonClass;
  retryAfterMs?: number | undefined;
}

/** What a reader of the status gets to know of a bug; the rest is in the log. */
const BUG = {
  reason: "InternalError",
  message: "the operator failed unexpectedly; its log has the details, and it tries again",
} as const;

type Result =
  | "unchanged"
  | "changed"
  | "retry"
  | "failed"
  | "bug"
  | "foreign"
  | "finalized"
  | "gone"
  | "aborted";

/** Runs a kind's reconciler: which object is looked at when, by whom, and what becomes of its answer. */
export class Controller<T extends KubeObject> {
  readonly #options: ControllerOptions<T>;
  readonly #queue: WorkQueue;
  readonly #status: StatusWriter<T>;
  readonly #metrics: KubeMetrics;
  readonly #random: () => number;
  readonly #stop = new AbortController();
  /** Foreign objects' keys by the uid that was told about. */
  readonly #foreign = new Map<string, string>();
  /** Resyncs in a row that could not look at an outside system. */
  readonly #blind = new Map<string, number>();
  readonly #resyncAt = new Map<string, { at: number; cancel: () => void }>();
  readonly #cleanup: (() => void)[] = [];
  #workers: Promise<unknown> | undefined;
  #begun = false;

  constructor(options: ControllerOptions<T>) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#queue = new WorkQueue({ clock: options.clock, random: this.#random, ...options.queue });
    this.#status = new StatusWriter(options);
    this.#metrics = KubeMetrics.of(options.registry);
  }

  /** Asks for a look at the object of this key (`namespace/name`). */
  enqueue(key: string, lane: Lane = "change"): void {
    this.#queue.add(key, lane);
  }
  enqueueAfter(key: string, ms: number): void {
    this.#queue.addAfter(key, ms);
  }

  /** Works from the first term after the informer has everything; the informer is started by whoever owns it. */
  start(): void {
    if (this.#workers !== undefined) return;
    const { informer, leader, type, workers = 8 } = this.#options;
    this.#cleanup.push(
      informer.onChange((change) => this.#changed(change)),
      this.#metrics.sampleDepth(type.kind, () => this.#queue.depth),
      this.#metrics.sampleForeign(() => this.#foreign.size),
      leader?.onTerm((term) => this.#beginTerm(term)) ?? (() => {}),
    );
    if (leader === undefined) this.#beginTerm(ALWAYS);
    this.#workers = informer.synced.then(() =>
      Promise.all(Array.from({ length: workers }, () => this.#work())),
    );
  }

  /** Resolves when no reconcile is under way. The Lease must be released after this, not before. */
  async stop(): Promise<void> {
    if (this.#stop.signal.aborted) return void (await this.#settled());
    this.#stop.abort(new LeadershipLost("stopping"));
    this.#queue.close();
    for (const undo of this.#cleanup) undo();
    for (const { cancel } of this.#resyncAt.values()) cancel();
    await this.#settled();
  }

  /** Workers begin only after the first sync, which may never come: then there is nothing to wait for. */
  async #settled(): Promise<void> {
    if (this.#begun) await this.#workers;
  }

  #beginTerm({ signal }: Term): void {
    const { store } = this.#options.informer;
    // Whoever led before may have left anything unfinished.
    for (const key of store.keys()) this.#queue.add(key, "resync");
    // What is ready is then another process's to say.
    signal.addEventListener("abort", () => store.list().forEach((object) => void this.#unsay(object)), {
      once: true,
    });
  }

  #unsay({ metadata: { namespace = "", name } }: T): void {
    this.#metrics.objectReady.remove({ kind: this.#options.type.kind, namespace, name });
  }

  #changed({ type, object, previous }: Change<T>): void {
    const key = keyOf(object);
    // At a start everything is new to us but not to the world: a user's change must not stand in line behind it.
    if (type === "added") this.#queue.add(key, this.#options.informer.hasSynced ? "change" : "resync");
    else if (type === "deleted") this.#forget(key, object);
    else if (previous === undefined || isNews(previous, object, this.#options.instance))
      this.#queue.add(key, "change");
  }

  #forget(key: string, object: T): void {
    this.#queue.drop(key);
    this.#status.forget(key);
    this.#foreign.delete(key);
    this.#blind.delete(key);
    this.#resyncAt.get(key)?.cancel();
    this.#resyncAt.delete(key);
    this.#unsay(object);
    this.#options.onGone?.(object);
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
    const { leader } = this.#options;
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
    const { type, clock, informer } = this.#options;
    const object = informer.store.getByKey(key);
    if (object === undefined) return;
    const { namespace, name } = object.metadata;
    const reconcileId = randomBytes(4).toString("hex");
    const log = this.#options.log.child({ kind: type.kind, namespace, name, reconcileId });
    const began = clock.monotonic();
    const result = await this.#attempt({ key, cause, object, term, log });
    this.#metrics.reconciles.inc({ kind: type.kind, result });
    this.#metrics.durations.observe({ kind: type.kind }, (clock.monotonic() - began) / 1000);
    if (result !== "aborted" && result !== "gone" && result !== "finalized") this.#scheduleResync(key);
  }

  /** Whatever goes wrong stays with this one object. */
  async #attempt(work: Work<T>): Promise<Result> {
    const signal = AbortSignal.any([work.term.signal, this.#stop.signal]);
    try {
      return await this.#reconcile(work, signal);
    } catch (error) {
      if (signal.aborted || error instanceof LeadershipLost) {
        // The term may go on once the Lease is renewed, and then nobody else would look at this object soon.
        if (!this.#stop.signal.aborted) this.#queue.retry(work.key);
        return "aborted";
      }
      if (error instanceof KubeError) {
        work.log.warn({ err: error }, "kubernetes api call failed, will retry");
        this.#queue.retry(work.key, error.retryAfterMs);
        return "retry";
      }
      work.log.error({ err: error }, "bug in the controller runtime or in a status");
      this.#queue.retry(work.key);
      return "bug";
    }
  }

  async #reconcile(work: Work<T>, signal: AbortSignal): Promise<Result> {
    const { object, key } = work;
    if (this.#status.isForeign(object)) return this.#leaveAlone(work);
    this.#foreign.delete(key);
    const deleting = object.metadata.deletionTimestamp !== undefined;
    if (deleting) return await this.#finalize(work, signal);
    if (!(await this.#greet(work, signal))) return this.#leaveAlone(work);
    const { outcome, bug } = await this.#outcomeOf(work, signal, (ctx) => this.#options.reconcile(ctx));
    return bug ? this.#conclude(work, outcome, signal, "bug") : this.#conclude(work, outcome, signal);
  }

  /** First sight: all conditions and whose object it is, before anything else is done. False: it is another release's. */
  async #greet(work: Work<T>, signal: AbortSignal): Promise<boolean> {
    const { instance, firstSight } = this.#options;
    const previousStatus = this.#status.previous(work.object);
    if (previousStatus?.managedBy === instance && conditionOf(previousStatus, "Ready") !== undefined)
      return true;
    const first = firstSight(work.object);
    const outcome: Outcome = takenOver(previousStatus) ? { verdicts: verdictsOf(previousStatus) } : first;
    const summary = this.#summarise(work, outcome, previousStatus);
    return (await this.#write(work, summary.status, signal)) !== "foreign";
  }

  async #finalize(work: Work<T>, signal: AbortSignal): Promise<Result> {
    const { object, log } = work;
    const { finalizer, client, type, finalize, events } = this.#options;
    if (finalizer === undefined || !(object.metadata.finalizers ?? []).includes(finalizer))
      return "unchanged";
    let done: Finalized = { done: true };
    if (finalize !== undefined) {
      const { outcome, bug } = await this.#outcomeOf(work, signal, finalize);
      if (bug) return this.#conclude(work, outcome, signal, "bug");
      done = outcome;
    }
    if (!("done" in done)) {
      const result = await this.#conclude(work, done, signal, "retry");
      // Whatever keeps a finalizer from its end, it is tried again: only it can let the object go.
      this.#queue.retry(work.key);
      return result;
    }
    this.#assertTime(work.term);
    for (const note of done.events ?? []) events.record(object, note);
    // As the store has it, which showed our finalizer a moment ago: the answer to our last write may be from before it was there.
    await removeFinalizer({ client, type, finalizer, object }, signal);
    log.info("finalized");
    return "finalized";
  }

  /** Runs `run`; what it throws with a public reason is an outcome like any other, and a bug is a poor one. */
  async #outcomeOf<R extends object>(
    work: Work<T>,
    signal: AbortSignal,
    run: (ctx: ReconcileContext<T>) => Promise<R>,
  ): Promise<{ outcome: R | Outcome; bug: false } | { outcome: Outcome; bug: true }> {
    const { object, log } = work;
    try {
      return { outcome: await run(this.#context(work, signal)), bug: false };
    } catch (error) {
      // The API server's trouble is no verdict about the object, and neither is our own end.
      if (signal.aborted || error instanceof KubeError || error instanceof LeadershipLost) throw error;
      if (isFailure(error)) {
        const { reason, message, retryAfterMs } = error;
        const failure = { reason, message, class: error.class, retryAfterMs };
        const verdicts = this.#options.onFailure(this.#current(object), error);
        return { outcome: { verdicts, failure }, bug: false };
      }
      log.error({ err: error }, "bug in a reconcile");
      return { outcome: bugOutcome(this.#status.previous(object)), bug: true };
    }
  }

  /** With the status that we wrote last, even while the watch has not brought it back: reconcilers carry fields over from it. */
  #current(object: T): T {
    const status = this.#status.previous(object);
    return status === object.status ? object : { ...object, status };
  }

  #context(work: Work<T>, signal: AbortSignal): ReconcileContext<T> {
    const { object, term, log, cause } = work;
    const { client, type, finalizer } = this.#options;
    let ensured = finalizer === undefined || (object.metadata.finalizers ?? []).includes(finalizer);
    return {
      object: this.#current(object),
      lane: cause === "change" ? "change" : "resync",
      signal,
      log,
      deleting: object.metadata.deletionTimestamp !== undefined,
      ensureFinalizer: async () => {
        if (ensured) return;
        this.#assertTime(term);
        await addFinalizer(
          { client, type, finalizer: finalizer!, object: this.#status.withVersion(object) },
          signal,
        );
        ensured = true;
      },
      remainingLeaseMs: () => term.remainingMs(),
    };
  }

  /** Writes what came out, tells it, and plans the next look. */
  async #conclude(work: Work<T>, outcome: Outcome, signal: AbortSignal, as?: Result): Promise<Result> {
    signal.throwIfAborted();
    const { object, key, log } = work;
    this.#countBlind(work, outcome);
    const summary = this.#summarise(work, outcome, this.#status.previous(object));
    const written = await this.#write(work, summary.status, signal);
    if (written === "foreign") return this.#leaveAlone(work);
    if (written === "gone") return "gone";
    const { level, line, reason } = summary.log;
    log[level]({ reason, changed: written === "written" }, line);
    for (const note of summary.events) this.#options.events.record(object, note);
    const { namespace = "", name } = object.metadata;
    this.#metrics.objectReady.set({ kind: object.kind, namespace, name }, summary.ready === "True" ? 1 : 0);
    this.#plan(key, summary.retry);
    if (as !== undefined) return as;
    if (summary.retry.do === "backoff") return "failed";
    return written === "written" ? "changed" : "unchanged";
  }

  #summarise(work: Work<T>, outcome: Outcome, previousStatus: Status | undefined): Summary {
    return summarise({
      object: work.object,
      outcome,
      previousStatus,
      failuresInARow: this.#blind.get(work.key) ?? 0,
      managedBy: this.#options.instance,
      now: this.#options.clock.now(),
    });
  }

  #write(work: Work<T>, status: Record<string, unknown>, signal: AbortSignal): Promise<Written> {
    this.#assertTime(work.term);
    return this.#status.write(work.object, status, signal);
  }

  /** Only resyncs count: tries after a failure come within seconds and would use up the patience at once. */
  #countBlind({ key, cause }: Work<T>, { unobserved, failure }: Outcome): void {
    if (unobserved === undefined && failure?.class !== "transient") this.#blind.delete(key);
    else if (cause === "resync") this.#blind.set(key, (this.#blind.get(key) ?? 0) + 1);
  }

  #plan(key: string, retry: Summary["retry"]): void {
    if (retry.do === "backoff") {
      this.#queue.retry(key, retry.atLeastMs);
      return;
    }
    this.#queue.forget(key);
    if (retry.do === "after") this.#queue.addAfter(key, retry.ms);
  }

  /** Apart from the queue's own delays, of which only the earliest is kept: retries must not push resyncs away. */
  #scheduleResync(key: string): void {
    const { resyncIntervalMs, clock } = this.#options;
    if (resyncIntervalMs === undefined || this.#stop.signal.aborted || this.#resyncAt.has(key)) return;
    const ms = resyncIntervalMs * (0.9 + this.#random() / 5);
    const cancel = clock.after(ms, () => {
      this.#resyncAt.delete(key);
      this.#queue.add(key, "resync");
    });
    this.#resyncAt.set(key, { at: clock.monotonic() + ms, cancel });
  }

  #leaveAlone({ key, object, log }: Work<T>): Result {
    const uid = object.metadata.uid ?? "";
    if (this.#foreign.get(key) === uid) return "foreign";
    this.#foreign.set(key, uid);
    this.#unsay(object);
    const managedBy = (object.status as Status | undefined)?.managedBy;
    log.warn({ managedBy }, "managed by another release, left alone");
    this.#options.events.record(object, {
      type: "Warning",
      reason: "ManagedByAnotherRelease",
      message: `${this.#options.instance} leaves this object alone: ${managedBy ?? "another release"} manages it`,
    });
    return "foreign";
  }

  #assertTime(term: Term): void {
    term.assertTime(this.#options.client.requestTimeoutMs);
  }
}

interface Work<T extends KubeObject> {
  key: string;
  cause: Cause;
  object: T;
  term: Term;
  log: Log;
}

const ALWAYS: Term = {
  signal: new AbortController().signal,
  remainingMs: () => Number.POSITIVE_INFINITY,
  assertTime: () => {},
};

/** Our own status writes come back as updates, and would wake us for nothing. */
function isNews(before: KubeObject, after: KubeObject, instance: string): boolean {
  const [a, b] = [before.metadata, after.metadata];
  const manager = ({ status }: KubeObject) => (status as Status | undefined)?.managedBy;
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

function isFailure(error: unknown): error is FailureLike {
  const { reason, class: kind } = error as Partial<FailureLike>;
  return error instanceof Error && typeof reason === "string" && typeof kind === "string";
}

const takenOver = (status: Status | undefined): status is Status =>
  conditionOf(status, "Ready") !== undefined;

/** The named conditions as they stand; what the runtime adds by itself is not among them. */
function verdictsOf(status: Status | undefined): Verdict[] {
  const named = (status?.conditions ?? []).filter(({ type }) => type !== "Reconciling" && type !== "Stalled");
  return named.map(({ type, status, reason, message }) => ({
    type,
    status,
    reason,
    message,
    class: classBy(status),
  }));
}

const classBy = (status: string): ReasonClass => (status === "True" ? "good" : "waiting");

function bugOutcome(previous: Status | undefined): Outcome {
  const ready: Verdict = { type: "Ready", status: "False", ...BUG, class: "transient" };
  const others = verdictsOf(previous).filter(({ type }) => type !== "Ready");
  return { verdicts: [...others, ready], failure: { ...BUG, class: "transient" } };
}
