import { describe, expect, test } from "vitest";
import type { RouteRecord } from "./record.ts";
import { evictedForRoom, type Room, type RouteStanding, roomInNamespace } from "./room.ts";

const now = 10_000_000;
const route = (stream: string, more: Partial<RouteRecord> = {}) =>
  ({ namespaceUid: "uid", stream, accountSid: "AC1", ...more }) as RouteRecord;
const live = (stream: string, accountSid = "AC1"): RouteStanding => ({
  route: route(stream, { accountSid }),
  isLive: true,
});
const former = (
  stream: string,
  unneededSinceMs?: number,
  more: Partial<RouteRecord> = {},
): RouteStanding => ({
  route: route(stream, { ...(unneededSinceMs === undefined ? {} : { unneededSinceMs }), ...more }),
  isLive: false,
  hasNumber: false,
});
const withNumber = (stream: string): RouteStanding =>
  ({ ...former(stream, 1), hasNumber: true }) as RouteStanding;

const take = (...evict: RouteStanding[]): Room => ({ do: "take", evict: evict.map(({ route }) => route) });
const namespaceRows: Record<string, [RouteStanding[], Room | "refuse"]> = {
  "an empty namespace has room": [[], take()],
  "there is no room when the namespace has two existing streams": [[live("a"), live("b")], "refuse"],
  "a route that the same stream has for another account does not count": [
    [live("new", "AC2"), live("b")],
    take(),
  ],
  "a stream with routes of two accounts counts once": [[live("a", "AC1"), live("a", "AC2")], take()],
  "two streams that were deleted a moment ago do not count": [[former("a"), former("b")], take()],
  "existing and deleted streams are counted separately": [
    [live("a"), former("b", 5), former("c", 6)],
    take(),
  ],
  "the oldest route of a deleted stream is evicted when there are more than two": [
    [live("a"), former("b", 7), former("c", 5), former("d", 6)],
    take(former("c", 5)),
  ],
  "a former route that the upkeep has not marked as unneeded yet counts as the youngest": [
    [former("a"), former("b", 7), former("c", 6), former("d")],
    take(former("c", 6), former("b", 7)),
  ],
  "routes for former accounts of the same stream count as former routes": [
    ["AC2", "AC3", "AC4"].map((accountSid, at) => former("new", at + 1, { accountSid })),
    take(former("new", 1, { accountSid: "AC2" })),
  ],
  "a former route that a number points at is not evicted, however old it is": [
    [former("a", 9), withNumber("b"), withNumber("c")],
    take(former("a", 9)),
  ],
  "there is no room when numbers point at all former routes": [
    [withNumber("a"), withNumber("b"), withNumber("c")],
    "refuse",
  ],
};

describe("room for a route in a namespace that may have two streams", () => {
  for (const [name, [standings, want]] of Object.entries(namespaceRows))
    test(name, () => {
      const room = roomInNamespace("new", standings, 2);
      if (want === "refuse") expect(room.do).toBe("refuse");
      else expect(room).toEqual(want);
    });

  test("the error says whether there are too many streams or too many routes of former streams", () => {
    const refused = (standings: RouteStanding[]) => {
      const room = roomInNamespace("new", standings, 1);
      return room.do === "refuse" ? room.message : "";
    };
    expect(refused([live("a")])).toMatch(/^the namespace has 1 WorkStreams already/);
    expect(refused([withNumber("a"), withNumber("b")])).toMatch(/former WorkStreams whose numbers/);
  });
});

const elsewhere = { namespaceUid: "other" };
const shardRows: Record<string, [RouteStanding[], string[]]> = {
  "a route of an existing stream is not evicted": [[live("a")], []],
  "former routes of the same namespace are evicted, the oldest first": [
    [former("a"), former("b", 5)],
    ["b", "a"],
  ],
  "a former route of another namespace stays while a text may be on its way": [
    [former("a", now - 299_999, elsewhere)],
    [],
  ],
  "a former route of another namespace is evicted after five minutes": [
    [former("a", now - 300_000, elsewhere)],
    ["a"],
  ],
  "a former route of another namespace stays if the upkeep has not marked it as unneeded yet": [
    [former("a", undefined, elsewhere)],
    [],
  ],
  "a former route that a number points at stays": [[withNumber("a")], []],
};

describe("room for a route in a full shard", () => {
  for (const [name, [standings, want]] of Object.entries(shardRows))
    test(name, () => expect(evictedForRoom("uid", standings, now).map(({ stream }) => stream)).toEqual(want));
});
