import { routeKey } from "../../routes/route.ts";
import type { RouteRecord } from "../records/record.ts";
import type { Records } from "../records/records.ts";

/**
 * How long a route stays after nothing needs it: texts may be on their way, and a stream that was deleted by
 * mistake may come back.
 */
export const UNNEEDED_ROUTE_MS = 3_600_000;

/** What can need a route. */
export interface RouteNeeds {
  /** The stream's WorkStream exists in this very namespace, and uses this account or was not judged yet. */
  hasStream(route: RouteRecord): boolean;
  /** A number that we configured points at it, or waits to be given back. */
  hasClaim(route: RouteRecord): boolean;
}

/** What to do with one route: `mark` and `unmark` note since when nothing needs it. */
export type RouteUpkeep = { do: "keep" } | { do: "mark" } | { do: "unmark" } | { do: "drop" };

/**
 * A route leaves when neither a stream nor a number has needed it for an hour. The time is recorded, so that a
 * restart does not begin the hour again. Pure.
 */
export function upkeepOf(route: RouteRecord, needs: RouteNeeds, now: number): RouteUpkeep {
  if (needs.hasStream(route) || needs.hasClaim(route))
    return { do: route.unneededSinceMs === undefined ? "keep" : "unmark" };
  if (route.unneededSinceMs === undefined) return { do: "mark" };
  return { do: now - route.unneededSinceMs >= UNNEEDED_ROUTE_MS ? "drop" : "keep" };
}

/**
 * Looks at every route once; what changes is durable when it resolves. `onDrop` hears of each route that leaves,
 * even if a write fails.
 */
export async function keepUp(
  records: Records,
  needs: RouteNeeds,
  now: number,
  onDrop: (key: string) => void,
): Promise<void> {
  const writes: Promise<unknown>[] = [];
  for (const route of [...records.routes()]) {
    const key = routeKey(route);
    const step = upkeepOf(route, needs, now);
    if (step.do === "mark")
      writes.push(records.updateRoute(key, route, (before) => before && { ...before, unneededSinceMs: now }));
    if (step.do === "unmark")
      writes.push(records.updateRoute(key, route, (before) => before && needed(before)));
    if (step.do === "drop") {
      writes.push(records.dropRoute(key));
      onDrop(key);
    }
  }
  await Promise.all(writes);
}

/** The route without its mark. */
function needed({ unneededSinceMs, ...route }: RouteRecord): RouteRecord {
  return route;
}

/** The digits whose texts belong to a route: those of claims in its account, and those that are only observed. */
export function digitsOf(
  route: Pick<RouteRecord, "namespaceUid" | "stream" | "accountSid">,
  records: Records,
  observed: readonly string[],
): string[] {
  const claimed = records
    .claimsOfStream(route.namespaceUid, route.stream)
    .filter(({ accountSid }) => accountSid === route.accountSid);
  return [...new Set([...claimed.map(({ number }) => number), ...observed])].sort();
}
