import { expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import type { WorkStream } from "../../api/index.ts";
import { Failure } from "../../errors.ts";
import { recordRoute } from "./route-recorded.ts";

test("a full route table is reported only for a stream whose credentials are good", async () => {
  const records = {
    route: () => undefined,
    newestRouteOf: () => undefined,
    updateRoute: () => Promise.reject(new Failure("RouteTableFull", "no room")),
  };
  const deps = { publicUrlProblem: undefined, clock: new ManualClock(), records } as unknown as Parameters<
    typeof recordRoute
  >[0];
  const facts = { ok: false, reason: "TwilioUnauthorized", message: "the key is refused" } as const;
  const recorded = await recordRoute(
    deps,
    { metadata: { name: "s" }, spec: {} } as WorkStream,
    { namespace: "a", namespaceUid: "u", stream: "s" },
    {
      facts,
      good: undefined,
      onlyTokens: { accountSid: `AC${"0".repeat(32)}`, accepted: ["0".repeat(32)] },
      secretVersion: "1",
      unobserved: undefined,
    },
  );
  expect(recorded).toEqual({ route: undefined, problem: undefined });
});
