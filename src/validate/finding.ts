import type { Reason } from "../api/reasons.ts";

/** Steps from an object's root to a field: names of fields, indexes of list items. */
export type FieldPath = readonly (string | number)[];

/** Something that is wrong in one object. */
export interface FieldProblem {
  path: FieldPath;
  /** What is wrong, and what to write instead. */
  message: string;
  /** The API server evaluates no CEL rule after such a problem. */
  blocking?: boolean;
  /** It only says that a pattern does not match. */
  pattern?: boolean;
}

/** A problem and where it is in the files. */
export interface Finding {
  severity: "error" | "warning";
  file: string;
  /** Counted from 1 in the file. */
  document: number;
  line: number;
  kind?: string;
  namespace?: string;
  name?: string;
  /** Such as `spec.sinks[0].url`; empty when the whole object is meant. */
  field: string;
  message: string;
  /** The reason that a condition would have in the cluster, if there is one. */
  reason?: Reason;
}

/** `["spec", "sinks", 0, "url"]` → `spec.sinks[0].url`, as the API server writes it. */
export function fieldOf(path: FieldPath): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    return text === "" ? step : `${text}.${step}`;
  }, "");
}

/** The text of a scalar as it was typed, without quotes; undefined when the field is not in the file. */
export type Typed = (path: FieldPath) => string | undefined;

/**
 * How to write a value that YAML did not read as a string: as it was typed, in quotes. The plus before a phone number is left out,
 * because the next check would refuse it.
 */
export function inQuotes(path: FieldPath, value: unknown, typed: Typed): string {
  const text = typed(path) ?? String(value);
  const digits = /^\+[0-9_]+$/.test(text) && path.at(-1) === "number" ? text.replaceAll(/[+_]/g, "") : text;
  return `put it in quotes: ${path.at(-1)}: "${digits}"`;
}
