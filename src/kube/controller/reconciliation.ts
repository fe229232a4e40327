/**
 * One attempt to reconcile one object, from its first status to the removal of its finalizer.
 *
 * An attempt has these steps:
 * 1. An object that another installation manages is left alone.
 * 2. An object that is being deleted is finalized: the kind's code undoes its changes outside, and then our finalizer is
 * removed, and with it the object. Nothing is written after that.
 * 3. An object without a status of ours gets one before anything else is done. The status shows that a controller is at work,
 * and its `managedBy` keeps other installations away from the object.
 * 4. The kind's code returns its verdicts, and they are written as status, in one write.
 *
 * The client begins no write without enough time left of the Lease (`KubeClient.whileLeading`). A process that no longer leads
 * must not write, and no write may still be under way when another process leads.
 *
 * An attempt is level-triggered: it acts on what the object is and not on what happened to it, and a second attempt changes
 * nothing. So a failed attempt needs no cleaning up, only another attempt.
 *
 * https://kubernetes.io/docs/concepts/architecture/controller/
 */

import type { Clock } from "../../clock.ts";
import { LeadershipLost, type Term } from "../../leadership.ts";
import type { Log } from "../../log.ts";
import { type KubeClient, KubeError } from "../client/client.ts";
import type { KubeObject, ResourceType } from "../resource.ts";
import { conditionOf } from "../status/conditions.ts";
import type { EventRecorder } from "../status/events.ts";
import { type ObjectStatus, StatusWriter, type WriteResult } from "../status/status-writer.ts";
import {
  type EventNote,
  type Outcome,
  type ReasonClass,
  type Summary,
  summarise,
  type Verdict,
} from "../status/summarise.ts";
import { addFinalizer, ObjectGone, removeFinalizer } from "./finalizer.ts";
import { Interrupted, type Interruption } from "./interruption.ts";
import type { KubeMetrics, ReconcileResult } from "./metrics.ts";
import type { Cause, QueueLane } from "./queue.ts";
import { Recent } from "./recent.ts";

/** The input of the kind's own code, for one attempt. */
export interface ReconcileContext<T extends KubeObject> {
  /** The object as the store has it, with the status that we wrote last. It is frozen. */
  object: T;
  lane: QueueLane;
  /** Why the object is reconciled. */
  cause: Cause;
  /** Aborts when leadership is lost, the controller stops, or the object has become urgent. */
  signal: AbortSignal;
  /**
   * Aborts with `signal`, and also when the object is deleted. Pass `patience` to code that only reads or waits, and `signal`
   * to code that makes a change outside. A change that was sent should be waited for, or it may take effect after the changes
   * that the deletion makes.
   */
  patience: AbortSignal;
  /** A log that adds kind, namespace, name and this attempt's id to each line. */
  log: Log;
  deleting: boolean;
  /** Puts the finalizer on the object unless it is there. Call it before the first change outside the cluster. */
  ensureFinalizer(): Promise<void>;
}

/** A kind's own code. The runtime decides when to call it, writes the status, and records events. */
export interface Reconciler<T extends KubeObject> {
  /** Returns the status for an object that has none yet. It is written before the first reconcile. */
  firstSight(object: T): { verdicts: readonly Verdict[]; status?: Record<string, unknown> };
  reconcile(ctx: ReconcileContext<T>): Promise<Outcome>;
  /** Undoes the changes outside when the object is deleted. Absent: there is nothing to undo. */
  finalize?(ctx: ReconcileContext<T>): Promise<FinalizeResult>;
  /** Returns the verdicts for all conditions after a reconcile threw an error that has a reason and a class. */
  onFailure(object: T, error: FailureLike): readonly Verdict[];
}

export interface ReconciliationOptions<T extends KubeObject> extends Reconciler<T> {
  type: ResourceType<T>;
  client: KubeClient;
  clock: Clock;
  log: Log;
  events: EventRecorder;
  /** This installation's name, for `status.managedBy`. */
  instance: string;
  fieldManager: string;
  finalizer?: string;
  /** The name of an installation whose objects are taken over. */
  takeOverFrom?: string | undefined;
  /** Returns the part of a status that this controller owns, when another process owns the rest. Default: the whole status. */
  ownStatus?: (status: ObjectStatus) => ObjectStatus;
}

/**
 * `done`: the finalizer is removed. An Outcome says what the deletion waits for: it becomes the status, and finalize is called
 * again.
 */
export type FinalizeResult = { done: true; events?: readonly EventNote[] } | Outcome;

/** An error that says in public words what failed. Every other error that is thrown counts as a bug. */
export interface FailureLike extends Error {
  reason: string;
  class: ReasonClass;
  retryAfterMs?: number | undefined;
}

/**
 * All that the status says about a bug. The error's own text is left out: it could hold a credential, and many people can read
 * a status.
 */
const BUG = {
  reason: "InternalError",
  message: "the operator failed unexpectedly; its log has the details, and it tries again",
} as const;

/** When the object is reconciled again: after a growing delay (`retry`), after `ms` (`after`), or on a change (`wait`). */
export type Next =
  | { do: "retry"; atLeastMs?: number | undefined }
  | { do: "after"; ms: number }
  | { do: "wait" };

/** How an attempt ended, for the metrics and the queue. */
export interface AttemptEnd {
  result: ReconcileResult;
  /**
   * What to plan for the object. Absent: nothing is planned and no plan is changed, because the object is gone or already in
   * line.
   */
  next?: Next;
}

/** The object to reconcile, the term of leadership under which this is done, and the object's interruption. */
export interface AttemptInput<T extends KubeObject> {
  key: string;
  cause: Cause;
  object: T;
  term: Term;
  log: Log;
  interruption: Interruption;
}

/** Makes the attempts of one kind. It does not know the queue: its result says when to reconcile again. */
export class Reconciliation<T extends KubeObject> {
  readonly #options: ReconciliationOptions<T>;
  readonly #status: StatusWriter<T>;
  readonly #metrics: KubeMetrics;
  readonly #stopping: AbortSignal;
  /** The uid, by key, of each object that another installation manages, so that each object is reported once. */
  readonly #foreign = new Map<string, string>();
  /** The uids of objects whose finalizer this process removed; the store may still show these finalizers. */
  readonly #finalized: Recent<string | undefined>;
  /**
   * For each key, how many resyncs in a row could not read from the outside system. The counts are kept in memory only, so a
   * new leader starts at 0.
   */
  readonly #blind = new Map<string, number>();

  constructor(options: ReconciliationOptions<T>, metrics: KubeMetrics, stopping: AbortSignal) {
    this.#options = options;
    this.#status = new StatusWriter(options);
    this.#metrics = metrics;
    this.#stopping = stopping;
    this.#finalized = new Recent(options.clock);
  }

  /** The number of objects that another installation manages. */
  get foreign(): number {
    return this.#foreign.size;
  }

  /**
   * Forgets what this process wrote a moment ago. After a restore from a backup, those writes may never have happened.
   */
  forgetWrites(key: string): void {
    this.#status.forget(key);
    this.#finalized.delete(key);
  }

  /** Forgets everything about an object that is gone. */
  forget(key: string, object: T): void {
    this.#status.forget(key);
    this.#foreign.delete(key);
    this.#blind.delete(key);
    this.#finalized.delete(key);
    this.unsay(object);
  }

  /**
   * Removes the object's `smschannel_object_ready`. This process no longer knows the value, and a stale value would look
   * current.
   */
  unsay({ metadata: { namespace = "", name } }: T): void {
    this.#metrics.objectReady.remove({ kind: this.#options.type.kind, namespace, name });
  }

  /** Makes one attempt. Never throws: a failure with this object must not stop the worker that other objects wait for. */
  async attempt(work: AttemptInput<T>): Promise<AttemptEnd> {
    const signal = AbortSignal.any([work.term.signal, this.#stopping, work.interruption.isCutOff]);
    try {
      return await this.#reconcile(work, signal);
    } catch (error) {
      if (error instanceof Interrupted && work.interruption.hasBegun) return { result: "aborted" };
      if (signal.aborted || error instanceof LeadershipLost)
        // The object is retried even after a loss of leadership. When the Lease can be renewed after all, the term goes on, and
        // nothing else would soon bring the object back.
        return this.#stopping.aborted ? { result: "aborted" } : { result: "aborted", next: { do: "retry" } };
      if (error instanceof ObjectGone) return { result: "gone" };
      if (error instanceof KubeError) {
        work.log.warn({ err: error }, "kubernetes api call failed, will retry");
        return { result: "retry", next: { do: "retry", atLeastMs: error.retryAfterMs } };
      }
      // The attempt waited for work that it shared with another attempt, and that other attempt was interrupted. Nobody has
      // queued this attempt's object, so it is retried.
      if (error instanceof Interrupted) return { result: "aborted", next: { do: "retry" } };
      work.log.error({ err: error }, "bug in the controller runtime or in a status");
      return { result: "bug", next: { do: "retry" } };
    }
  }

  async #reconcile(work: AttemptInput<T>, signal: AbortSignal): Promise<AttemptEnd> {
    const { object, key } = work;
    if (this.#status.isForeign(object)) return this.#leaveAlone(work);
    this.#foreign.delete(key);
    if (object.metadata.deletionTimestamp !== undefined) return await this.#finalize(work, signal);
    const greeted = await this.#greet(work, signal);
    if (greeted === "foreign") return this.#leaveAlone(work);
    if (greeted === "gone") return { result: "gone" };
    const { outcome, bug } = await this.#outcomeOf(work, (ctx) => this.#options.reconcile(ctx), signal);
    return await this.#conclude(work, outcome, bug ? { as: "bug" } : {}, signal);
  }

  /**
   * Writes the first status of an object, with all conditions and `managedBy`, unless they are there. An object that is taken
   * over keeps the conditions that the former installation wrote, because nothing has been checked yet.
   */
  async #greet(work: AttemptInput<T>, signal: AbortSignal): Promise<WriteResult> {
    const { instance, firstSight } = this.#options;
    const previousStatus = this.#status.previous(work.object);
    if (previousStatus?.managedBy === instance && conditionOf(previousStatus, "Ready") !== undefined)
      return "unchanged";
    const isTakenOver = takenOver(previousStatus);
    const outcome = isTakenOver ? { verdicts: verdictsOf(previousStatus) } : firstSight(work.object);
    const summary = this.#summarise(work, outcome, previousStatus);
    const written = await this.#write(work, summary.status, signal);
    if (isTakenOver && written === "written") await this.#status.endFormer(work.object, signal);
    return written;
  }

  async #finalize(work: AttemptInput<T>, signal: AbortSignal): Promise<AttemptEnd> {
    const { object, log } = work;
    const { finalizer, client, type, finalize, events } = this.#options;
    if (finalizer === undefined || !(object.metadata.finalizers ?? []).includes(finalizer))
      return { result: "unchanged" };
    // We removed the finalizer, but the store still shows it, so nothing is undone now. Undoing the changes outside a second
    // time could undo what somebody else has set up since. If the store still shows the finalizer after it must have caught up,
    // the finalizer is really there.
    if (this.#finalized.get(work.key) === object.metadata.uid && object.metadata.uid !== undefined)
      return { result: "unchanged", next: { do: "after", ms: this.#finalized.leftMs(work.key) } };
    let done: FinalizeResult = { done: true };
    if (finalize !== undefined) {
      const { outcome, bug } = await this.#outcomeOf(work, finalize, signal);
      if (bug) return await this.#conclude(work, outcome, { as: "bug" }, signal);
      done = outcome;
    }
    if (!("done" in done)) {
      const { next } = await this.#conclude(work, done, {}, signal);
      // An object whose finalizer is not done is retried, whatever the class of the reason: nothing else would bring it back,
      // and until then it cannot be removed.
      return { result: "retry", next: next?.do === "retry" ? next : { do: "retry" } };
    }
    // The list of finalizers is taken from the store's version of the object, which has our finalizer. The version in the
    // answer to our last status write may be older.
    await removeFinalizer({ client, type, finalizer, object }, signal);
    // The events are recorded only when the finalizer is removed: an attempt that fails earlier is repeated, and would record
    // them twice.
    for (const note of done.events ?? []) events.record(object, note);
    this.#finalized.set(work.key, object.metadata.uid);
    log.info("finalized");
    return { result: "finalized" };
  }

  /** Calls the kind's code. An error with a public reason becomes an ordinary outcome; a bug becomes InternalError. */
  async #outcomeOf<R extends object>(
    work: AttemptInput<T>,
    run: (ctx: ReconcileContext<T>) => Promise<R>,
    signal: AbortSignal,
  ): Promise<{ outcome: R | Outcome; bug: false } | { outcome: Outcome; bug: true }> {
    const { object, log } = work;
    try {
      return { outcome: await run(this.#context(work, signal)), bug: false };
    } catch (error) {
      // A failing API server says nothing about the object, and neither does our own stop, so no status is written in either
      // case.
      if (signal.aborted || error instanceof KubeError) throw error;
      if (error instanceof Interrupted) throw error;
      if (error instanceof LeadershipLost || error instanceof ObjectGone) throw error;
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

  /**
   * The object with the status that we wrote last, even before the watch shows it. Reconcilers carry fields over from that
   * status.
   */
  #current(object: T): T {
    const status = this.#status.previous(object);
    return status === object.status ? object : { ...object, status };
  }

  #context(work: AttemptInput<T>, signal: AbortSignal): ReconcileContext<T> {
    const { object, log, cause, interruption } = work;
    const { client, type, finalizer } = this.#options;
    let ensured = finalizer === undefined || (object.metadata.finalizers ?? []).includes(finalizer);
    return {
      object: this.#current(object),
      lane: cause === "change" || cause === "urgent" ? "change" : "resync",
      cause,
      signal,
      patience: AbortSignal.any([signal, interruption.makesWay]),
      log,
      deleting: object.metadata.deletionTimestamp !== undefined,
      ensureFinalizer: async () => {
        if (ensured) return;
        // The newest version that we know of is used: we have just written the first status, so the store's version is old and
        // would only cause a conflict.
        const newest = this.#status.withVersion(object);
        await addFinalizer({ client, type, finalizer: finalizer!, object: newest }, signal);
        ensured = true;
      },
    };
  }

  /** Writes the status, and only then logs and records events: nothing is announced before it is written. */
  async #conclude(
    work: AttemptInput<T>,
    outcome: Outcome,
    { as }: { as?: ReconcileResult },
    signal: AbortSignal,
  ): Promise<AttemptEnd> {
    signal.throwIfAborted();
    const { object, log } = work;
    this.#countBlind(work, outcome);
    const summary = this.#summarise(work, outcome, this.#status.previous(object));
    const written = await this.#write(work, summary.status, signal);
    if (written === "foreign") return this.#leaveAlone(work);
    if (written === "gone") return { result: "gone" };
    const { level, line, ...why } = summary.log;
    log[level]({ ...why, changed: written === "written" }, line);
    for (const note of summary.events) this.#options.events.record(object, note);
    const { namespace = "", name } = object.metadata;
    this.#metrics.objectReady.set({ kind: object.kind, namespace, name }, summary.ready === "True" ? 1 : 0);
    const next = nextOf(summary.retry);
    if (as !== undefined) return { result: as, next };
    if (next.do === "retry") return { result: "failed", next };
    return { result: written === "written" ? "changed" : "unchanged", next };
  }

  #summarise(work: AttemptInput<T>, outcome: Outcome, previousStatus: ObjectStatus | undefined): Summary {
    return summarise({
      object: work.object,
      outcome,
      previousStatus,
      failuresInARow: this.#blind.get(work.key) ?? 0,
      managedBy: this.#options.instance,
      now: this.#options.clock.now(),
    });
  }

  #write(work: AttemptInput<T>, status: Record<string, unknown>, signal: AbortSignal): Promise<WriteResult> {
    return this.#status.write(work.object, status, signal);
  }

  /**
   * Counts, for each key, the resyncs in a row that could not read the outside system. Retries are not counted: they follow a
   * failure within seconds and would soon use up the number of failures that is tolerated.
   */
  #countBlind({ key, cause }: AttemptInput<T>, { unobserved, failure }: Outcome): void {
    if (unobserved === undefined && failure?.class !== "transient") this.#blind.delete(key);
    else if (cause === "resync") this.#blind.set(key, (this.#blind.get(key) ?? 0) + 1);
  }

  /** Reports once per object, in the log and as an event, that another installation manages it. Does nothing else. */
  #leaveAlone({ key, object, log }: AttemptInput<T>): AttemptEnd {
    const uid = object.metadata.uid ?? "";
    if (this.#foreign.get(key) === uid) return { result: "foreign" };
    this.#foreign.set(key, uid);
    this.unsay(object);
    const managedBy = (object.status as ObjectStatus | undefined)?.managedBy;
    log.warn({ managedBy }, "managed by another release, left alone");
    this.#options.events.record(object, {
      type: "Warning",
      reason: "ManagedByAnotherRelease",
      message: `${this.#options.instance} leaves this object alone: ${managedBy ?? "another release"} manages it`,
    });
    return { result: "foreign" };
  }
}

function nextOf(retry: Summary["retry"]): Next {
  if (retry.do === "backoff") return { do: "retry", atLeastMs: retry.atLeastMs };
  return retry.do === "after" ? retry : { do: "wait" };
}

function isFailure(error: unknown): error is FailureLike {
  const { reason, class: kind } = error as Partial<FailureLike>;
  return error instanceof Error && typeof reason === "string" && typeof kind === "string";
}

const takenOver = (status: ObjectStatus | undefined): status is ObjectStatus =>
  conditionOf(status, "Ready") !== undefined;

/** The kind's own conditions of a status, without Reconciling and Stalled, which the runtime adds. */
function verdictsOf(status: ObjectStatus | undefined): Verdict[] {
  const named = (status?.conditions ?? []).filter(({ type }) => type !== "Reconciling" && type !== "Stalled");
  return named.map(({ type, status, reason, message }) => ({
    type,
    status,
    reason,
    message,
    class: classBy(status),
  }));
}

/**
 * The class to assume for a condition, because a status does not contain the class. A condition that is not True counts as
 * waiting until the object is checked again.
 */
const classBy = (status: string): ReasonClass => (status === "True" ? "good" : "waiting");

/** The outcome after a bug. It leaves all other conditions as they were, because nothing was found out about them. */
function bugOutcome(previous: ObjectStatus | undefined): Outcome {
  const ready: Verdict = { type: "Ready", status: "False", ...BUG, class: "transient" };
  const others = verdictsOf(previous).filter(({ type }) => type !== "Ready");
  return { verdicts: [...others, ready], failure: { ...BUG, class: "transient" } };
}
