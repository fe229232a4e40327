import type { Finding } from "./finding.ts";
import type { ValidationResult } from "./validate.ts";

/** The report as text: one line per finding in the format of compilers (`file:line: severity: …`), then a summary. */
export function textReport({ findings, objects }: ValidationResult): string {
  return [...findings.map(lineOf), summary(findings, objects), ""].join("\n");
}

function lineOf({ file, line, document, severity, kind, namespace, name, field, message }: Finding): string {
  const object =
    kind === undefined ? undefined : `${kind} ${[namespace, name ?? "(no name)"].filter(Boolean).join("/")}`;
  const where = [object, field].filter((part) => part !== undefined && part !== "").join(": ");
  return `${file}:${line}: ${severity}: ${where === "" ? "" : `${where}: `}${message} (document ${document})`;
}

function summary(findings: Finding[], objects: number): string {
  const { errors, warnings } = counts(findings);
  return `${counted(objects, "object")}, ${counted(errors, "error")}, ${counted(warnings, "warning")}`;
}

const counted = (n: number, noun: string) => `${n} ${noun}${n === 1 ? "" : "s"}`;

/** The report as a JSON object, for tools. */
export function jsonReport({ findings, objects }: ValidationResult): string {
  return `${JSON.stringify({ objects, ...counts(findings), findings }, null, 2)}\n`;
}

export function counts(findings: Finding[]): { errors: number; warnings: number } {
  const errors = findings.filter(({ severity }) => severity === "error").length;
  return { errors, warnings: findings.length - errors };
}
