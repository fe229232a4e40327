import type { Reason } from "../api/reasons.ts";

/** Steps from an object's root to a field: names of fields, indexes of list items. */
export type FieldPath = readonly (string | number)[];

/** Something that one object shows to be wrong. */
export interface FieldProblem {
  path: FieldPath;
  /** What is wrong and what to write instead. */
  message: string;
  /** The API server looks no further than at these: rules in CEL are told only of objects that are well formed. */
  blocking?: boolean;
  /** It says no more than that a pattern does not match. */
  pattern?: boolean;
}

/** A problem with the place where a person finds it. */
export interface Finding {
  severity: "error" | "warning";
  file: string;
  /** Counted from 1 within the file. */
  document: number;
  line: number;
  kind?: string;
  namespace?: string;
  name?: string;
  /** Such as `spec.sinks[0].url`; empty for the object as a whole. */
  field: string;
  message: string;
  /** The condition's reason that the operator would give in the cluster, where it is one. */
  reason?: Reason;
}

/** `["spec", "sinks", 0, "url"]` → `spec.sinks[0].url`, as the API server writes it. */
export function fieldOf(path: FieldPath): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === "number") return `${text}[${step}]`;
    return text === "" ? step : `${text}.${step}`;
  }, "");
}

/** A scalar as it was typed, without quotes; undefined where nothing was. */
export type Typed = (path: FieldPath) => string | undefined;

/**
 * How to write a value that YAML took for no text: as it was typed. A number's digits alone, as a plus in front of them would be refused
 * next.
 */
export function inQuotes(path: FieldPath, value: unknown, typed: Typed): string {
  const text = typed(path) ?? String(value);
  const digits = /^\+[0-9_]+$/.test(text) && path.at(-1) === "number" ? text.replaceAll(/[+_]/g, "") : text;
  return `put it in quotes: ${path.at(-1)}: "${digits}"`;
}
