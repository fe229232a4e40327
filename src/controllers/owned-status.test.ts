import { expect, test } from "vitest";
import { ownNumberStatus, ownStreamStatus } from "./owned-status.ts";

test("a stream's status is ours but for the work process's fields and those that this version does not know", () => {
  const own = { managedBy: "sms/blue", inboundUrl: "https://x", conditions: [] };
  expect(
    ownStreamStatus({
      ...own,
      conversations: { open: 1 },
      appliedGeneration: { controller: 2, receiver: 1, work: 1, desk: 1 },
      ofTomorrow: true,
    }),
  ).toEqual({ ...own, appliedGeneration: { controller: 2, receiver: 1 } });
  expect(ownStreamStatus({ managedBy: "sms/blue" })).toEqual({ managedBy: "sms/blue" });
});

test("a number's status is ours but for the work process's fields and those that this version does not know", () => {
  expect(
    ownNumberStatus({ phoneNumberSid: "PN1", lastInboundTime: "2026-01-01T00:00:00Z", ofTomorrow: 1 }),
  ).toEqual({ phoneNumberSid: "PN1" });
});
