/**
 * Turns what a reconcile found into the object's status, the time of the next look, the log line and the events.
 *
 * Reconcilers never write conditions. They return verdicts, and this one pure function applies the rules that every
 * controller has to get right:
 * - `observedGeneration` names the spec that was judged, so that a reader can tell whether a change of the spec has been
 *   looked at yet. `kubectl wait` and Argo CD compare it with `metadata.generation`.
 * - `lastTransitionTime` changes only when a condition's status does, so that it says since when.
 * - The same facts give the same bytes. A status write is a watch event for ourselves as well; a message with a time or a
 *   request id in it would make the controller wake itself for ever.
 * - `Reconciling` and `Stalled` exist only while they are True. They are the two conditions of kstatus, by which tools
 *   tell "in progress" from "failed" without knowing the kind.
 *
 * docs/adr/0005 has the table of states. Kubernetes' own rules:
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
 * What a reason says about the time to come. The table in docs/adr/0005 says what each class means for `Ready`.
 * - `good`: nothing to do.
 * - `waiting`: for another object of the cluster, which may be on its way (a Helm install, a sync wave).
 * - `transient`: something outside did not answer, or refused for now; retried with backoff.
 * - `stalled`: someone must change something; retried on a change and at each resync, never in a tight loop.
 * - `held`: this object was told to leave things alone.
 */
export type ReasonClass = "good" | "waiting" | "transient" | "stalled" | "held";

/** What a reconciler says a condition is, before time and generation are added. */
export interface Verdict {
  type: string;
  status: ConditionStatus;
  reason: string;
  /** The same text for the same fact, without ids, times or bodies: any difference is another write and another event. */
  message: string;
  class: ReasonClass;
}

/** An event to record, if the limits of `EventRecorder` allow it. */
export interface EventNote {
  type: "Normal" | "Warning";
  reason: string;
  message: string;
  /** What was done, as a verb such as `SetWebhook`. Default: `Reconcile`. */
  action?: string;
}

/** What one look at an object found. */
export interface Outcome {
  /** All conditions of the kind, each time; `Ready` is one of them. One that is left out disappears from the status. */
  verdicts: readonly Verdict[];
  /** All other status fields that this controller owns. Absent: they stay as they are. */
  status?: Record<string, unknown>;
  events?: readonly EventNote[];
  /** The object is looked at again after this long at the latest. */
  requeueAfterMs?: number;
  /**
   * Set when an outside system could not be looked at. Until that has happened in three resyncs in a row, what was True
   * stays True: an API that does not answer for a minute takes nothing away from what was set up there.
   * After that, or when the object was not Ready before, these verdicts replace those of the same type.
   */
  unobserved?: readonly Verdict[];
  /** What stopped the look. A transient one means "could not be looked at", like `unobserved`. */
  failure?: { reason: string; message: string; class: ReasonClass; retryAfterMs?: number | undefined };
}

export interface Summary {
  /** The whole configuration to apply to /status: with server-side apply a field that we leave out is removed. */
  status: Record<string, unknown>;
  ready: ConditionStatus;
  /** `backoff`: the queue's own growing delay, at least `atLeastMs`. */
  retry: { do: "none" } | { do: "after"; ms: number } | { do: "backoff"; atLeastMs: number };
  /** `problem` is the reason's message; it is set on lines that report trouble. */
  log: { level: "debug" | "info" | "warn" | "error"; line: string; reason: string; problem?: string };
  events: EventNote[];
}

/**
 * After this long a wait is no longer progress: Reconciling becomes Stalled, and Argo CD shows Degraded. Long enough for
 * a Helm install or a sync wave to bring the object that is waited for, short enough for a person who watches a rollout.
 */
export const PATIENCE_MS = 5 * 60_000;
/** After this many resyncs in a row without a look at the outside system, nobody may rely on what was seen before. */
export const UNOBSERVED_RESYNCS = 3;
/**
 * Begins the message of a Stalled that time brought about. The status is the only memory that survives a restart, so the
 * mark stands in it: while it is there, a change from one transient reason to another does not start the time again.
 */
const OVERDUE = "for more than 5 minutes: ";

/** Ready's reason while a finalizer cannot do its work; Reconciling has the failure's own reason. */
const DELETION_WAITS = "DeletionWaits";

/** Pure: the same input gives the same summary, and nothing is read or written. */
export function summarise(input: {
  object: KubeObject;
  outcome: Outcome;
  /** The object's status as we last knew it, without the fields that another field manager owns. */
  previousStatus: (RuntimeStatus & Record<string, unknown>) | undefined;
  /** Resyncs in a row, this one included, that could not look at the outside system. */
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
  // A kind without Ready could not be waited for, and would show as healthy in tools that look for it.
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

/** The verdicts that count. A look that did not succeed does not take Ready away from an object that had it. */
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
  // What is certain (a reference is gone, a conflict) counts at once, whatever else could not be seen.
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
  /** In how long the wait will have lasted too long; set while Reconciling because of a wait. */
  patienceEndsInMs?: number;
}

function progressOf(ready: Verdict, previous: RuntimeStatus | undefined, now: number): ProgressConditions {
  const reconciling: Verdict = { ...ready, type: "Reconciling", status: "True" };
  const stalled: Verdict = { ...ready, type: "Stalled", status: "True" };
  if (ready.status === "True") return { conditions: [], stalled: false };
  if (ready.status === "Unknown") return { conditions: [reconciling], stalled: false };
  if (ready.class === "held") return { conditions: [], stalled: false };
  if (ready.class === "stalled") return { conditions: [stalled], stalled: true };

  // The time is taken from the status and not from memory: it goes on counting when the process restarts or another leads.
  const overdue = conditionOf(previous, "Stalled")?.message.startsWith(OVERDUE) === true;
  const since = conditionOf(previous, "Reconciling")?.lastTransitionTime;
  const waitedMs = since === undefined ? 0 : now - Date.parse(since);
  if (overdue || waitedMs >= PATIENCE_MS)
    return { conditions: [{ ...stalled, message: OVERDUE + ready.message }], stalled: true };
  // The upper bound is for a wall clock that was set back: `waitedMs` is negative then, and the wait would get longer.
  return {
    conditions: [reconciling],
    stalled: false,
    patienceEndsInMs: Math.min(PATIENCE_MS, PATIENCE_MS - waitedMs),
  };
}

/**
 * What a finalizer waits for, as the condition Reconciling. It is never Stalled: nobody has to act, as our finalizers let
 * go by themselves after a time.
 */
function deletionWait({ metadata }: KubeObject, { failure }: Outcome): Verdict | undefined {
  if (metadata.deletionTimestamp === undefined || failure === undefined) return undefined;
  return { ...failure, type: "Reconciling", status: "True" };
}

/**
 * Ready while a deletion waits. The status stays, since what the object stands for may still work. The reason says why the
 * object is not gone yet, because `kubectl get` shows nothing of the conditions but Ready's reason.
 */
function becauseOf(wait: Verdict, ready: Verdict): Verdict {
  return { ...ready, reason: DELETION_WAITS, message: wait.message };
}

/** One event when a deletion begins to wait, or waits for something else than before. */
function waitBegun(wait: Verdict, before: Condition | undefined): EventNote[] {
  if (before?.reason === wait.reason) return [];
  return [{ type: "Warning", reason: wait.reason, message: `deletion waits: ${wait.message}` }];
}

/** Adds time and generation to a verdict. `before` is the same condition in the status as it was. */
function conditionFrom(
  { type, status, reason, message }: Verdict,
  before: Condition | undefined,
  observedGeneration: number,
  now: number,
): Condition {
  const lastTransitionTime = before?.status === status ? before.lastTransitionTime : timeText(now);
  return { type, status, reason, message, lastTransitionTime, observedGeneration };
}

/** The next look: with backoff after a transient failure, else at the earliest of the times that matter, or never. */
function retryOf(outcome: Outcome, ready: Verdict, patienceEndsInMs: number | undefined): Summary["retry"] {
  const { failure, unobserved, requeueAfterMs } = outcome;
  const worst = failure?.class ?? (unobserved === undefined ? undefined : "transient") ?? failingClass(ready);
  if (worst === "transient") return { do: "backoff", atLeastMs: failure?.retryAfterMs ?? 0 };
  // One second more, because times in a status are whole seconds: a look at the very moment may find 299.9 s passed.
  const patience = patienceEndsInMs === undefined ? undefined : patienceEndsInMs + 1000;
  const next = [requeueAfterMs, failure?.retryAfterMs, patience].filter((ms) => ms !== undefined);
  return next.length === 0 ? { do: "none" } : { do: "after", ms: Math.max(0, Math.min(...next)) };
}

const failingClass = (ready: Verdict) => (ready.status === "True" ? undefined : ready.class);

/**
 * The log line of a look. Only what is new is above `debug`: a problem that lasts an hour is retried a hundred times, and
 * its line would bury the others. What still is so is in the status.
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

/** One event when Ready changes, or is False for another reason than before. None at first sight, when nothing is known. */
function turned(ready: Verdict, before: Condition | undefined): EventNote[] {
  if (ready.status === "Unknown" || (before?.status === ready.status && before.reason === ready.reason))
    return [];
  if (ready.status === "True")
    return before?.status === "True"
      ? []
      : [{ type: "Normal", reason: ready.reason, message: ready.message }];
  return [{ type: "Warning", reason: ready.reason, message: ready.message }];
}
