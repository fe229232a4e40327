import type { Condition } from "./conditions.ts";

type Status = Record<string, unknown>;

/**
 * Whether two statuses say the same. A member that is undefined counts as absent, since JSON leaves it out. The order of the conditions
 * does not count, because for the API server they are a map by `type`, which has an order of its own.
 *
 * This compares without making copies: it runs in each attempt for each of ten thousand objects, and nearly always finds no difference.
 */
export function sameStatus(a: Status = {}, b: Status = {}): boolean {
  return sameMembers(a, b, "conditions") && sameConditions(listOf(a.conditions), listOf(b.conditions));
}

const NONE: readonly Condition[] = [];
const listOf = (conditions: unknown) => (conditions as readonly Condition[] | undefined) ?? NONE;

function sameConditions(a: readonly Condition[], b: readonly Condition[]): boolean {
  if (a.length !== b.length) return false;
  return a.every((condition) => {
    const other = b.find(({ type }) => type === condition.type);
    return other !== undefined && sameMembers(condition, other);
  });
}

function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  if (Array.isArray(a))
    return a.length === (b as unknown[]).length && a.every((item, at) => same(item, (b as unknown[])[at]));
  return sameMembers(a, b);
}

/** Compares all members of two objects except `skipped`. */
function sameMembers(a: object, b: object, skipped?: string): boolean {
  const [left, right] = [a as Status, b as Status];
  for (const key in left) if (key !== skipped && !same(left[key], right[key])) return false;
  for (const key in right)
    if (key !== skipped && right[key] !== undefined && left[key] === undefined) return false;
  return true;
}
