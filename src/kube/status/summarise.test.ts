import { describe, expect, test } from "vitest";
import type { KubeObject } from "../resource.ts";
import { type Condition, conditionOf, timeText } from "./conditions.ts";
import { type EventNote, type Outcome, type ReasonClass, summarise, type Verdict } from "./summarise.ts";

const NOW = Date.UTC(2026, 2, 1, 12);
const MINUTE = 60_000;
const object: KubeObject = {
  apiVersion: "x/v1",
  kind: "Widget",
  metadata: { name: "w", namespace: "n", generation: 7 },
};

const verdict = (
  type: string,
  status: Verdict["status"],
  reason: string,
  kind: ReasonClass,
  message = `about ${reason}`,
): Verdict => ({ type, status, reason, message, class: kind });
const ready = (status: Verdict["status"], reason: string, kind: ReasonClass) =>
  verdict("Ready", status, reason, kind);
const former = (
  type: string,
  status: Condition["status"],
  reason: string,
  agoMs: number,
  message = `about ${reason}`,
) => ({
  type,
  status,
  reason,
  message,
  lastTransitionTime: timeText(NOW - agoMs),
  observedGeneration: 6,
});

const good = ready("True", "Ready", "good");
const waits = ready("False", "SecretNotFound", "waiting");
const fault = ready("False", "Throttled", "transient");
const conflict = ready("False", "Conflict", "stalled");
const held = ready("False", "Suspended", "held");
const unknown = ready("Unknown", "Progressing", "waiting");
const wasReady = [former("Ready", "True", "Ready", 60 * MINUTE)];
const since = (reason: string, agoMs: number) => [
  former("Ready", "False", reason, agoMs),
  former("Reconciling", "True", reason, agoMs),
];
const overdue = [
  former("Ready", "False", "Throttled", 9 * MINUTE),
  former("Stalled", "True", "Throttled", 4 * MINUTE, "for more than 5 minutes: about Throttled"),
];
const blind: Outcome = { verdicts: [good], unobserved: [fault] };

interface SummaryRow {
  object?: KubeObject;
  given: Outcome;
  after?: Condition[];
  failures?: number;
  /** The expected status and reason of Ready, and which of Reconciling and Stalled is present. */
  gives: [status: string, reason: string, progress: "Reconciling" | "Stalled" | "neither"];
}
const PRESENT = {
  Reconciling: "with Reconciling",
  Stalled: "with Stalled",
  neither: "without Reconciling or Stalled",
};
const table: Record<string, SummaryRow> = {
  "nothing is known yet": {
    given: { verdicts: [unknown] },
    gives: ["Unknown", "Progressing", "Reconciling"],
  },
  "the object waits for another object, for the first time": {
    given: { verdicts: [waits] },
    gives: ["False", "SecretNotFound", "Reconciling"],
  },
  "the object has waited for 4 minutes and 59 seconds": {
    given: { verdicts: [waits] },
    after: since("SecretNotFound", 5 * MINUTE - 1000),
    gives: ["False", "SecretNotFound", "Reconciling"],
  },
  "the object has waited for 5 minutes": {
    given: { verdicts: [waits] },
    after: since("SecretNotFound", 5 * MINUTE),
    gives: ["False", "SecretNotFound", "Stalled"],
  },
  "the object has waited for 5 minutes since its first status": {
    given: { verdicts: [waits] },
    after: [
      former("Ready", "Unknown", "Progressing", 6 * MINUTE),
      former("Reconciling", "True", "Progressing", 6 * MINUTE),
    ],
    gives: ["False", "SecretNotFound", "Stalled"],
  },
  "the object has waited for over 5 minutes, and now for something else": {
    given: { verdicts: [fault] },
    after: since("SecretNotFound", 6 * MINUTE),
    gives: ["False", "Throttled", "Stalled"],
  },
  "the wait is overdue, and its transient reason changes": {
    given: { verdicts: [waits] },
    after: overdue,
    gives: ["False", "SecretNotFound", "Stalled"],
  },
  "somebody has acted on a stalled object, which now waits": {
    given: { verdicts: [waits] },
    after: [
      former("Ready", "False", "Conflict", 60 * MINUTE),
      former("Stalled", "True", "Conflict", 60 * MINUTE),
    ],
    gives: ["False", "SecretNotFound", "Reconciling"],
  },
  "the object was Ready, and an object that it refers to is gone": {
    given: { verdicts: [waits] },
    after: wasReady,
    gives: ["False", "SecretNotFound", "Reconciling"],
  },
  "the object has a transient fault and was never Ready": {
    given: { verdicts: [fault] },
    gives: ["False", "Throttled", "Reconciling"],
  },
  "somebody must change something": {
    given: { verdicts: [conflict] },
    gives: ["False", "Conflict", "Stalled"],
  },
  "the object was progressing, and somebody must change something": {
    given: { verdicts: [conflict] },
    after: since("SecretNotFound", MINUTE),
    gives: ["False", "Conflict", "Stalled"],
  },
  "the object was Stalled, and now everything is well": {
    given: { verdicts: [good] },
    after: overdue,
    gives: ["True", "Ready", "neither"],
  },
  "the spec forbids all changes, and a change would be needed": {
    given: { verdicts: [held] },
    gives: ["False", "Suspended", "neither"],
  },
  "the spec forbids all changes, and everything is well": {
    given: { verdicts: [good] },
    after: wasReady,
    gives: ["True", "Ready", "neither"],
  },
  "the object was Ready, and one resync could not observe it": {
    given: blind,
    after: wasReady,
    failures: 1,
    gives: ["True", "Ready", "neither"],
  },
  "the object was Ready, and two resyncs in a row could not observe it": {
    given: blind,
    after: wasReady,
    failures: 2,
    gives: ["True", "Ready", "neither"],
  },
  "the object was Ready, and three resyncs in a row could not observe it": {
    given: blind,
    after: wasReady,
    failures: 3,
    gives: ["False", "Throttled", "Reconciling"],
  },
  "the object cannot be observed and was never Ready": {
    given: blind,
    failures: 0,
    gives: ["False", "Throttled", "Reconciling"],
  },
  "the object was Ready, and the reconcile threw a transient failure": {
    given: { verdicts: [fault], failure: { reason: "Throttled", message: "m", class: "transient" } },
    after: wasReady,
    failures: 1,
    gives: ["True", "Ready", "neither"],
  },
  "the object was Ready, and the reconcile threw a stalled failure": {
    given: { verdicts: [conflict], failure: { reason: "Conflict", message: "m", class: "stalled" } },
    after: wasReady,
    gives: ["False", "Conflict", "Stalled"],
  },
  "the object cannot be observed, and something else is certainly wrong": {
    given: { verdicts: [conflict], unobserved: [fault] },
    after: wasReady,
    failures: 1,
    gives: ["False", "Conflict", "Stalled"],
  },
};

const summaryOf = ({ object: of = object, given, after = [], failures = 0 }: SummaryRow) =>
  summarise({
    object: of,
    outcome: given,
    previousStatus: { observedGeneration: 6, managedBy: "me", conditions: after },
    failuresInARow: failures,
    managedBy: "me",
    now: NOW,
  });
const conditionsOf = (row: SummaryRow) => summaryOf(row).status.conditions as Condition[];

for (const [name, row] of Object.entries(table))
  test(`when ${name}, Ready is ${row.gives[0]} ${PRESENT[row.gives[2]]}`, () => {
    const conditions = conditionsOf(row);
    const found = conditionOf({ conditions }, "Ready");
    const progress = conditions.filter(({ type }) => type === "Reconciling" || type === "Stalled");
    expect(progress.length).toBeLessThan(2);
    expect([found?.status, found?.reason, progress[0]?.type ?? "neither"]).toEqual(row.gives);
    expect(progress.every(({ status }) => status === "True")).toBe(true);
  });

describe("the conditions of a status", () => {
  test("each condition names the generation that was judged, and so does the status", () => {
    const { status } = summaryOf({ given: { verdicts: [fault] }, gives: ["", "", "neither"] });
    expect(status.observedGeneration).toBe(7);
    for (const condition of status.conditions as Condition[]) expect(condition.observedGeneration).toBe(7);
  });
  test("lastTransitionTime stays when only reason and message change", () => {
    const [found] = conditionsOf({
      given: { verdicts: [conflict] },
      after: since("SecretNotFound", MINUTE),
      gives: ["", "", "neither"],
    });
    expect(found).toMatchObject({ reason: "Conflict", lastTransitionTime: timeText(NOW - MINUTE) });
  });
  test("lastTransitionTime changes when the condition's status changes", () => {
    const [found] = conditionsOf({
      given: { verdicts: [conflict] },
      after: wasReady,
      gives: ["", "", "neither"],
    });
    expect(found?.lastTransitionTime).toBe(timeText(NOW));
  });
  test("Ready stays True when the object could not be observed after a change of its spec", () => {
    const [found] = conditionsOf({ given: blind, after: wasReady, failures: 1, gives: ["", "", "neither"] });
    expect(found).toMatchObject({ status: "True", observedGeneration: 7 });
  });
  test("each condition that could not be checked stays True, whatever the other conditions become", () => {
    const parts = [
      verdict("Seen", "False", "Conflict", "stalled"),
      verdict("Unseen", "Unknown", "Progressing", "waiting"),
      ready("False", "Throttled", "transient"),
    ];
    const after = [
      former("Seen", "True", "Good", MINUTE),
      former("Unseen", "True", "Good", MINUTE),
      ...wasReady,
    ];
    const conditions = conditionsOf({
      given: { verdicts: parts, unobserved: [] },
      after,
      failures: 1,
      gives: ["", "", "neither"],
    });
    expect(conditions.map(({ type, status }) => [type, status])).toEqual([
      ["Seen", "False"],
      ["Unseen", "True"],
      ["Ready", "True"],
    ]);
  });
  test("the same outcome gives the same status at a later time", () => {
    const first = summaryOf({ given: { verdicts: [conflict] }, gives: ["", "", "neither"] });
    const again = summarise({
      object,
      outcome: { verdicts: [conflict] },
      previousStatus: first.status,
      failuresInARow: 0,
      managedBy: "me",
      now: NOW + 60 * MINUTE,
    });
    expect(again.status).toEqual(first.status);
    expect(again.events).toEqual([]);
  });
  test("an outcome that has no verdict for Ready is an error", () =>
    expect(() => summaryOf({ given: { verdicts: [] }, gives: ["", "", "neither"] })).toThrow(/Ready/));
});

describe("while an object is being deleted", () => {
  const deleting: KubeObject = {
    ...object,
    metadata: { ...object.metadata, deletionTimestamp: timeText(NOW - MINUTE) },
  };
  const failure = { reason: "Throttled", message: "about Throttled", class: "transient" as const };
  const of = (outcome: Outcome, conditions: Condition[], of = deleting) =>
    summarise({
      object: of,
      outcome,
      previousStatus: { conditions },
      failuresInARow: 0,
      managedBy: "me",
      now: NOW,
    });
  const told: EventNote = {
    type: "Warning",
    reason: "Throttled",
    message: "deletion waits: about Throttled",
  };

  const notReady = [former("Ready", "False", "Conflict", 60 * MINUTE)];
  const waiting = (status: Condition["status"]) => [
    former("Ready", status, "DeletionWaits", MINUTE, "about Throttled"),
    former("Reconciling", "True", "Throttled", MINUTE),
  ];
  const rows: Record<
    string,
    [outcome: Outcome, after: Condition[], readyStatus: string, events: EventNote[]]
  > = {
    "the object was Ready": [{ verdicts: [fault], failure }, wasReady, "True", [told]],
    "the object was not Ready": [{ verdicts: [conflict], failure }, notReady, "False", [told]],
    "the object was not Ready for another reason": [
      { verdicts: [fault], failure },
      notReady,
      "False",
      [told],
    ],
    "nothing was known about the object": [{ verdicts: [unknown], failure }, [], "Unknown", [told]],
    "the object was Ready, and the deletion still waits": [
      { verdicts: [fault], failure },
      waiting("True"),
      "True",
      [],
    ],
    "the object was not Ready, and the deletion still waits": [
      { verdicts: [fault], failure },
      waiting("False"),
      "False",
      [],
    ],
  };
  for (const [name, [outcome, after, status, events]] of Object.entries(rows))
    test(`${name}: Ready keeps its status and says that the deletion waits`, () => {
      const summary = of(outcome, after);
      const conditions = summary.status.conditions as Condition[];
      expect(conditions).toMatchObject([
        { type: "Ready", status, reason: "DeletionWaits", message: failure.message },
        { type: "Reconciling", status: "True", reason: failure.reason, message: failure.message },
      ]);
      expect(summary.events).toEqual(events);
      // The next attempt finds the same problem: the status stays, and there is no event.
      const again = of(outcome, conditions);
      expect(again.status.conditions).toEqual(conditions);
      expect([again.events, again.retry.do]).toEqual([[], "backoff"]);
    });
  test("Ready is False after three resyncs that could not read the outside system, and keeps its reason", () => {
    const [found] = conditionsOf({
      object: deleting,
      given: { verdicts: [fault], failure },
      after: waiting("True"),
      failures: 3,
      gives: ["", "", "neither"],
    });
    expect(found).toMatchObject({ status: "False", reason: "DeletionWaits" });
  });
  test("the other conditions stay as they were before the deletion", () => {
    const parts = [verdict("Accepted", "True", "Accepted", "good"), fault];
    const { status } = of({ verdicts: parts, failure }, [
      former("Accepted", "True", "Accepted", MINUTE),
      ...wasReady,
    ]);
    expect((status.conditions as Condition[]).map(({ type, reason }) => [type, reason])).toEqual([
      ["Accepted", "Accepted"],
      ["Ready", "DeletionWaits"],
      ["Reconciling", "Throttled"],
    ]);
  });
  test("the log warns once about a deletion that waits", () => {
    expect(of({ verdicts: [fault], failure }, notReady).log.level).toBe("warn");
    expect(of({ verdicts: [fault], failure }, waiting("False")).log.level).toBe("debug");
  });
  test("Stalled is removed, because the finalizer lets the object go after a time and nobody has to act", () => {
    const { status, events } = of({ verdicts: [conflict], failure }, [
      former("Ready", "False", "Conflict", 60 * MINUTE),
      former("Stalled", "True", "Conflict", 60 * MINUTE),
    ]);
    const types = (status.conditions as Condition[]).map(({ type }) => type);
    expect(types).toEqual(["Ready", "Reconciling"]);
    expect(events).toEqual([told]);
  });
  test("there is only one event, however long the deletion waits", () => {
    const after = [...wasReady, former("Reconciling", "True", "Throttled", 9 * MINUTE)];
    expect(of({ verdicts: [fault], failure }, after).events).toEqual([]);
  });
  test("in contrast, a transient failure of a Ready object that is not being deleted causes no event and keeps Ready as it is", () => {
    const { status, events } = of({ verdicts: [fault], failure }, wasReady, object);
    expect(events).toEqual([]);
    expect((status.conditions as Condition[]).map(({ reason }) => reason)).toEqual(["Ready"]);
  });
});

describe("the status fields of the kind", () => {
  const previousStatus = { managedBy: "other", conditions: [], url: "https://old", sid: "PN1" };
  const of = (outcome: Outcome) =>
    summarise({ object, outcome, previousStatus, failuresInARow: 0, managedBy: "me", now: NOW }).status;
  test("stay when the outcome has no status fields", () =>
    expect(of({ verdicts: [fault] })).toMatchObject({ url: "https://old", sid: "PN1", managedBy: "me" }));
  test("are all replaced when the outcome has status fields", () => {
    const status = of({ verdicts: [good], status: { url: "https://new" } });
    expect(status.url).toBe("https://new");
    expect(status).not.toHaveProperty("sid");
  });
});

describe("the next attempt", () => {
  const rows: Record<string, [SummaryRow, object]> = {
    "comes when the wait will have lasted 5 minutes": [
      { given: { verdicts: [waits] }, after: since("SecretNotFound", MINUTE), gives: ["", "", "neither"] },
      { do: "after", ms: 4 * MINUTE + 1000 },
    ],
    "does not come by itself when a wait is overdue": [
      { given: { verdicts: [waits] }, after: overdue, gives: ["", "", "neither"] },
      { do: "none" },
    ],
    "comes with backoff after a transient fault": [
      { given: { verdicts: [fault] }, gives: ["", "", "neither"] },
      { do: "backoff", atLeastMs: 0 },
    ],
    "comes no earlier than Retry-After says": [
      {
        given: {
          verdicts: [fault],
          failure: { reason: "T", message: "m", class: "transient", retryAfterMs: 9000 },
        },
        gives: ["", "", "neither"],
      },
      { do: "backoff", atLeastMs: 9000 },
    ],
    "comes with backoff when something could not be checked, although Ready is True": [
      { given: blind, after: wasReady, failures: 1, gives: ["", "", "neither"] },
      { do: "backoff", atLeastMs: 0 },
    ],
    "does not come by itself when the object is stalled": [
      { given: { verdicts: [conflict] }, gives: ["", "", "neither"] },
      { do: "none" },
    ],
    "does not come by itself when the spec forbids all changes": [
      { given: { verdicts: [held] }, gives: ["", "", "neither"] },
      { do: "none" },
    ],
    "comes at the time that the reconciler asked for": [
      { given: { verdicts: [good], requeueAfterMs: 1234 }, gives: ["", "", "neither"] },
      { do: "after", ms: 1234 },
    ],
    "comes at the time that the reconciler asked for, or when a wait has lasted 5 minutes if that is earlier":
      [
        { given: { verdicts: [waits], requeueAfterMs: 1234 }, gives: ["", "", "neither"] },
        { do: "after", ms: 1234 },
      ],
  };
  for (const [name, [row, want]] of Object.entries(rows))
    test(name, () => expect(summaryOf(row).retry).toEqual(want));
});

describe("the log level and the events of a reconcile", () => {
  const rows: Record<string, [SummaryRow, level: string, events: string[]]> = {
    "the first status is logged without an event": [
      { given: { verdicts: [unknown] }, gives: ["", "", "neither"] },
      "info",
      [],
    ],
    "an object that becomes Ready has an event": [
      { given: { verdicts: [good] }, after: since("SecretNotFound", MINUTE), gives: ["", "", "neither"] },
      "info",
      ["Normal Ready"],
    ],
    "an object that stays Ready causes only a debug line": [
      { given: { verdicts: [good] }, after: wasReady, gives: ["", "", "neither"] },
      "debug",
      [],
    ],
    "an object that is no longer Ready has a Warning event": [
      { given: { verdicts: [conflict] }, after: wasReady, gives: ["", "", "neither"] },
      "error",
      ["Warning Conflict"],
    ],
    "an object that fails for another reason than before has a Warning event": [
      { given: { verdicts: [conflict] }, after: since("SecretNotFound", MINUTE), gives: ["", "", "neither"] },
      "error",
      ["Warning Conflict"],
    ],
    "the same failure again causes only a debug line": [
      { given: { verdicts: [fault] }, after: since("Throttled", MINUTE), gives: ["", "", "neither"] },
      "debug",
      [],
    ],
    "an object that is Ready and could not be checked is logged, without an event": [
      { given: blind, after: wasReady, failures: 1, gives: ["", "", "neither"] },
      "warn",
      [],
    ],
  };
  for (const [name, [row, level, events]] of Object.entries(rows))
    test(name, () => {
      const summary = summaryOf(row);
      expect(summary.log.level).toBe(level);
      // A log line about trouble also names the cause.
      const isTrouble = level === "warn" || level === "error";
      expect(summary.log.problem !== undefined).toBe(isTrouble);
      expect(summary.events.map(({ type, reason }) => `${type} ${reason}`)).toEqual(events);
    });
});
