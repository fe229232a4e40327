import type { Schema } from "../api/crds.ts";
import { type FieldPath, type FieldProblem, fieldOf } from "./finding.ts";

// What the API server does to an object before evaluating CEL rules: it finds unknown fields, sets defaults, and checks lists with a key.

type PlainObject = Record<string, unknown>;

export const isObject = (value: unknown): value is PlainObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Fields that the schema does not have. The API server would drop them silently. kubectl refuses them, and so does the validator. */
export function unknownFields(schema: Schema, value: unknown, path: FieldPath = []): FieldProblem[] {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items === undefined ? [] : value.flatMap((item, i) => unknownFields(items, item, [...path, i]));
  }
  // A schema of type object without properties allows any field. A schema of another type allows no fields, so all fields are unknown.
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
        ? "no field is allowed here"
        : `allowed fields: ${Object.keys(properties).join(", ")}`
      : `did you mean ${near}?`;
  return { path, message: `unknown field "${fieldOf(path)}"; ${hint}` };
}

/** Whether two names are equal except for upper and lower case, or differ by at most two inserted, removed or replaced letters. */
function isNear(a: string, b: string): boolean {
  if (a.toLowerCase() === b.toLowerCase()) return true;
  // Computes the Levenshtein distance, row by row.
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  // In a short name fewer letters may differ. Otherwise nearly every field would be suggested for a short name.
  return row[b.length]! <= Math.min(2, Math.floor(b.length / 3));
}

/** A copy of the object as the API server would store it: without unknown fields and nulls, and with the schema's defaults. */
export function normalise(schema: Schema, value: unknown): unknown {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items === undefined ? value : value.map((item) => normalise(items, item));
  }
  if (!isObject(value) || schema.properties === undefined) return value;
  const copy: PlainObject = {};
  for (const [name, child] of Object.entries(schema.properties)) {
    const given = Object.hasOwn(value, name) ? value[name] : undefined;
    // A null counts as missing: the API server removes it before it applies defaults.
    const wanted = given ?? structuredClone(child.default);
    if (wanted !== undefined) copy[name] = normalise(child, wanted);
  }
  return copy;
}

/** Items that occur twice in a set, or in a list with a key. The API server refuses them. */
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
      return [
        {
          path: [...path, i],
          message: `Duplicate value: the list has ${key} already; remove one of the two`,
        },
      ];
    seen.add(key);
    return [];
  });
  return [...own, ...value.flatMap((item, i) => duplicates(items, item, [...path, i]))];
}

/**
 * Returns the part of a list item in which all items of the list must differ, written as JSON. In a list of type set, this part is the
 * whole item. In a list of type map, it is the item's key fields. Undefined means that the list may have equal items.
 */
function keyOf(schema: Schema, item: unknown): string | undefined {
  if (schema["x-kubernetes-list-type"] === "set") return JSON.stringify(item);
  if (schema["x-kubernetes-list-type"] !== "map" || !isObject(item)) return undefined;
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  return JSON.stringify(Object.fromEntries(keys.map((key) => [key, item[key]])));
}
