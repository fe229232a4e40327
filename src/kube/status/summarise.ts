/**
 * Turns the result of a reconcile into the object's status, the time of the next attempt, the log line and the events.
 *
 * Reconcilers never write conditions. They return verdicts, and this one pure function applies the rules that every controller
 * has to get right:
 * - `observedGeneration` names the spec that was judged, so that a reader can tell whether a change of the spec has been
 *   handled. `kubectl wait` and Argo CD compare it with `metadata.generation`.
 * - `lastTransitionTime` changes only when a condition's status does, so it says since when the condition has this status.
 * - The same facts give the same bytes. Our own status write is also a watch event for us, so a message that contains a time or
 *   a request id would make the controller wake itself for ever.
 * - `Reconciling` and `Stalled` exist only while they are True. They are the two conditions of kstatus, by which tools
 *   distinguish "in progress" from "failed" without knowing the kind.
 *
 * docs/adr/0005 has the table of states. Kubernetes' own rules are here:
 * https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties
 * https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
 */

import type { KubeObject } from "../resource.ts";
import {
  type Condition,
  type ConditionStatus,
  conditionOf,
  type RuntimeStatus,
  timeText,
} from "./conditions.ts";

/**
 * What a reason means for further attempts. The table in docs/adr/0005 says what each class means for `Ready`.
 * - `good`: there is nothing to do.
 * - `waiting`: another object of the cluster is missing, and may be on its way (a Helm install, a sync wave).
 * - `transient`: something outside did not answer, or refused for now; the object is retried with backoff.
 * - `stalled`: somebody must change something; the object is retried on a change and at each resync, never in a tight loop.
 * - `held`: the spec says that nothing may be changed for this object.
 */
export type ReasonClass = "good" | "waiting" | "transient" | "stalled" | "held";

/** The state of a condition as a reconciler sees it, before time and generation are added. */
export interface Verdict {
  type: string;
  status: ConditionStatus;
  reason: string;
  /**
   * A message that is the same for the same fact, without ids, times or bodies: any difference causes another write and another
   * event.
   */
  message: string;
  class: ReasonClass;
}

/** An event to record. `EventRecorder` may drop it to keep its limits. */
export interface EventNote {
  type: "Normal" | "Warning";
  reason: string;
  message: string;
  /** The action, as a verb such as `SetWebhook`. Default: `Reconcile`. */
  action?: string;
}

/** The result of one reconcile of an object. */
export interface Outcome {
  /** All conditions of the kind, each time, including `Ready`. A condition that is left out disappears from the status. */
  verdicts: readonly Verdict[];
  /** All other status fields that this controller owns. Absent: these fields stay as they are. */
  status?: Record<string, unknown>;
  events?: readonly EventNote[];
  /** The object is reconciled again after this long at the latest. */
  requeueAfterMs?: number;
  /**
   * Set when an outside system could not be read. A condition that was True then stays True: an API that does not answer for a
   * minute changes nothing about the setup there. After three such resyncs in a row, or when the object was not Ready before,
   * these verdicts replace the verdicts of the same type.
   */
  unobserved?: readonly Verdict[];
  /** The failure that stopped the reconcile. A transient failure means, like `unobserved`, that something could not be read. */
  failure?: { reason: string; message: string; class: ReasonClass; retryAfterMs?: number | undefined };
}

export interface Summary {
  /** The whole configuration to apply to /status. With server-side apply, a field that is left out is removed. */
  status: Record<string, unknown>;
  ready: ConditionStatus;
  /** When to try again. `backoff` is the queue's own growing delay, at least `atLeastMs`. */
  retry: { do: "none" } | { do: "after"; ms: number } | { do: "backoff"; atLeastMs: number };
  /** The log line. `problem` is the reason's message; it is set on lines that report trouble. */
  log: { level: "debug" | "info" | "warn" | "error"; line: string; reason: string; problem?: string };
  events: EventNote[];
}

/**
 * A wait that has lasted this long no longer counts as progress: Reconciling becomes Stalled, and Argo CD shows Degraded. The
 * time is enough for a Helm install or a sync wave to bring the missing object, and short for a person who watches a rollout.
 */
export const PATIENCE_MS = 5 * 60_000;
/** After this many resyncs in a row that could not read the outside system, earlier results are no longer trusted. */
export const UNOBSERVED_RESYNCS = 3;
/**
 * The start of the message of Stalled when only the length of the wait made the object Stalled. Only the status survives a
 * restart, so this mark is kept there. While the mark is present, a change from one transient reason to another does not start
 * the wait again.
 */
const OVERDUE = "for more than 5 minutes: ";

/** The reason of Ready while a finalizer cannot do its work. The condition Reconciling has the failure's own reason. */
const DELETION_WAITS = "DeletionWaits";

/** Computes the summary. Pure: the same input gives the same summary, and nothing is read or written. */
export function summarise(input: {
  object: KubeObject;
  outcome: Outcome;
  /** The object's status as we last knew it, without the fields that another field manager owns. */
  previousStatus: (RuntimeStatus & Record<string, unknown>) | undefined;
  /** How many resyncs in a row, this one included, could not read the outside system. */
  failuresInARow: number;
  managedBy: string;
  now: number;
}): Summary {
  const { object, outcome, previousStatus, now } = input;
  const wait = deletionWait(object, outcome);
  const verdicts = judged(outcome, previousStatus, input.failuresInARow).map((verdict) =>
    wait !== undefined && verdict.type === "Ready" ? becauseOf(wait, verdict) : verdict,
  );
  const ready = verdicts.find(({ type }) => type === "Ready");
  // An outcome without Ready is a bug: tools could not wait for a kind without Ready, and tools that look for Ready would show
  // the kind as healthy.
  if (ready === undefined)
    throw new Error(`the result of a reconcile of a ${object.kind} has no verdict about the condition Ready`);
  const progress =
    wait === undefined ? progressOf(ready, previousStatus, now) : { conditions: [wait], stalled: false };
  const generation = object.metadata.generation ?? 0;
  const { conditions: _, observedGeneration: __, managedBy: ___, ...previousFields } = previousStatus ?? {};
  const conditions = [...verdicts, ...progress.conditions].map((verdict) =>
    conditionFrom(verdict, conditionOf(previousStatus, verdict.type), generation, now),
  );
  return {
    status: {
      observedGeneration: generation,
      managedBy: input.managedBy,
      ...(outcome.status ?? previousFields),
      conditions,
    },
    ready: ready.status,
    retry: retryOf(outcome, ready, progress.patienceEndsInMs),
    log: logOf(ready, conditionOf(previousStatus, "Ready"), outcome, progress.stalled),
    events: [
      ...(outcome.events ?? []),
      ...(wait === undefined
        ? turned(ready, conditionOf(previousStatus, "Ready"))
        : waitBegun(wait, conditionOf(previousStatus, "Reconciling"))),
    ],
  };
}

/** The verdicts for the status. A failed attempt to read the outside system does not take Ready away from an object that had it. */
function judged(
  { verdicts, unobserved, failure }: Outcome,
  previous: RuntimeStatus | undefined,
  failuresInARow: number,
): readonly Verdict[] {
  const blind = unobserved ?? (failure?.class === "transient" ? [] : undefined);
  if (blind === undefined) return verdicts;
  const wasReady = conditionOf(previous, "Ready")?.status === "True";
  if (!wasReady || failuresInARow >= UNOBSERVED_RESYNCS)
    return verdicts.map((verdict) => blind.find(({ type }) => type === verdict.type) ?? verdict);
  // Facts that are certain (a missing reference, a conflict) change the status immediately, whatever else could not be read.
  return verdicts.map((verdict) => {
    const before = conditionOf(previous, verdict.type);
    const uncertain =
      verdict.status === "Unknown" || (verdict.status === "False" && verdict.class === "transient");
    if (!uncertain || before?.status !== "True") return verdict;
    return {
      type: verdict.type,
      status: "True",
      reason: before.reason,
      message: before.message,
      class: "good",
    };
  });
}

interface ProgressConditions {
  /** The condition Reconciling or the condition Stalled, never both. Each of them is present only while it is True. */
  conditions: Verdict[];
  stalled: boolean;
  /** In how many milliseconds the wait will have lasted too long. Set while the object is Reconciling because of a wait. */
  patienceEndsInMs?: number;
}

function progressOf(ready: Verdict, previous: RuntimeStatus | undefined, now: number): ProgressConditions {
  const reconciling: Verdict = { ...ready, type: "Reconciling", status: "True" };
  const stalled: Verdict = { ...ready, type: "Stalled", status: "True" };
  if (ready.status === "True") return { conditions: [], stalled: false };
  if (ready.status === "Unknown") return { conditions: [reconciling], stalled: false };
  if (ready.class === "held") return { conditions: [], stalled: false };
  if (ready.class === "stalled") return { conditions: [stalled], stalled: true };

  // The time that the object has waited is taken from the status and not from memory, so it goes on counting when the process
  // restarts or another process leads.
  const overdue = conditionOf(previous, "Stalled")?.message.startsWith(OVERDUE) === true;
  const since = conditionOf(previous, "Reconciling")?.lastTransitionTime;
  const waitedMs = since === undefined ? 0 : now - Date.parse(since);
  if (overdue || waitedMs >= PATIENCE_MS)
    return { conditions: [{ ...stalled, message: OVERDUE + ready.message }], stalled: true };
  // The wait must not become longer than PATIENCE_MS. It would after a wall clock was set back, because `waitedMs` is negative
  // then.
  return {
    conditions: [reconciling],
    stalled: false,
    patienceEndsInMs: Math.min(PATIENCE_MS, PATIENCE_MS - waitedMs),
  };
}

/**
 * What a finalizer waits for, as the condition Reconciling. The condition is never Stalled: nobody has to act, as our
 * finalizers let the object go by themselves after a time.
 */
function deletionWait({ metadata }: KubeObject, { failure }: Outcome): Verdict | undefined {
  if (metadata.deletionTimestamp === undefined || failure === undefined) return undefined;
  return { ...failure, type: "Reconciling", status: "True" };
}

/**
 * Returns the verdict Ready of an object whose deletion waits. The status of Ready stays, because the outside resource behind
 * the object may still work. The reason says why the object is not gone yet, because Ready's reason is all that `kubectl get`
 * shows of the conditions.
 */
function becauseOf(wait: Verdict, ready: Verdict): Verdict {
  return { ...ready, reason: DELETION_WAITS, message: wait.message };
}

/** Records an event when a deletion begins to wait, or waits for a different reason than before. */
function waitBegun(wait: Verdict, before: Condition | undefined): EventNote[] {
  if (before?.reason === wait.reason) return [];
  return [{ type: "Warning", reason: wait.reason, message: `deletion waits: ${wait.message}` }];
}

/** Adds time and generation to a verdict. `before` is the same condition in the previous status. */
function conditionFrom(
  { type, status, reason, message }: Verdict,
  before: Condition | undefined,
  observedGeneration: number,
  now: number,
): Condition {
  const lastTransitionTime = before?.status === status ? before.lastTransitionTime : timeText(now);
  return { type, status, reason, message, lastTransitionTime, observedGeneration };
}

/**
 * Decides when the next attempt comes: with backoff after a transient failure; else at the earliest of up to three times (the
 * reconciler asked for it, a Retry-After ends, the wait has lasted too long); never when there is no such time.
 */
function retryOf(outcome: Outcome, ready: Verdict, patienceEndsInMs: number | undefined): Summary["retry"] {
  const { failure, unobserved, requeueAfterMs } = outcome;
  const worst = failure?.class ?? (unobserved === undefined ? undefined : "transient") ?? failingClass(ready);
  if (worst === "transient") return { do: "backoff", atLeastMs: failure?.retryAfterMs ?? 0 };
  // One second is added because times in a status are whole seconds: an attempt at the exact moment may find that only
  // 299.9 s have passed.
  const patience = patienceEndsInMs === undefined ? undefined : patienceEndsInMs + 1000;
  const next = [requeueAfterMs, failure?.retryAfterMs, patience].filter((ms) => ms !== undefined);
  return next.length === 0 ? { do: "none" } : { do: "after", ms: Math.max(0, Math.min(...next)) };
}

const failingClass = (ready: Verdict) => (ready.status === "True" ? undefined : ready.class);

/**
 * The log line of a reconcile. Only changes, and failed checks of a Ready object, are logged above `debug`. A problem that lasts
 * an hour is retried a hundred times, and its line would bury the others; the status shows that the problem still exists.
 */
function logOf(
  ready: Verdict,
  before: Condition | undefined,
  outcome: Outcome,
  stalled: boolean,
): Summary["log"] {
  const failure = outcome.failure ?? outcome.unobserved?.find(({ status }) => status !== "True");
  const reason = failure?.reason ?? ready.reason;
  const problem = failure?.message ?? ready.message;
  const same = before !== undefined && before.status === ready.status && before.reason === ready.reason;
  if (ready.status === "True" && failure !== undefined)
    return { level: "warn", line: "could not check the outside system, will retry", reason, problem };
  if (same) return { level: "debug", line: "unchanged", reason };
  if (ready.status === "True") return { level: "info", line: "ready", reason };
  if (ready.class === "held") return { level: "info", line: "held", reason };
  if (stalled) return { level: "error", line: "not ready until somebody acts", reason, problem };
  if (ready.class === "transient") return { level: "warn", line: "not ready, will retry", reason, problem };
  return { level: "info", line: "waiting", reason };
}

/**
 * Records an event when Ready changes, or is False for a different reason than before. There is no event for the first status,
 * when nothing is known yet.
 */
function turned(ready: Verdict, before: Condition | undefined): EventNote[] {
  if (ready.status === "Unknown" || (before?.status === ready.status && before.reason === ready.reason))
    return [];
  if (ready.status === "True")
    return before?.status === "True"
      ? []
      : [{ type: "Normal", reason: ready.reason, message: ready.message }];
  return [{ type: "Warning", reason: ready.reason, message: ready.message }];
}
