import {
  type Condition,
  type ConditionStatus,
  conditionOf,
  type RuntimeStatus,
  timeText,
} from "./conditions.ts";
import type { KubeObject } from "./resource.ts";

/**
 * What a reason says about the time to come. The table in docs/adr/0005 says what each class means for `Ready`.
 * - `good`: nothing to do.
 * - `waiting`: for another object of the cluster, which may be on its way (a Helm install, a sync wave).
 * - `transient`: something outside did not answer, or refused for now; retried with backoff.
 * - `stalled`: someone must change something; retried on a change and at each resync, never in a tight loop.
 * - `held`: this object was told to leave things alone.
 */
export type ReasonClass = "good" | "waiting" | "transient" | "stalled" | "held";

/** A condition as a reconciler judged it, before time and generation are added. */
export interface Verdict {
  type: string;
  status: ConditionStatus;
  reason: string;
  /** The same text for the same fact: no ids, times or bodies, or our own status write would be news each time. */
  message: string;
  class: ReasonClass;
}

export interface EventNote {
  type: "Normal" | "Warning";
  reason: string;
  message: string;
  /** What was done, a verb such as `SetWebhook`. Default: `Reconcile`. */
  action?: string;
}

/** What one look at an object found. Reconcilers return it and never write status themselves. */
export interface Outcome {
  /** All named conditions of the kind; `Ready` is one of them. */
  verdicts: readonly Verdict[];
  /** The other status fields that this controller owns, all of them. Absent: they stay as they are. */
  status?: Record<string, unknown>;
  events?: readonly EventNote[];
  /** Look again after this long at the latest. */
  requeueAfterMs?: number;
  /**
   * An outside system could not be looked at. These verdicts hold, in place of those of the same type, when the object was not
   * Ready before or this has been so for three resyncs in a row; until then what was True stays True.
   */
  unobserved?: readonly Verdict[];
  failure?: { reason: string; message: string; class: ReasonClass; retryAfterMs?: number | undefined };
}

export interface Summary {
  /** The whole configuration to apply to /status. */
  status: Record<string, unknown>;
  ready: ConditionStatus;
  /** `backoff`: the queue's own growing delay, at least `atLeastMs`. */
  retry: { do: "none" } | { do: "after"; ms: number } | { do: "backoff"; atLeastMs: number };
  /** `problem` is the message of the reason, for the lines that somebody reads when something is wrong. */
  log: { level: "debug" | "info" | "warn" | "error"; line: string; reason: string; problem?: string };
  events: EventNote[];
}

/** After this long a wait is no longer progress: Argo CD shows Degraded instead of Progressing. */
export const PATIENCE_MS = 5 * 60_000;
/** An outside system that could not be looked at this often in a row no longer counts as it was. */
export const UNOBSERVED_RESYNCS = 3;
/** Marks a Stalled that time brought about, so that a change from one transient reason to another does not begin anew. */
const OVERDUE = "for more than 5 minutes: ";

/** Ready's reason while a finalizer cannot do its work; the failure's own reason stands in Reconciling. */
const DELETION_WAITS = "DeletionWaits";

/** Turns an outcome into status, next look, log line and events. Pure. */
export function summarise(input: {
  object: KubeObject;
  outcome: Outcome;
  /** Of the same object; the fields in it that another manager owns are left out. */
  previousStatus: (RuntimeStatus & Record<string, unknown>) | undefined;
  /** Resyncs in a row, this one included, that could not look at an outside system. */
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
  if (ready === undefined) throw new Error(`the outcome for a ${object.kind} has no verdict Ready`);
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

/** The verdicts that count: what was Ready is not taken away by a look that did not succeed. */
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
  // What is known for certain (a reference gone, a conflict) counts at once, whatever could not be seen besides.
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
  /** Reconciling or Stalled, never both; present only while True. */
  conditions: Verdict[];
  stalled: boolean;
  /** Set while Reconciling on account of a wait: when it will have lasted too long. */
  patienceEndsInMs?: number;
}

function progressOf(ready: Verdict, previous: RuntimeStatus | undefined, now: number): ProgressConditions {
  const reconciling: Verdict = { ...ready, type: "Reconciling", status: "True" };
  const stalled: Verdict = { ...ready, type: "Stalled", status: "True" };
  if (ready.status === "True") return { conditions: [], stalled: false };
  if (ready.status === "Unknown") return { conditions: [reconciling], stalled: false };
  if (ready.class === "held") return { conditions: [], stalled: false };
  if (ready.class === "stalled") return { conditions: [stalled], stalled: true };

  const overdue = conditionOf(previous, "Stalled")?.message.startsWith(OVERDUE) === true;
  const since = conditionOf(previous, "Reconciling")?.lastTransitionTime;
  const waitedMs = since === undefined ? 0 : now - Date.parse(since);
  if (overdue || waitedMs >= PATIENCE_MS)
    return { conditions: [{ ...stalled, message: OVERDUE + ready.message }], stalled: true };
  // A wall clock that was set back would otherwise make the wait longer than it is.
  return {
    conditions: [reconciling],
    stalled: false,
    patienceEndsInMs: Math.min(PATIENCE_MS, PATIENCE_MS - waitedMs),
  };
}

/**
 * What keeps a finalizer from its end, for the condition Reconciling. Never Stalled, since a finalizer lets go by itself.
 */
function deletionWait({ metadata }: KubeObject, { failure }: Outcome): Verdict | undefined {
  if (metadata.deletionTimestamp === undefined || failure === undefined) return undefined;
  return { ...failure, type: "Reconciling", status: "True" };
}

/**
 * Ready while a deletion waits. What the object was good for may still be so, and the status says that; why it is not gone yet
 * stands where `kubectl get` shows it.
 */
function becauseOf(wait: Verdict, ready: Verdict): Verdict {
  return { ...ready, reason: DELETION_WAITS, message: wait.message };
}

function waitBegun(wait: Verdict, before: Condition | undefined): EventNote[] {
  if (before?.reason === wait.reason) return [];
  return [{ type: "Warning", reason: wait.reason, message: `deletion waits: ${wait.message}` }];
}

function conditionFrom(
  { type, status, reason, message }: Verdict,
  before: Condition | undefined,
  observedGeneration: number,
  now: number,
): Condition {
  const lastTransitionTime = before?.status === status ? before.lastTransitionTime : timeText(now);
  return { type, status, reason, message, lastTransitionTime, observedGeneration };
}

function retryOf(outcome: Outcome, ready: Verdict, patienceEndsInMs: number | undefined): Summary["retry"] {
  const { failure, unobserved, requeueAfterMs } = outcome;
  const worst = failure?.class ?? (unobserved === undefined ? undefined : "transient") ?? failingClass(ready);
  if (worst === "transient") return { do: "backoff", atLeastMs: failure?.retryAfterMs ?? 0 };
  // Times are whole seconds: a look at the very millisecond would find that 299.9 s have passed.
  const patience = patienceEndsInMs === undefined ? undefined : patienceEndsInMs + 1000;
  const next = [requeueAfterMs, failure?.retryAfterMs, patience].filter((ms) => ms !== undefined);
  return next.length === 0 ? { do: "none" } : { do: "after", ms: Math.max(0, Math.min(...next)) };
}

const failingClass = (ready: Verdict) => (ready.status === "True" ? undefined : ready.class);

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
    return { level: "warn", line: "could not look, will retry", reason, problem };
  if (same) return { level: "debug", line: "unchanged", reason };
  if (ready.status === "True") return { level: "info", line: "ready", reason };
  if (ready.class === "held") return { level: "info", line: "held", reason };
  if (stalled) return { level: "error", line: "not ready until somebody acts", reason, problem };
  if (ready.class === "transient") return { level: "warn", line: "not ready, will retry", reason, problem };
  return { level: "info", line: "waiting", reason };
}

/** One event when Ready turns, or is False for another reason than before; none at first sight. */
function turned(ready: Verdict, before: Condition | undefined): EventNote[] {
  if (ready.status === "Unknown" || (before?.status === ready.status && before.reason === ready.reason))
    return [];
  if (ready.status === "True")
    return before?.status === "True"
      ? []
      : [{ type: "Normal", reason: ready.reason, message: ready.message }];
  return [{ type: "Warning", reason: ready.reason, message: ready.message }];
}
