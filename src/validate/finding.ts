import type { Reason } from "../api/reasons.ts";

/** The steps from an object's root to a field: names of fields and indexes of list items. */
export type FieldPath = readonly (string | number)[];

/** Something that is wrong in one object. */
export interface FieldProblem {
  path: FieldPath;
  /** What is wrong, and what to write instead. */
  message: string;
  /** True for a problem after which the API server evaluates no CEL rule of the object. */
  blocking?: boolean;
  /** True for a problem that only says that a value does not match a pattern. */
  pattern?: boolean;
}

/** A problem and its place in the files. */
export interface Finding {
  severity: "error" | "warning";
  file: string;
  /** The position of the YAML document in its file, counted from 1. */
  document: number;
  line: number;
  kind?: string;
  namespace?: string;
  name?: string;
  /** The path of the field, such as `spec.sinks[0].url`. Empty when the finding is about the whole object. */
  field: string;
  message: string;
  /** The reason of the condition that would report the problem in the cluster, if there is such a condition. */
  reason?: Reason;
}

/** Writes a path as the API server does: `["spec", "sinks", 0, "url"]` becomes `spec.sinks[0].url`. */
export function fieldOf(path: FieldPath): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    return text === "" ? step : `${text}.${step}`;
  }, "");
}

/** Looks up the text of a scalar as it was typed, without quotes. Undefined when the field is not in the file. */
export type Typed = (path: FieldPath) => string | undefined;

/**
 * Advises how to write a value that YAML did not read as a string: in quotes, as it was typed. The plus before a phone number is left out,
 * because the next check would refuse it.
 */
export function inQuotes(path: FieldPath, value: unknown, typed: Typed): string {
  const text = typed(path) ?? String(value);
  const digits = /^\+[0-9_]+$/.test(text) && path.at(-1) === "number" ? text.replaceAll(/[+_]/g, "") : text;
  return `put it in quotes: ${path.at(-1)}: "${digits}"`;
}
