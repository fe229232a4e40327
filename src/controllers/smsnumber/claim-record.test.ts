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

describe("after an update", () => {
  const rows: Record<
    string,
    [ClaimRecord, Webhook | undefined, { repairOf?: string }, Partial<ClaimRecord>]
  > = {
    "the first, where nothing was before": [claim, undefined, {}, { configured }],
    "the first: the host from before is kept, never the URL": [
      claim,
      saved,
      {},
      { configured, previous: { host: "crm.example.com", savedAtMs: NOW } },
    ],
    "the first, where an application was before": [
      claim,
      webhook({ smsApplicationSid: "AP1", smsUrl: "" }),
      {},
      { configured, previous: { host: "a Twilio application", savedAtMs: NOW } },
    ],
    "a repair is remembered, and since when it is ours": [
      { ...claim, configured: { ...configured, sinceMs: 5 }, repairs: [NOW - 2 * HOUR, NOW - 1000] },
      undefined,
      { repairOf: "crm.example.com" },
      { configured: { ...configured, sinceMs: 5 }, repairs: [NOW - 1000, NOW] },
    ],
    "once it is ours, what is saved is history": [
      { ...claim, configured, previous: { host: "first.example.com", savedAtMs: 1 } },
      saved,
      {},
      { configured, previous: { host: "first.example.com", savedAtMs: 1 } },
    ],
    "a contest is over": [{ ...claim, configured, contest }, undefined, {}, { configured }],
  };
  for (const [name, [before, was, step, want]] of Object.entries(rows))
    test(name, () =>
      expect(claimSet({ claim: before, saved: was, now: NOW }, set(step))).toEqual({ ...claim, ...want }),
    );
});

test("a number found wired is recorded as after an update, without a repair", () =>
  expect(claimWired({ claim: { ...claim, contest }, saved, now: NOW }, webhook())).toEqual({
    ...claim,
    configured,
    previous: { host: "crm.example.com", savedAtMs: NOW },
  }));

test("where something else takes precedence, only the contest ends", () =>
  expect(claimAtPeace({ ...claim, contest, repairs: [1] })).toEqual({ ...claim, repairs: [1] }));
