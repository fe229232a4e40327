import { describe, expect, test } from "vitest";
import { type Condition, conditionOf, timeText } from "./conditions.ts";
import type { KubeObject } from "./resource.ts";
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
  /** Ready's status and reason, and which of Reconciling and Stalled is there. */
  gives: [status: string, reason: string, progress: "Reconciling" | "Stalled" | "neither"];
}
const table: Record<string, SummaryRow> = {
  "nothing known yet": { given: { verdicts: [unknown] }, gives: ["Unknown", "Progressing", "Reconciling"] },
  "waits for another object, first time": {
    given: { verdicts: [waits] },
    gives: ["False", "SecretNotFound", "Reconciling"],
  },
  "waits for 4 minutes 59": {
    given: { verdicts: [waits] },
    after: since("SecretNotFound", 5 * MINUTE - 1000),
    gives: ["False", "SecretNotFound", "Reconciling"],
  },
  "waits for 5 minutes": {
    given: { verdicts: [waits] },
    after: since("SecretNotFound", 5 * MINUTE),
    gives: ["False", "SecretNotFound", "Stalled"],
  },
  "the 5 minutes count from the first sight": {
    given: { verdicts: [waits] },
    after: [
      former("Ready", "Unknown", "Progressing", 6 * MINUTE),
      former("Reconciling", "True", "Progressing", 6 * MINUTE),
    ],
    gives: ["False", "SecretNotFound", "Stalled"],
  },
  "another thing to wait for does not begin the 5 minutes anew": {
    given: { verdicts: [fault] },
    after: since("SecretNotFound", 6 * MINUTE),
    gives: ["False", "Throttled", "Stalled"],
  },
  "overdue stays overdue when the transient reason changes": {
    given: { verdicts: [waits] },
    after: overdue,
    gives: ["False", "SecretNotFound", "Stalled"],
  },
  "after somebody acted on a stalled object, a wait is progress again": {
    given: { verdicts: [waits] },
    after: [
      former("Ready", "False", "Conflict", 60 * MINUTE),
      former("Stalled", "True", "Conflict", 60 * MINUTE),
    ],
    gives: ["False", "SecretNotFound", "Reconciling"],
  },
  "was Ready, then a reference goes": {
    given: { verdicts: [waits] },
    after: wasReady,
    gives: ["False", "SecretNotFound", "Reconciling"],
  },
  "a transient fault, not yet Ready": {
    given: { verdicts: [fault] },
    gives: ["False", "Throttled", "Reconciling"],
  },
  "spec, credentials, conflict, foreign webhook": {
    given: { verdicts: [conflict] },
    gives: ["False", "Conflict", "Stalled"],
  },
  "stalled while it was progressing": {
    given: { verdicts: [conflict] },
    after: since("SecretNotFound", MINUTE),
    gives: ["False", "Conflict", "Stalled"],
  },
  "good after having been stalled": {
    given: { verdicts: [good] },
    after: overdue,
    gives: ["True", "Ready", "neither"],
  },
  "held, and a change would be needed": {
    given: { verdicts: [held] },
    gives: ["False", "Suspended", "neither"],
  },
  "held, and all is well": {
    given: { verdicts: [good] },
    after: wasReady,
    gives: ["True", "Ready", "neither"],
  },
  "was Ready, cannot be observed for the first time": {
    given: blind,
    after: wasReady,
    failures: 1,
    gives: ["True", "Ready", "neither"],
  },
  "was Ready, cannot be observed for the second time": {
    given: blind,
    after: wasReady,
    failures: 2,
    gives: ["True", "Ready", "neither"],
  },
  "was Ready, three resyncs in a row could not observe": {
    given: blind,
    after: wasReady,
    failures: 3,
    gives: ["False", "Throttled", "Reconciling"],
  },
  "cannot be observed and never was Ready": {
    given: blind,
    failures: 0,
    gives: ["False", "Throttled", "Reconciling"],
  },
  "was Ready, and the look threw a transient failure": {
    given: { verdicts: [fault], failure: { reason: "Throttled", message: "m", class: "transient" } },
    after: wasReady,
    failures: 1,
    gives: ["True", "Ready", "neither"],
  },
  "was Ready, and the look threw a stalled failure": {
    given: { verdicts: [conflict], failure: { reason: "Conflict", message: "m", class: "stalled" } },
    after: wasReady,
    gives: ["False", "Conflict", "Stalled"],
  },
  "cannot be observed, but something else is certainly wrong": {
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
  test(name, () => {
    const conditions = conditionsOf(row);
    const found = conditionOf({ conditions }, "Ready");
    const progress = conditions.filter(({ type }) => type === "Reconciling" || type === "Stalled");
    expect(progress.length).toBeLessThan(2);
    expect([found?.status, found?.reason, progress[0]?.type ?? "neither"]).toEqual(row.gives);
    expect(progress.every(({ status }) => status === "True")).toBe(true);
  });

describe("conditions", () => {
  test("each names the generation it is about, as the status does", () => {
    const { status } = summaryOf({ given: { verdicts: [fault] }, gives: ["", "", "neither"] });
    expect(status.observedGeneration).toBe(7);
    for (const condition of status.conditions as Condition[]) expect(condition.observedGeneration).toBe(7);
  });
  test("lastTransitionTime stays while only reason and message change", () => {
    const [found] = conditionsOf({
      given: { verdicts: [conflict] },
      after: since("SecretNotFound", MINUTE),
      gives: ["", "", "neither"],
    });
    expect(found).toMatchObject({ reason: "Conflict", lastTransitionTime: timeText(NOW - MINUTE) });
  });
  test("lastTransitionTime moves with the status", () => {
    const [found] = conditionsOf({
      given: { verdicts: [conflict] },
      after: wasReady,
      gives: ["", "", "neither"],
    });
    expect(found?.lastTransitionTime).toBe(timeText(NOW));
  });
  test("a new generation does not make Ready unknown again", () => {
    const [found] = conditionsOf({ given: blind, after: wasReady, failures: 1, gives: ["", "", "neither"] });
    expect(found).toMatchObject({ status: "True", observedGeneration: 7 });
  });
  test("what could not be seen stays for each condition by itself", () => {
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
  test("the same outcome gives the same status at any later time", () => {
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
  test("an outcome without Ready is a bug", () =>
    expect(() => summaryOf({ given: { verdicts: [] }, gives: ["", "", "neither"] })).toThrow(/Ready/));
});

describe("while it is being deleted", () => {
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
    "was Ready": [{ verdicts: [fault], failure }, wasReady, "True", [told]],
    "was not Ready": [{ verdicts: [conflict], failure }, notReady, "False", [told]],
    "was not Ready for another reason": [{ verdicts: [fault], failure }, notReady, "False", [told]],
    "nothing was known": [{ verdicts: [unknown], failure }, [], "Unknown", [told]],
    "was Ready, and waits still": [{ verdicts: [fault], failure }, waiting("True"), "True", []],
    "was not Ready, and waits still": [{ verdicts: [fault], failure }, waiting("False"), "False", []],
  };
  for (const [name, [outcome, after, status, events]] of Object.entries(rows))
    test(`${name}: Ready keeps its status, and its reason is that the deletion waits`, () => {
      const summary = of(outcome, after);
      const conditions = summary.status.conditions as Condition[];
      expect(conditions).toMatchObject([
        { type: "Ready", status, reason: "DeletionWaits", message: failure.message },
        { type: "Reconciling", status: "True", reason: failure.reason, message: failure.message },
      ]);
      expect(summary.events).toEqual(events);
      // The next try finds the same: no other status, nothing to tell.
      const again = of(outcome, conditions);
      expect(again.status.conditions).toEqual(conditions);
      expect([again.events, again.retry.do]).toEqual([[], "backoff"]);
    });
  test("after three resyncs that could not look Ready is False, and its reason stays", () => {
    const [found] = conditionsOf({
      object: deleting,
      given: { verdicts: [fault], failure },
      after: waiting("True"),
      failures: 3,
      gives: ["", "", "neither"],
    });
    expect(found).toMatchObject({ status: "False", reason: "DeletionWaits" });
  });
  test("the other conditions say what they said", () => {
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
  test("one line in the log that warns, and then none", () => {
    expect(of({ verdicts: [fault], failure }, notReady).log.level).toBe("warn");
    expect(of({ verdicts: [fault], failure }, waiting("False")).log.level).toBe("debug");
  });
  test("what was Stalled is no longer: the finalizer lets go by itself", () => {
    const { status, events } = of({ verdicts: [conflict], failure }, [
      former("Ready", "False", "Conflict", 60 * MINUTE),
      former("Stalled", "True", "Conflict", 60 * MINUTE),
    ]);
    const types = (status.conditions as Condition[]).map(({ type }) => type);
    expect(types).toEqual(["Ready", "Reconciling"]);
    expect(events).toEqual([told]);
  });
  test("told once, however long it lasts", () => {
    const after = [...wasReady, former("Reconciling", "True", "Throttled", 9 * MINUTE)];
    expect(of({ verdicts: [fault], failure }, after).events).toEqual([]);
  });
  test("the same failure without a deletion is no news, and Ready's reason stays", () => {
    const { status, events } = of({ verdicts: [fault], failure }, wasReady, object);
    expect(events).toEqual([]);
    expect((status.conditions as Condition[]).map(({ reason }) => reason)).toEqual(["Ready"]);
  });
});

describe("other status fields", () => {
  const previousStatus = { managedBy: "other", conditions: [], url: "https://old", sid: "PN1" };
  const of = (outcome: Outcome) =>
    summarise({ object, outcome, previousStatus, failuresInARow: 0, managedBy: "me", now: NOW }).status;
  test("stay when the outcome does not speak of them", () =>
    expect(of({ verdicts: [fault] })).toMatchObject({ url: "https://old", sid: "PN1", managedBy: "me" }));
  test("are all replaced when it does", () => {
    const status = of({ verdicts: [good], status: { url: "https://new" } });
    expect(status.url).toBe("https://new");
    expect(status).not.toHaveProperty("sid");
  });
});

describe("when it is looked at again", () => {
  const rows: Record<string, [SummaryRow, object]> = {
    "a wait: when it has lasted too long": [
      { given: { verdicts: [waits] }, after: since("SecretNotFound", MINUTE), gives: ["", "", "neither"] },
      { do: "after", ms: 4 * MINUTE + 1000 },
    ],
    "a wait that is overdue: not by itself": [
      { given: { verdicts: [waits] }, after: overdue, gives: ["", "", "neither"] },
      { do: "none" },
    ],
    "a transient fault: with backoff": [
      { given: { verdicts: [fault] }, gives: ["", "", "neither"] },
      { do: "backoff", atLeastMs: 0 },
    ],
    "a transient fault with Retry-After: not before that": [
      {
        given: {
          verdicts: [fault],
          failure: { reason: "T", message: "m", class: "transient", retryAfterMs: 9000 },
        },
        gives: ["", "", "neither"],
      },
      { do: "backoff", atLeastMs: 9000 },
    ],
    "what could not be seen: with backoff, though Ready": [
      { given: blind, after: wasReady, failures: 1, gives: ["", "", "neither"] },
      { do: "backoff", atLeastMs: 0 },
    ],
    "stalled: never hot": [{ given: { verdicts: [conflict] }, gives: ["", "", "neither"] }, { do: "none" }],
    "held: not by itself": [{ given: { verdicts: [held] }, gives: ["", "", "neither"] }, { do: "none" }],
    "good: when the reconciler asked for it": [
      { given: { verdicts: [good], requeueAfterMs: 1234 }, gives: ["", "", "neither"] },
      { do: "after", ms: 1234 },
    ],
    "the earlier of what was asked for and of patience": [
      { given: { verdicts: [waits], requeueAfterMs: 1234 }, gives: ["", "", "neither"] },
      { do: "after", ms: 1234 },
    ],
  };
  for (const [name, [row, want]] of Object.entries(rows))
    test(name, () => expect(summaryOf(row).retry).toEqual(want));
});

describe("what is told", () => {
  const rows: Record<string, [SummaryRow, level: string, events: string[]]> = {
    "nothing at first sight": [{ given: { verdicts: [unknown] }, gives: ["", "", "neither"] }, "info", []],
    "becoming Ready": [
      { given: { verdicts: [good] }, after: since("SecretNotFound", MINUTE), gives: ["", "", "neither"] },
      "info",
      ["Normal Ready"],
    ],
    "staying Ready": [
      { given: { verdicts: [good] }, after: wasReady, gives: ["", "", "neither"] },
      "debug",
      [],
    ],
    "no longer Ready": [
      { given: { verdicts: [conflict] }, after: wasReady, gives: ["", "", "neither"] },
      "error",
      ["Warning Conflict"],
    ],
    "another reason": [
      { given: { verdicts: [conflict] }, after: since("SecretNotFound", MINUTE), gives: ["", "", "neither"] },
      "error",
      ["Warning Conflict"],
    ],
    "the same trouble again": [
      { given: { verdicts: [fault] }, after: since("Throttled", MINUTE), gives: ["", "", "neither"] },
      "debug",
      [],
    ],
    "Ready, but it could not be looked at": [
      { given: blind, after: wasReady, failures: 1, gives: ["", "", "neither"] },
      "warn",
      [],
    ],
  };
  for (const [name, [row, level, events]] of Object.entries(rows))
    test(name, () => {
      const summary = summaryOf(row);
      expect(summary.log.level).toBe(level);
      // Who reads of trouble in the log finds its cause there.
      const isTrouble = level === "warn" || level === "error";
      expect(summary.log.problem !== undefined).toBe(isTrouble);
      expect(summary.events.map(({ type, reason }) => `${type} ${reason}`)).toEqual(events);
    });
});
