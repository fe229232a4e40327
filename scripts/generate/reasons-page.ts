import { type Reason, type ReasonClass, reasons } from "../../src/api/reasons.ts";

const classes: Record<ReasonClass, string> = {
  good: "nothing to do",
  waiting: "waits for another object",
  transient: "tried again with backoff",
  stalled: "someone must change something",
  held: "told to leave things alone",
};

/** `docs/reasons.md`: condition × status × reason, with meaning and remedy. */
export function reasonsPage(): [string, string][] {
  const rows = Object.keys(reasons).flatMap((name) => rowsOf(name as Reason));
  const conditions = [...new Set(rows.map(({ condition }) => condition))].sort();
  const sections = conditions.map((condition) => {
    const lines = rows.filter((row) => row.condition === condition).map(({ line }) => line);
    return [
      `## ${condition}`,
      "",
      "| status | reason | meaning | remedy | then |",
      "| --- | --- | --- | --- | --- |",
      ...lines,
      "",
    ];
  });
  return [["docs/reasons.md", [...intro, ...sections.flat(), ...events].join("\n")]];
}

const intro = [
  "# Reasons",
  "",
  "<!-- Generated from src/api/reasons.ts by `npm run generate`. Do not edit. -->",
  "",
  "Every reason that stands in a condition; events, log lines and metrics' labels use the same words. `kubectl get` shows the reason of",
  "`Ready`, and `-o wide` its message, which tells the remedy for the case at hand. `Ready` has the reason of the first",
  "condition that keeps it from being `True`, so look that one up in the sections of the other conditions. A WorkStream's `NumberReady`",
  "has the reason of its SmsNumber's `Ready`; `Reconciling` and `Stalled` have that of `Ready`. While an object's deletion waits, `Ready`",
  "has the reason `DeletionWaits`, and `Reconciling` that of what it waits for.",
  "",
  "Names in capitals are settings of the processes; in the chart `PUBLIC_URL` is `publicUrl`, `ROUTE_SHARDS` `routeShards`,",
  "`MAX_STREAMS_PER_NAMESPACE` `maxStreamsPerNamespace`, `URL_CHECK` `urlCheck.mode`. What only events tell stands at the end.",
  "",
];

/** What becomes of a number's webhook is an event; a condition says only how things are. */
const events = [
  "## Events alone",
  "",
  "| type | reason | meaning |",
  "| --- | --- | --- |",
  "| Normal | `WebhookSet` | The number's webhook leads to this cluster now. |",
  "| Warning | `WebhookRepaired` | Somebody had changed it; it was set back. The event names the host it led to. |",
  "| Normal | `WebhookRestored` `WebhookCleared` | On deletion: it is what it was before us, or empty, as `deletionPolicy` says. |",
  "| Normal | `WebhookRetained` | On deletion: it was left as it is, as `deletionPolicy` says; the message names the host before us. |",
  "| Normal | `WebhookLeft` | On deletion: it is no longer ours, and was left as it is. |",
  "| Warning | `WebhookLeft` | The number was let go and its webhook not given back; it may still lead here. The message says why, where its texts went before us, and how to put it back; what was there before is kept for the number. |",
  "| Warning | `WebhookCleared` | On deletion: Twilio refuses what was there before, so it was cleared instead. |",
  "| Normal | `WebhookHandedOver` | On deletion: another SmsNumber holds the number now, and the webhook is its own. |",
  "| Warning | `ManagedByAnotherRelease` | Another release of the operator looks after this object; this one leaves it alone. |",
  "",
];

const EVERY: Record<string, string[]> = {
  WorkStream: ["CredentialsValid", "InboundUrlReady", "NumberReady", "RoutingReady", "Ready"],
  SmsNumber: ["Accepted", "NumberFound", "InboundUrlReady", "Ready"],
};

function rowsOf(reason: Reason): { condition: string; line: string }[] {
  const { class: kind, on, meaning, remedy } = reasons[reason];
  const conditions = on.flatMap((where) => {
    const [object = "", condition = ""] = where.split(".");
    return condition === "*"
      ? (EVERY[object] ?? []).map((one) => `${object} ${one}`)
      : [`${object} ${condition}`];
  });
  return conditions.map((condition) => ({
    condition,
    line: `| ${statusOf(reason, condition)} | \`${reason}\` | ${meaning} | ${remedy} | ${classes[kind]} |`,
  }));
}

/** A deletion that waits leaves Ready's status as it is. NoNumber is no fault, but there is no number all the same; the others follow their class. */
function statusOf(reason: Reason, condition: string): string {
  if (reason === "Progressing" || reason === "OperatorUninstalled") return "Unknown";
  if (reason === "DeletionWaits") return "as before";
  if (reason === "NoNumber" && condition === "WorkStream NumberReady") return "False";
  return reasons[reason].class === "good" ? "True" : "False";
}
