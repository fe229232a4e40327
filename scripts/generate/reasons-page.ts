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
  return [["docs/reasons.md", [...intro, ...sections.flat()].join("\n")]];
}

const intro = [
  "# Reasons",
  "",
  "<!-- Generated from src/api/reasons.ts by `npm run generate`. Do not edit. -->",
  "",
  "Every reason that stands in a condition, an event, a metric's label or a log line. `kubectl get` shows the reason of",
  "`Ready`, and `-o wide` its message, which tells the remedy for the case at hand. `Ready` has the reason of the first",
  "condition that keeps it from being `True`, so look that one up in the sections of the other conditions.",
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

/** NoNumber is no fault, but there is no number all the same; the others follow their class. */
function statusOf(reason: Reason, condition: string): string {
  if (reason === "Progressing" || reason === "OperatorUninstalled") return "Unknown";
  if (reason === "NoNumber" && condition === "WorkStream NumberReady") return "False";
  return reasons[reason].class === "good" ? "True" : "False";
}
