/**
 * Decides which routes of deleted streams are evicted to make room for new routes. A route outlives its stream for an
 * hour, since texts may still be on their way to it. So a tenant that deletes and makes streams in a loop could fill
 * the shared Secrets. Pure.
 */

import { routeKey } from "../../routes/route.ts";
import type { RouteRecord } from "./record.ts";

/** A route, with the facts that decide whether it may be evicted. */
export type RouteStanding =
  /** The stream of this route exists and uses the route. */
  | { route: RouteRecord; isLive: true }
  /**
   * The stream of this route is gone or uses another account. `hasNumber`: a number that we configured still sends
   * its texts to this route.
   */
  | { route: RouteRecord; isLive: false; hasNumber: boolean };

type Former = Extract<RouteStanding, { isLive: false }>;

/**
 * What to do so that one more route fits. `evict` lists the routes that are removed although something needed them
 * less than an hour ago.
 */
export type Room = { do: "take"; evict: RouteRecord[] } | { do: "refuse"; message: string };

/**
 * How long a text can be on its way. Twilio gives up on a text after 15 s and some retries, so after five minutes no
 * text can be on its way to a route that nothing needs.
 */
const NO_TEXT_LEFT_MS = 5 * 60_000;
/**
 * How many former routes a full shard evicts at a time. Each frees about a third of a kilobyte, so this makes room
 * for several new routes in one write.
 */
const EVICTED_AT_ONCE = 32;

/**
 * Whether there is room in the namespace for a route of `stream`. A namespace may have `most` streams, and as many
 * routes of former streams in addition. Beyond that number the oldest routes of former streams are evicted. Pure.
 */
export function roomInNamespace(stream: string, standings: readonly RouteStanding[], most: number): Room {
  const live = new Set(standings.filter(({ isLive }) => isLive).map(({ route }) => route.stream));
  // The stream that needs the new route must not count twice: it may have another route already, for another account.
  live.delete(stream);
  if (live.size >= most)
    return {
      do: "refuse",
      message: `the namespace has ${most} WorkStreams already; raise MAX_STREAMS_PER_NAMESPACE`,
    };
  const former = standings.filter((standing): standing is Former => !standing.isLive);
  const tooMany = Math.max(0, former.length - most);
  const evictable = former.filter(({ hasNumber }) => !hasNumber).sort(oldestFirst);
  if (evictable.length >= tooMany) return { do: "take", evict: routesOf(evictable.slice(0, tooMany)) };
  return {
    do: "refuse",
    message: `the namespace has more than ${most} former WorkStreams whose numbers still send texts here; delete those SmsNumbers, or raise MAX_STREAMS_PER_NAMESPACE`,
  };
}

/**
 * The routes that are evicted from a full shard so that the route of an existing stream fits. These are former routes
 * of the same namespace, and former routes of other namespaces once no text can be on its way to them. So a tenant can
 * disturb only its own former streams. Pure.
 */
export function evictedForRoom(
  namespaceUid: string,
  standings: readonly RouteStanding[],
  now: number,
): RouteRecord[] {
  const mayGo = (standing: RouteStanding) => {
    if (standing.isLive || standing.hasNumber) return false;
    const { route } = standing;
    return route.namespaceUid === namespaceUid || now - (route.unneededSinceMs ?? now) >= NO_TEXT_LEFT_MS;
  };
  return routesOf(standings.filter(mayGo).sort(oldestFirst).slice(0, EVICTED_AT_ONCE));
}

/**
 * Sorts routes so that the one that nothing has needed for the longest time is first. A route that the upkeep has not
 * marked as unneeded yet counts as the youngest. Routes of the same age are sorted by key, so that the order is the
 * same each time.
 */
function oldestFirst(a: RouteStanding, b: RouteStanding): number {
  const [atA, atB] = [a, b].map(({ route }) => route.unneededSinceMs ?? Number.POSITIVE_INFINITY);
  if (atA !== atB) return atA! - atB!;
  return routeKey(a.route) < routeKey(b.route) ? -1 : 1;
}

const routesOf = (standings: readonly RouteStanding[]) => standings.map(({ route }) => route);
