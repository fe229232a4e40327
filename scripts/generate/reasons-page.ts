import { type Reason, type ReasonClass, reasons } from "../../src/api/reasons.ts";

const classes: Record<ReasonClass, string> = {
  good: "nothing to do",
  waiting: "the operator waits for another object",
  transient: "the operator tries again, with growing delays",
  stalled: "somebody must change something",
  held: "nothing, until you change the setting or the installation",
};

/** The page `docs/reasons.md`: a table for each condition, with status, reason, meaning and remedy. */
export function reasonsPage(): [string, string][] {
  const rows = Object.keys(reasons).flatMap((name) => rowsOf(name as Reason));
  const conditions = [...new Set(rows.map(({ condition }) => condition))].sort();
  const sections = conditions.map((condition) => {
    const lines = rows.filter((row) => row.condition === condition).map(({ line }) => line);
    return [
      `## ${condition}`,
      "",
      "| status | reason | meaning | remedy | what happens next |",
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
  "This page lists every reason that a condition can have. Events, log lines and metric labels use the same words.",
  "",
  "`kubectl get` shows the reason of `Ready`, and `-o wide` also its message, which says what to do in this case. `Ready` has the reason",
  "of the first condition that keeps it from being `True`, so look that reason up in the section of the other condition. A WorkStream's",
  "`NumberReady` has the reason of its SmsNumber's `Ready`; `Reconciling` and `Stalled` have that of `Ready`. While an object's deletion",
  "waits, `Ready` has the reason `DeletionWaits`, and `Reconciling` has the reason why it waits.",
  "",
  "Names in capitals are settings of the processes. In the chart, `PUBLIC_URL` is `publicUrl`, `ROUTE_SHARDS` is `routeShards`,",
  "`MAX_STREAMS_PER_NAMESPACE` is `maxStreamsPerNamespace`, and `URL_CHECK` is `urlCheck.mode`. Reasons that only events have are at the end.",
  "",
];

/**
 * Reasons that no condition has. Changes of a number's webhook are reported as events, because a condition describes a state and not what
 * happened.
 */
const events = [
  "## Reasons that only events have",
  "",
  "| type | reason | meaning |",
  "| --- | --- | --- |",
  "| Normal | `WebhookSet` | The number's webhook now points to this cluster. |",
  "| Warning | `WebhookRepaired` | Somebody had changed the webhook, and it was set back. The event names the host that it pointed to. |",
  "| Normal | `WebhookRestored` `WebhookCleared` | On deletion: the webhook was restored or cleared, as `deletionPolicy` says. |",
  "| Normal | `WebhookRetained` | On deletion: the webhook was left as it is, as `deletionPolicy` says. The message names the host of the previous webhook. |",
  "| Normal | `WebhookLeft` | On deletion: the webhook no longer points to us, and was left as it is. |",
  "| Warning | `WebhookLeft` | The number was let go and its webhook was not given back, so it may still point to this cluster. The message says why, where the number's texts went before, and how to put the webhook back. The previous webhook stays saved. |",
  "| Warning | `WebhookCleared` | On deletion: Twilio refuses the previous webhook, so the webhook was cleared instead. |",
  "| Normal | `WebhookHandedOver` | On deletion: another SmsNumber holds the number now, and the webhook belongs to it. |",
  "| Warning | `ManagedByAnotherRelease` | Another release of the operator manages this object, so this one leaves it alone. |",
  "",
];

/** The conditions that `KIND.*` in src/api/reasons.ts stands for. */
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

/**
 * The status of a condition with this reason. A deletion that waits leaves the status of Ready as it is. NoNumber is not a fault of the
 * WorkStream, but its condition NumberReady is False all the same. For all other reasons, the status follows from the reason's class.
 */
function statusOf(reason: Reason, condition: string): string {
  if (reason === "Progressing" || reason === "OperatorUninstalled") return "Unknown";
  if (reason === "DeletionWaits") return "as before";
  if (reason === "NoNumber" && condition === "WorkStream NumberReady") return "False";
  return reasons[reason].class === "good" ? "True" : "False";
}
