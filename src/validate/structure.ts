import type { Schema } from "../api/crds.ts";
import { type FieldPath, type FieldProblem, fieldOf } from "./finding.ts";

/** What the API server does to an object before it looks at rules: unknown fields, defaults, and lists with a key. */

type PlainObject = Record<string, unknown>;

export const isObject = (value: unknown): value is PlainObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Fields that the schema does not have: the API server would drop them without a word, and kubectl refuses them. */
export function unknownFields(schema: Schema, value: unknown, path: FieldPath = []): FieldProblem[] {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items === undefined ? [] : value.flatMap((item, i) => unknownFields(items, item, [...path, i]));
  }
  // An object without declared fields may hold any; a scalar or a list has none, so that every field of it is unknown.
  if (!isObject(value) || (schema.type === "object" && schema.properties === undefined)) return [];
  const properties = schema.properties ?? {};
  return Object.entries(value).flatMap(([name, child]) => {
    const known = properties[name];
    return known === undefined
      ? [unknown([...path, name], properties)]
      : unknownFields(known, child, [...path, name]);
  });
}

function unknown(path: FieldPath, properties: Record<string, Schema>): FieldProblem {
  const name = String(path.at(-1));
  const near = Object.keys(properties).find((candidate) => isNear(candidate, name));
  const hint =
    near === undefined
      ? Object.keys(properties).length === 0
        ? "no field can stand here"
        : `what can stand here: ${Object.keys(properties).join(", ")}`
      : `did you mean ${near}?`;
  return { path, message: `unknown field "${fieldOf(path)}"; ${hint}` };
}

/** The same but for case, or at most two letters inserted, removed or exchanged. */
function isNear(a: string, b: string): boolean {
  if (a.toLowerCase() === b.toLowerCase()) return true;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length]! <= Math.min(2, Math.floor(b.length / 3));
}

/** A copy without unknown fields, without the nulls that no field may have, and with the schema's defaults. */
export function normalise(schema: Schema, value: unknown): unknown {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items === undefined ? value : value.map((item) => normalise(items, item));
  }
  if (!isObject(value) || schema.properties === undefined) return value;
  const copy: PlainObject = {};
  for (const [name, child] of Object.entries(schema.properties)) {
    const given = Object.hasOwn(value, name) ? value[name] : undefined;
    const wanted = given ?? structuredClone(child.default);
    if (wanted !== undefined) copy[name] = normalise(child, wanted);
  }
  return copy;
}

/** Items of a set, or of a list with a key, that are there twice. */
export function duplicates(schema: Schema, value: unknown, path: FieldPath = []): FieldProblem[] {
  if (isObject(value))
    return Object.entries(schema.properties ?? {}).flatMap(([name, child]) =>
      duplicates(child, value[name], [...path, name]),
    );
  if (!Array.isArray(value) || schema.items === undefined) return [];
  const { items } = schema;
  const seen = new Set<string>();
  const own = value.flatMap((item, i) => {
    const key = keyOf(schema, item);
    if (key === undefined) return [];
    if (seen.has(key))
      return [{ path: [...path, i], message: `Duplicate value: ${key} is there already; keep one` }];
    seen.add(key);
    return [];
  });
  return [...own, ...value.flatMap((item, i) => duplicates(items, item, [...path, i]))];
}

function keyOf(schema: Schema, item: unknown): string | undefined {
  if (schema["x-kubernetes-list-type"] === "set") return JSON.stringify(item);
  if (schema["x-kubernetes-list-type"] !== "map" || !isObject(item)) return undefined;
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  return JSON.stringify(Object.fromEntries(keys.map((key) => [key, item[key]])));
}
