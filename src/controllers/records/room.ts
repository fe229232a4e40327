import type { RouteRecord } from "./record.ts";
import { routeKey } from "./record.ts";

/** A route as it stands in the line of those that may have to make room. */
export type RouteStanding =
  /** Its stream exists and uses it. */
  | { route: RouteRecord; isLive: true }
  /** A former stream's; `hasNumber`: a number that we configured still sends its texts to it. */
  | { route: RouteRecord; isLive: false; hasNumber: boolean };

type Former = Extract<RouteStanding, { isLive: false }>;

/** What is to be done so that one more route fits; `forget` are routes that leave before their hour is over. */
export type Room = { do: "take"; evict: RouteRecord[] } | { do: "refuse"; message: string };

/** Twilio has tried a text for the last time long before this: a route that nothing needed for so long gets no text. */
const NO_TEXT_LEFT_MS = 5 * 60_000;
/** So many former routes of a full shard make room at a time: each of them frees about a third of a kilobyte. */
const EVICTED_AT_ONCE = 32;

/**
 * Is there room in its namespace for a route of `stream`? A namespace has `most` streams, and besides them as many routes of
 * former streams (which stay for an hour after their stream). Beyond that the oldest former routes leave early. Pure.
 */
export function roomInNamespace(stream: string, standings: readonly RouteStanding[], most: number): Room {
  const live = new Set(standings.filter(({ isLive }) => isLive).map(({ route }) => route.stream));
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
 * Which routes of a full shard leave so that a living stream's route fits: former ones of the same namespace, and others' when
 * no text can be on its way to them any more. Pure.
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

/** Those that nothing has needed for the longest time come first; one that was not noticed yet is the youngest. */
function oldestFirst(a: RouteStanding, b: RouteStanding): number {
  const [atA, atB] = [a, b].map(({ route }) => route.unneededSinceMs ?? Number.POSITIVE_INFINITY);
  if (atA !== atB) return atA! - atB!;
  return routeKey(a.route) < routeKey(b.route) ? -1 : 1;
}

const routesOf = (standings: readonly RouteStanding[]) => standings.map(({ route }) => route);
