import { KubeError } from "./errors.ts";

/** Where a field is: its names from the root on, without the items of lists. */
type Path = readonly string[];

/**
 * The fields of `status` that an apply named and the CRD does not have: it is older than this operator, as during an upgrade
 * or where CRDs are upgraded by hand. Undefined when the error is about something else. A plain write would lose such fields
 * silently, but an apply is refused whole.
 */
export function undeclaredFields(error: unknown): Path[] | undefined {
  if (!(error instanceof KubeError)) return undefined;
  const found = [...error.message.matchAll(/\.(status\.\S+): field not declared in schema/g)];
  return found.length === 0 ? undefined : found.map(([, text = ""]) => pathOf(text));
}

/** `status.conditions[type="Ready"].since` → conditions, since. A field that only one item of a list has is left out of all. */
function pathOf(text: string): Path {
  return text
    .replace(/\[[^\]]*\]/g, "")
    .split(".")
    .slice(1);
}

/** The value without these fields. */
export function without<T>(value: T, paths: readonly Path[]): T {
  return paths.reduce((rest, path) => drop(rest, path), value as unknown) as T;
}

function drop(value: unknown, [name, ...deeper]: Path): unknown {
  if (Array.isArray(value))
    return name === undefined ? value : value.map((item) => drop(item, [name, ...deeper]));
  if (name === undefined || typeof value !== "object" || value === null || !(name in value)) return value;
  const { [name]: inner, ...rest } = value as Record<string, unknown>;
  return deeper.length === 0 ? rest : { ...rest, [name]: drop(inner, deeper) };
}
