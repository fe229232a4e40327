/**
 * Reads from an error of the API server which status fields the CRD in the cluster does not have.
 *
 * An operator and its CRDs can be of different releases: during an upgrade, after a rollback, or until somebody upgrades the
 * CRDs by hand. (Helm never updates what is in a chart's `crds/` folder.) Server-side apply refuses the whole object when the
 * schema does not declare one of its fields, so no status at all would be written. An ordinary write would silently drop that
 * field. The error names each undeclared field, and `StatusWriter` leaves these fields out and tries again.
 */

import { KubeError } from "./errors.ts";

/** The names on the path from the status down to a field. Items of lists are left out. */
type StatusPath = readonly string[];

/**
 * The status fields that an apply named and the CRD does not have; undefined when the error is about something else.
 *
 * Only the message identifies this error: the server sends an internal error (500) without a specific reason.
 * test/kube/skew.test.ts fails when an API server words the message differently.
 */
export function undeclaredFields(error: unknown): StatusPath[] | undefined {
  if (!(error instanceof KubeError)) return undefined;
  const found = [...error.message.matchAll(/\.(status\.\S+): field not declared in schema/g)];
  return found.length === 0 ? undefined : found.map(([, text = ""]) => pathOf(text));
}

/**
 * `status.conditions[type="Ready"].since` becomes conditions, since. The list item is left out of the path, because a schema
 * declares a field for all items of a list together.
 */
function pathOf(text: string): StatusPath {
  return text
    .replace(/\[[^\]]*\]/g, "")
    .split(".")
    .slice(1);
}

/** A copy of the value without the fields at these paths. */
export function without<T>(value: T, paths: readonly StatusPath[]): T {
  return paths.reduce((rest, path) => drop(rest, path), value as unknown) as T;
}

function drop(value: unknown, [name, ...deeper]: StatusPath): unknown {
  if (Array.isArray(value))
    return name === undefined ? value : value.map((item) => drop(item, [name, ...deeper]));
  if (name === undefined || typeof value !== "object" || value === null || !(name in value)) return value;
  const { [name]: inner, ...rest } = value as Record<string, unknown>;
  return deeper.length === 0 ? rest : { ...rest, [name]: drop(inner, deeper) };
}
