import { describe, expect, test } from "vitest";
import type { RouteRecord } from "./records/record.ts";
import { UNNEEDED_ROUTE_MS, type Upkeep, upkeepOf } from "./routes-upkeep.ts";

const now = 10 * UNNEEDED_ROUTE_MS;
const route = (unneededSinceMs?: number) =>
  ({ stream: "support", ...(unneededSinceMs === undefined ? {} : { unneededSinceMs }) }) as RouteRecord;

const rows: Record<string, [RouteRecord, { stream: boolean; claim: boolean }, Upkeep["do"]]> = {
  "its stream is there": [route(), { stream: true, claim: false }, "keep"],
  "only a number still points at it": [route(), { stream: false, claim: true }, "keep"],
  "nothing needs it any more": [route(), { stream: false, claim: false }, "mark"],
  "not for an hour yet": [route(now - UNNEEDED_ROUTE_MS + 1), { stream: false, claim: false }, "keep"],
  "for an hour": [route(now - UNNEEDED_ROUTE_MS), { stream: false, claim: false }, "drop"],
  "its stream came back in time": [route(now - 1), { stream: true, claim: false }, "unmark"],
};

describe("upkeepOf", () => {
  for (const [name, [given, { stream, claim }, want]] of Object.entries(rows))
    test(name, () =>
      expect(upkeepOf(given, { hasStream: () => stream, hasClaim: () => claim }, now).do).toBe(want),
    );
});
