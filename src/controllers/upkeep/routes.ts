import { routeKey } from "../../routes/route.ts";
import type { RouteRecord } from "../records/record.ts";
import type { Records } from "../records/records.ts";

/**
 * How long a route stays after nothing needs it any more: texts may be on their way, and a stream that was deleted by
 * mistake may be created again.
 */
export const UNNEEDED_ROUTE_MS = 3_600_000;

/** The two things that can need a route: a stream and a number. */
export interface RouteNeeds {
  /**
   * Whether the WorkStream of the route exists in a namespace of the same UID, and uses the account of the route or
   * was not judged yet.
   */
  hasStream(route: RouteRecord): boolean;
  /** Whether a number that we configured points at the route, or waits to be given back. */
  hasClaim(route: RouteRecord): boolean;
}

/**
 * What to do with one route. `mark` records the present time as the time since which nothing needs the route, and
 * `unmark` removes that time.
 */
export type RouteUpkeep = { do: "keep" } | { do: "mark" } | { do: "unmark" } | { do: "drop" };

/**
 * Decides what to do with one route. A route is dropped when neither a stream nor a number has needed it for an hour.
 * The beginning of that hour is recorded, so that the hour does not begin anew after a restart. Pure.
 */
export function upkeepOf(route: RouteRecord, needs: RouteNeeds, now: number): RouteUpkeep {
  if (needs.hasStream(route) || needs.hasClaim(route))
    return { do: route.unneededSinceMs === undefined ? "keep" : "unmark" };
  if (route.unneededSinceMs === undefined) return { do: "mark" };
  return { do: now - route.unneededSinceMs >= UNNEEDED_ROUTE_MS ? "drop" : "keep" };
}

/**
 * Checks every route once, and marks, unmarks or drops it if needed. The changes are durable when the promise resolves.
 * `onDrop` is called for each route that is dropped, even if a write fails.
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

/** Returns the route without `unneededSinceMs`, because something needs the route again. */
function needed({ unneededSinceMs, ...route }: RouteRecord): RouteRecord {
  return route;
}

/**
 * The digits of the numbers whose texts belong to a route: numbers with a claim in the account of the route, and
 * numbers that the operator only observes.
 */
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
