import { expect, test } from "vitest";
import { ownNumberStatus, ownStreamStatus } from "./owned-status.ts";

test("the controller owns a stream's status, except fields of the work process and fields that it does not know", () => {
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

test("the controller owns a number's status, except fields of the work process and fields that it does not know", () => {
  expect(
    ownNumberStatus({ phoneNumberSid: "PN1", lastInboundTime: "2026-01-01T00:00:00Z", ofTomorrow: 1 }),
  ).toEqual({ phoneNumberSid: "PN1" });
});
