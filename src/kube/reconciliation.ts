import type { Clock } from "../clock.ts";
import { LeadershipLost, type Term } from "../leadership.ts";
import type { Log } from "../log.ts";
import { type KubeClient, KubeError } from "./client.ts";
import { conditionOf } from "./conditions.ts";
import type { EventRecorder } from "./events.ts";
import { addFinalizer, ObjectGone, removeFinalizer } from "./finalizer.ts";
import { Interrupted, type Interruption } from "./interruption.ts";
import type { KubeMetrics, ReconcileResult } from "./metrics.ts";
import type { Cause, QueueLane } from "./queue.ts";
import { Recent } from "./recent.ts";
import type { KubeObject, ResourceType } from "./resource.ts";
import { type ObjectStatus, StatusWriter, type WriteResult } from "./status-writer.ts";
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
  lane: QueueLane;
  /** Why it is looked at. */
  cause: Cause;
  /** Aborts when leadership is lost, the controller stops, or the object can wait for nothing any more. */
  signal: AbortSignal;
  /**
   * Aborts with `signal`, and when the object was deleted meanwhile: for what only looks or waits. A change outside that has
   * been sent is better waited for, or it may land after what the deletion does.
   */
  patience: AbortSignal;
  /** Bound to kind, namespace, name and this reconcile. */
  log: Log;
  deleting: boolean;
  /** Puts the finalizer on the object unless it is there: before the first change outside of the cluster. */
  ensureFinalizer(): Promise<void>;
}

/** What a kind's own code has to say. */
export interface Reconciler<T extends KubeObject> {
  /** The status of an object that has none yet, written before its first reconcile. */
  firstSight(object: T): { verdicts: readonly Verdict[]; status?: Record<string, unknown> };
  reconcile(ctx: ReconcileContext<T>): Promise<Outcome>;
  /** Undoes what was done outside. Absent: nothing is to be undone. */
  finalize?(ctx: ReconcileContext<T>): Promise<FinalizeResult>;
  /** All verdicts when a reconcile threw an error with a reason and a class. */
  onFailure(object: T, error: FailureLike): readonly Verdict[];
}

export interface ReconciliationOptions<T extends KubeObject> extends Reconciler<T> {
  type: ResourceType<T>;
  client: KubeClient;
  clock: Clock;
  log: Log;
  events: EventRecorder;
  /** This release's name, for `status.managedBy`. */
  instance: string;
  fieldManager: string;
  finalizer?: string;
  /** A release whose objects are taken over. */
  takeOverFrom?: string | undefined;
  /** What of a status this controller owns, where another process owns part of it; default all. */
  ownStatus?: (status: ObjectStatus) => ObjectStatus;
}

/** `done` lets the object go; an Outcome is written as status, and finalize is called again. */
export type FinalizeResult = { done: true; events?: readonly EventNote[] } | Outcome;

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

/** When the object is to be looked at again: in its own growing time, after so long, or when something happens. */
export type Next =
  | { do: "retry"; atLeastMs?: number | undefined }
  | { do: "after"; ms: number }
  | { do: "wait" };

export interface AttemptEnd {
  result: ReconcileResult;
  /** Absent: as if this attempt had not been. */
  next?: Next;
}

/** One object to be looked at. */
export interface AttemptInput<T extends KubeObject> {
  key: string;
  cause: Cause;
  object: T;
  term: Term;
  log: Log;
  interruption: Interruption;
}

/**
 * One look at one object, from its first sight to the removal of its finalizer: asks the kind's own code, and writes what
 * comes of it, the status once. Knows nothing of queues; the answer says when to look again.
 */
export class Reconciliation<T extends KubeObject> {
  readonly #options: ReconciliationOptions<T>;
  readonly #status: StatusWriter<T>;
  readonly #metrics: KubeMetrics;
  readonly #stopping: AbortSignal;
  /** Foreign objects' keys by the uid that was told about. */
  readonly #foreign = new Map<string, string>();
  /** The uids of objects whose finalizer this process took away, which the store may still show with it. */
  readonly #finalized: Recent<string | undefined>;
  /** Resyncs in a row that could not look at an outside system. */
  readonly #blind = new Map<string, number>();

  constructor(options: ReconciliationOptions<T>, metrics: KubeMetrics, stopping: AbortSignal) {
    this.#options = options;
    this.#status = new StatusWriter(options);
    this.#metrics = metrics;
    this.#stopping = stopping;
    this.#finalized = new Recent(options.clock);
  }

  /** Objects that another release manages. */
  get foreign(): number {
    return this.#foreign.size;
  }

  /** What this process wrote a moment ago, and the store would show soon, may not have happened. */
  forgetWrites(key: string): void {
    this.#status.forget(key);
    this.#finalized.delete(key);
  }

  /** The object is gone. */
  forget(key: string, object: T): void {
    this.#status.forget(key);
    this.#foreign.delete(key);
    this.#blind.delete(key);
    this.#finalized.delete(key);
    this.unsay(object);
  }

  /** Whether it is ready is no longer this process's to say. */
  unsay({ metadata: { namespace = "", name } }: T): void {
    this.#metrics.objectReady.remove({ kind: this.#options.type.kind, namespace, name });
  }

  /** Whatever goes wrong stays with this one object; never throws. */
  async attempt(work: AttemptInput<T>): Promise<AttemptEnd> {
    const signal = AbortSignal.any([work.term.signal, this.#stopping, work.interruption.isCutOff]);
    try {
      return await this.#reconcile(work, signal);
    } catch (error) {
      if (error instanceof Interrupted && work.interruption.hasBegun) return { result: "aborted" };
      if (signal.aborted || error instanceof LeadershipLost)
        // The term may go on once the Lease is renewed, and then nobody else would look at this object soon.
        return this.#stopping.aborted ? { result: "aborted" } : { result: "aborted", next: { do: "retry" } };
      if (error instanceof ObjectGone) return { result: "gone" };
      if (error instanceof KubeError) {
        work.log.warn({ err: error }, "kubernetes api call failed, will retry");
        return { result: "retry", next: { do: "retry", atLeastMs: error.retryAfterMs } };
      }
      // Work that is shared ended with somebody else's attempt; nobody has put this object in line.
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
    const { outcome, bug } = await this.#outcomeOf(work, signal, (ctx) => this.#options.reconcile(ctx));
    return await this.#conclude(work, outcome, signal, bug ? "bug" : undefined);
  }

  /** First sight: all conditions and whose object it is, before anything else is done. */
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
    // Once is enough, while the store does not know it yet; if it is right after all, that shows later.
    if (this.#finalized.get(work.key) === object.metadata.uid && object.metadata.uid !== undefined)
      return { result: "unchanged", next: { do: "after", ms: this.#finalized.leftMs(work.key) } };
    let done: FinalizeResult = { done: true };
    if (finalize !== undefined) {
      const { outcome, bug } = await this.#outcomeOf(work, signal, finalize);
      if (bug) return await this.#conclude(work, outcome, signal, "bug");
      done = outcome;
    }
    if (!("done" in done)) {
      const { next } = await this.#conclude(work, done, signal);
      // Whatever keeps a finalizer from its end, it is tried again: only it can let the object go.
      return { result: "retry", next: next?.do === "retry" ? next : { do: "retry" } };
    }
    // As the store has it, which showed our finalizer a moment ago: the answer to our last write may be from before it was there.
    await removeFinalizer({ client, type, finalizer, object }, signal);
    // Only now: an attempt that fails before is made again, and would tell them twice.
    for (const note of done.events ?? []) events.record(object, note);
    this.#finalized.set(work.key, object.metadata.uid);
    log.info("finalized");
    return { result: "finalized" };
  }

  /** Runs `run`; what it throws with a public reason is an outcome like any other, and a bug is a poor one. */
  async #outcomeOf<R extends object>(
    work: AttemptInput<T>,
    signal: AbortSignal,
    run: (ctx: ReconcileContext<T>) => Promise<R>,
  ): Promise<{ outcome: R | Outcome; bug: false } | { outcome: Outcome; bug: true }> {
    const { object, log } = work;
    try {
      return { outcome: await run(this.#context(work, signal)), bug: false };
    } catch (error) {
      // The API server's trouble is no verdict about the object, and neither is our own end.
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

  /** With the status that we wrote last, even while the watch has not brought it back: reconcilers carry fields over from it. */
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
        const newest = this.#status.withVersion(object);
        await addFinalizer({ client, type, finalizer: finalizer!, object: newest }, signal);
        ensured = true;
      },
    };
  }

  /** Writes what came out, tells it, and says when the next look is due. */
  async #conclude(
    work: AttemptInput<T>,
    outcome: Outcome,
    signal: AbortSignal,
    as?: ReconcileResult,
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

  /** Only resyncs count: tries after a failure come within seconds and would use up the patience at once. */
  #countBlind({ key, cause }: AttemptInput<T>, { unobserved, failure }: Outcome): void {
    if (unobserved === undefined && failure?.class !== "transient") this.#blind.delete(key);
    else if (cause === "resync") this.#blind.set(key, (this.#blind.get(key) ?? 0) + 1);
  }

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

/** The named conditions as they stand; what the runtime adds by itself is not among them. */
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

const classBy = (status: string): ReasonClass => (status === "True" ? "good" : "waiting");

function bugOutcome(previous: ObjectStatus | undefined): Outcome {
  const ready: Verdict = { type: "Ready", status: "False", ...BUG, class: "transient" };
  const others = verdictsOf(previous).filter(({ type }) => type !== "Ready");
  return { verdicts: [...others, ready], failure: { ...BUG, class: "transient" } };
}
