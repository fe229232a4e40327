/**
 * One attempt: one look at one object, from its first sight to the removal of its finalizer.
 *
 * In this order:
 * 1. An object that another installation manages is left alone.
 * 2. An object that is being deleted is finalized: the kind's code undoes what it did outside, then our finalizer goes,
 *    and with it the object. Nothing is written after that.
 * 3. An object that has no status of ours gets one before anything else is done. It shows that somebody is at work, and
 *    its `managedBy` keeps other installations away from what follows.
 * 4. The kind's code is asked for its verdicts, and they are written as status, once.
 *
 * The client that it is given begins no write without enough time left of the Lease (`KubeClient.whileLeading`): a process
 * that no longer leads must not write, and no write may still be under way when another process leads.
 *
 * An attempt is level-triggered: it acts on what the object is and not on what happened to it, and doing it twice changes
 * nothing. So a failed attempt needs no cleaning up, only another one.
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

/** What the kind's own code gets to work with, for one attempt. */
export interface ReconcileContext<T extends KubeObject> {
  /** The object as the store has it, with the status as we last wrote it. It is frozen. */
  object: T;
  lane: QueueLane;
  /** Why the object is looked at. */
  cause: Cause;
  /** Aborts when leadership is lost, the controller stops, or the object has become urgent. */
  signal: AbortSignal;
  /**
   * Aborts with `signal`, and also when the object is deleted. Pass it to what only reads or waits, and `signal` to what
   * makes a change outside: a change that was sent should be waited for, or it may take effect after what the deletion does.
   */
  patience: AbortSignal;
  /** Adds kind, namespace, name and this attempt's id to each line. */
  log: Log;
  deleting: boolean;
  /** Puts the finalizer on the object unless it is there. Call it before the first change outside the cluster. */
  ensureFinalizer(): Promise<void>;
}

/** A kind's own code. The runtime does the rest: when to look, what to write, whom to tell. */
export interface Reconciler<T extends KubeObject> {
  /** The status of an object that has none yet; it is written before the first reconcile. */
  firstSight(object: T): { verdicts: readonly Verdict[]; status?: Record<string, unknown> };
  reconcile(ctx: ReconcileContext<T>): Promise<Outcome>;
  /** Undoes what was done outside, when the object is deleted. Absent: there is nothing to undo. */
  finalize?(ctx: ReconcileContext<T>): Promise<FinalizeResult>;
  /** All verdicts of the kind after a reconcile threw an error with a reason and a class. */
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
  /** An installation whose objects are taken over. */
  takeOverFrom?: string | undefined;
  /** Gives the part of a status that this controller owns, where another process owns the rest; default all. */
  ownStatus?: (status: ObjectStatus) => ObjectStatus;
}

/** `done`: the finalizer goes. An Outcome says what it waits for: it becomes the status, and finalize is called again. */
export type FinalizeResult = { done: true; events?: readonly EventNote[] } | Outcome;

/** An error that says in public words what failed. Everything else that is thrown counts as a bug. */
export interface FailureLike extends Error {
  reason: string;
  class: ReasonClass;
  retryAfterMs?: number | undefined;
}

/** What the status says of a bug. No more: an error's own text could hold a credential, and a status is widely readable. */
const BUG = {
  reason: "InternalError",
  message: "the operator failed unexpectedly; its log has the details, and it tries again",
} as const;

/** When the object is looked at again: after its own growing delay, after this long, or when something happens. */
export type Next =
  | { do: "retry"; atLeastMs?: number | undefined }
  | { do: "after"; ms: number }
  | { do: "wait" };

/** How an attempt ended, for the metrics and the queue. */
export interface AttemptEnd {
  result: ReconcileResult;
  /** Absent: the attempt plans nothing and changes no plan, because the object is gone or is in line already. */
  next?: Next;
}

/** The object to look at, and what the attempt is bound to: the term of leadership, and an interruption. */
export interface AttemptInput<T extends KubeObject> {
  key: string;
  cause: Cause;
  object: T;
  term: Term;
  log: Log;
  interruption: Interruption;
}

/** Makes the attempts of one kind. It knows nothing of queues: what it returns says when to look again. */
export class Reconciliation<T extends KubeObject> {
  readonly #options: ReconciliationOptions<T>;
  readonly #status: StatusWriter<T>;
  readonly #metrics: KubeMetrics;
  readonly #stopping: AbortSignal;
  /** The objects that another installation manages: the uid by key, so that each is reported once. */
  readonly #foreign = new Map<string, string>();
  /** The uids of objects whose finalizer this process removed; the store may still show them with it. */
  readonly #finalized: Recent<string | undefined>;
  /** Resyncs in a row that could not look at the outside system. In memory only: a new leader begins with patience. */
  readonly #blind = new Map<string, number>();

  constructor(options: ReconciliationOptions<T>, metrics: KubeMetrics, stopping: AbortSignal) {
    this.#options = options;
    this.#status = new StatusWriter(options);
    this.#metrics = metrics;
    this.#stopping = stopping;
    this.#finalized = new Recent(options.clock);
  }

  /** How many objects another installation manages. */
  get foreign(): number {
    return this.#foreign.size;
  }

  /** After a restore from a backup: what this process wrote a moment ago may never have happened there. */
  forgetWrites(key: string): void {
    this.#status.forget(key);
    this.#finalized.delete(key);
  }

  /** The object is gone: keep nothing of it. */
  forget(key: string, object: T): void {
    this.#status.forget(key);
    this.#foreign.delete(key);
    this.#blind.delete(key);
    this.#finalized.delete(key);
    this.unsay(object);
  }

  /** Removes the object's `smschannel_object_ready`: this process no longer knows, and a stale value would look current. */
  unsay({ metadata: { namespace = "", name } }: T): void {
    this.#metrics.objectReady.remove({ kind: this.#options.type.kind, namespace, name });
  }

  /** Never throws: whatever goes wrong with this object must not stop the worker that others wait for. */
  async attempt(work: AttemptInput<T>): Promise<AttemptEnd> {
    const signal = AbortSignal.any([work.term.signal, this.#stopping, work.interruption.isCutOff]);
    try {
      return await this.#reconcile(work, signal);
    } catch (error) {
      if (error instanceof Interrupted && work.interruption.hasBegun) return { result: "aborted" };
      if (signal.aborted || error instanceof LeadershipLost)
        // Retried even so: when the Lease can be renewed after all, the term goes on, and nothing else would bring the
        // object back soon.
        return this.#stopping.aborted ? { result: "aborted" } : { result: "aborted", next: { do: "retry" } };
      if (error instanceof ObjectGone) return { result: "gone" };
      if (error instanceof KubeError) {
        work.log.warn({ err: error }, "kubernetes api call failed, will retry");
        return { result: "retry", next: { do: "retry", atLeastMs: error.retryAfterMs } };
      }
      // The attempt waited for work that it shared with another one, and that one was interrupted. Nobody has put this
      // object in line.
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
   * First sight: writes all conditions and `managedBy` unless they are there. An object that is taken over keeps its
   * conditions as the former installation left them; nothing has been looked at yet.
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
    // We removed the finalizer, and the store still shows it. Undoing things twice could undo what somebody else has set up
    // since. If the store still shows the finalizer when it must have caught up, it is really there.
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
      // Retried whatever the reason's class: nothing else will bring it back, and until then the object cannot go.
      return { result: "retry", next: next?.do === "retry" ? next : { do: "retry" } };
    }
    // With the store's version of the object, which has our finalizer. The answer to our last status write may be older.
    await removeFinalizer({ client, type, finalizer, object }, signal);
    // Only now: an attempt that fails before this is repeated, and would record the events twice.
    for (const note of done.events ?? []) events.record(object, note);
    this.#finalized.set(work.key, object.metadata.uid);
    log.info("finalized");
    return { result: "finalized" };
  }

  /** Calls the kind's code. An error with a public reason becomes an outcome like any other; a bug becomes InternalError. */
  async #outcomeOf<R extends object>(
    work: AttemptInput<T>,
    run: (ctx: ReconcileContext<T>) => Promise<R>,
    signal: AbortSignal,
  ): Promise<{ outcome: R | Outcome; bug: false } | { outcome: Outcome; bug: true }> {
    const { object, log } = work;
    try {
      return { outcome: await run(this.#context(work, signal)), bug: false };
    } catch (error) {
      // A failing API server says nothing about the object, and neither does our own stop: no status is written for them.
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

  /** The object with the status that we wrote last, even before the watch shows it: reconcilers carry fields over from it. */
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
        // First sight was just written, so the store's version is old and would only bring a conflict.
        const newest = this.#status.withVersion(object);
        await addFinalizer({ client, type, finalizer: finalizer!, object: newest }, signal);
        ensured = true;
      },
    };
  }

  /** Writes the status, then logs and records events: nothing is announced that was not written. */
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

  /** Counts resyncs only. Retries after a failure follow within seconds and would use up the patience at once. */
  #countBlind({ key, cause }: AttemptInput<T>, { unobserved, failure }: Outcome): void {
    if (unobserved === undefined && failure?.class !== "transient") this.#blind.delete(key);
    else if (cause === "resync") this.#blind.set(key, (this.#blind.get(key) ?? 0) + 1);
  }

  /** Says once per object, in the log and as an event, that another installation manages it; does nothing else. */
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

/** The kind's own conditions as they stand in a status, without the two that the runtime adds. */
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

/** A condition in a status does not say its class. One that is not True counts as waiting until it is looked at again. */
const classBy = (status: string): ReasonClass => (status === "True" ? "good" : "waiting");

/** A bug leaves all other conditions as they were: nothing was found out about them. */
function bugOutcome(previous: ObjectStatus | undefined): Outcome {
  const ready: Verdict = { type: "Ready", status: "False", ...BUG, class: "transient" };
  const others = verdictsOf(previous).filter(({ type }) => type !== "Ready");
  return { verdicts: [...others, ready], failure: { ...BUG, class: "transient" } };
}
