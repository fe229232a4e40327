import { describe, expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { routeKey } from "../../routes/route.ts";
import { shardOf } from "../../routes/secrets.ts";
import type { RouteRecord } from "../records/record.ts";
import { Records } from "../records/records.ts";
import { keepUp, type RouteUpkeep, UNNEEDED_ROUTE_MS, upkeepOf } from "./routes.ts";

const now = 10 * UNNEEDED_ROUTE_MS;
const route = (unneededSinceMs?: number) =>
  ({ stream: "support", ...(unneededSinceMs === undefined ? {} : { unneededSinceMs }) }) as RouteRecord;

const rows: Record<string, [RouteRecord, { stream: boolean; claim: boolean }, RouteUpkeep["do"]]> = {
  "keeps the route while its stream exists": [route(), { stream: true, claim: false }, "keep"],
  "keeps the route while a number still points at it": [route(), { stream: false, claim: true }, "keep"],
  "marks the route as unneeded if nothing needs it": [route(), { stream: false, claim: false }, "mark"],
  "keeps the route until nothing has needed it for an hour": [
    route(now - UNNEEDED_ROUTE_MS + 1),
    { stream: false, claim: false },
    "keep",
  ],
  "drops the route after nothing has needed it for an hour": [
    route(now - UNNEEDED_ROUTE_MS),
    { stream: false, claim: false },
    "drop",
  ],
  "no longer marks the route as unneeded when its stream is created again within the hour": [
    route(now - 1),
    { stream: true, claim: false },
    "unmark",
  ],
};

describe("the upkeep of a route", () => {
  for (const [name, [given, { stream, claim }, want]] of Object.entries(rows))
    test(name, () =>
      expect(upkeepOf(given, { hasStream: () => stream, hasClaim: () => claim }, now).do).toBe(want),
    );
});

test("the upkeep calls onDrop for each route that it drops, even if a shard cannot be written", async () => {
  const clock = new ManualClock();
  const streams = ["a", "b", "c", "d", "e"];
  const routes = streams.map((stream): RouteRecord => {
    const where = { namespace: "team", namespaceUid: "uid", stream, accountSid: "AC1" };
    const credentials = { accountSid: "AC1", authToken: "secret" };
    const rest = { tokens: [], checkKey: "", urls: [], numbers: [], generation: 1, unneededSinceMs: 0 };
    return { ...where, credentials, ...rest };
  });
  const store = {
    load: async (shard: number) => ({ routes: shard === 0 ? routes : [], claims: [] }),
    save: async (shard: number) => {
      if (shard === shardOf("team", "a", 4)) throw new Error("too large");
      return 1000;
    },
    invalidate: () => {},
  };
  const records = new Records({ store, shards: 4, maxStreamsPerNamespace: 10, clock, isLive: () => true });
  await records.load({ rewrite: false });
  const dropped: string[] = [];
  const needs = { hasStream: () => false, hasClaim: () => false };
  const kept = keepUp(records, needs, now, (key) => dropped.push(key));
  kept.catch(() => {});
  await clock.advance(1000);
  await expect(kept).rejects.toThrow("too large");
  expect(dropped).toEqual(routes.map(routeKey));
});
