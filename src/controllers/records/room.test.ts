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
  "an empty namespace": [[], take()],
  "as many living streams as it may have": [[live("a"), live("b")], "refuse"],
  "the stream that asks has a route of another account": [[live("new", "AC2"), live("b")], take()],
  "a stream that has not been judged has routes of two accounts": [
    [live("a", "AC1"), live("a", "AC2")],
    take(),
  ],
  "all of its streams were deleted a moment ago": [[former("a"), former("b")], take()],
  "living and former streams are counted apart": [[live("a"), former("b", 5), former("c", 6)], take()],
  "more former ones than streams are allowed: the oldest leaves": [
    [live("a"), former("b", 7), former("c", 5), former("d", 6)],
    take(former("c", 5)),
  ],
  "one that nobody has noticed yet is the youngest": [
    [former("a"), former("b", 7), former("c", 6), former("d")],
    take(former("c", 6), former("b", 7)),
  ],
  "a stream whose account changes again and again has former routes as well": [
    ["AC2", "AC3", "AC4"].map((accountSid, at) => former("new", at + 1, { accountSid })),
    take(former("new", 1, { accountSid: "AC2" })),
  ],
  "one that a number points at stays, whatever its age": [
    [former("a", 9), withNumber("b"), withNumber("c")],
    take(former("a", 9)),
  ],
  "numbers point at all of them": [[withNumber("a"), withNumber("b"), withNumber("c")], "refuse"],
};

describe("room in a namespace that may have two streams", () => {
  for (const [name, [standings, want]] of Object.entries(namespaceRows))
    test(name, () => {
      const room = roomInNamespace("new", standings, 2);
      if (want === "refuse") expect(room.do).toBe("refuse");
      else expect(room).toEqual(want);
    });

  test("a refusal says which of the two bounds was reached", () => {
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
  "living routes stay": [[live("a")], []],
  "former ones of the same namespace leave, the oldest first": [
    [former("a"), former("b", 5)],
    ["b", "a"],
  ],
  "another namespace's stays while a text may be on its way": [[former("a", now - 299_999, elsewhere)], []],
  "another namespace's leaves after five minutes": [[former("a", now - 300_000, elsewhere)], ["a"]],
  "another namespace's that was not noticed yet stays": [[former("a", undefined, elsewhere)], []],
  "one that a number points at stays": [[withNumber("a")], []],
};

describe("room in a full shard", () => {
  for (const [name, [standings, want]] of Object.entries(shardRows))
    test(name, () => expect(evictedForRoom("uid", standings, now).map(({ stream }) => stream)).toEqual(want));
});
