import { describe, expect, test } from "vitest";
import type { Webhook } from "../../twilio/webhook.ts";
import type { ClaimRecord } from "../records/record.ts";
import { claimAtPeace, claimSet, claimWired } from "./claim-record.ts";

const HOUR = 3_600_000;
const NOW = 10 * HOUR;
const claim: ClaimRecord = {
  phoneNumberSid: "PN1",
  accountSid: "AC1",
  number: "14252306549",
  namespace: "team",
  namespaceUid: "uid",
  stream: "support",
  name: "line",
  uid: "number-uid",
};
const webhook = (more: Partial<Webhook> = {}): Webhook => ({
  smsUrl: "https://us/inbound",
  smsMethod: "POST",
  smsFallbackUrl: "https://us/fallback",
  smsFallbackMethod: "POST",
  smsApplicationSid: "",
  ...more,
});
const saved = webhook({ smsUrl: "https://user:password@crm.example.com/sms?key=1" });
const configured = { url: "https://us/inbound", fallbackUrl: "https://us/fallback", sinceMs: NOW };
const contest = { sinceMs: 1, generation: 1, seen: "x" };
const set = (more: { repairOf?: string } = {}) => ({ do: "set" as const, webhook: webhook(), ...more });

describe("claimSet says how an update at Twilio changes the record of a claim", () => {
  const rows: Record<
    string,
    [ClaimRecord, Webhook | undefined, { repairOf?: string }, Partial<ClaimRecord>]
  > = {
    "after the first update without an earlier webhook, the record has the URLs that were set": [
      claim,
      undefined,
      {},
      { configured },
    ],
    "after the first update, the record has the host of the earlier webhook but never its URL": [
      claim,
      saved,
      {},
      { configured, previous: { host: "crm.example.com", savedAtMs: NOW } },
    ],
    "after the first update of a number that had an application, the record says so instead of a host": [
      claim,
      webhook({ smsApplicationSid: "AP1", smsUrl: "" }),
      {},
      { configured, previous: { host: "a Twilio application", savedAtMs: NOW } },
    ],
    "after a repair, the record has the time of the repair and still the time of the first update": [
      { ...claim, configured: { ...configured, sinceMs: 5 }, repairs: [NOW - 2 * HOUR, NOW - 1000] },
      undefined,
      { repairOf: "crm.example.com" },
      { configured: { ...configured, sinceMs: 5 }, repairs: [NOW - 1000, NOW] },
    ],
    "after a later update, the record keeps the earlier webhook that was recorded first": [
      { ...claim, configured, previous: { host: "first.example.com", savedAtMs: 1 } },
      saved,
      {},
      { configured, previous: { host: "first.example.com", savedAtMs: 1 } },
    ],
    "after an update, the record has no contest any more": [
      { ...claim, configured, contest },
      undefined,
      {},
      { configured },
    ],
  };
  for (const [name, [before, was, step, want]] of Object.entries(rows))
    test(name, () =>
      expect(claimSet({ claim: before, saved: was, now: NOW }, set(step))).toEqual({ ...claim, ...want }),
    );
});

test("a webhook that already leads to this operator is recorded like one that was just set, but not as a repair", () =>
  expect(claimWired({ claim: { ...claim, contest }, saved, now: NOW }, webhook())).toEqual({
    ...claim,
    configured,
    previous: { host: "crm.example.com", savedAtMs: NOW },
  }));

test("when something else takes precedence over the webhook, only the contest is removed from the claim", () =>
  expect(claimAtPeace({ ...claim, contest, repairs: [1] })).toEqual({ ...claim, repairs: [1] }));
