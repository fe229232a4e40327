import { describe, expect, test } from "vitest";
import { ourWebhook, type Webhook } from "../../../twilio/webhook.ts";
import { type DeletionInput, planDeletion } from "./plan.ts";

const ours = ourWebhook({
  inbound: "https://sms.example.com/inbound/a/b",
  fallback: "https://sms.example.com/fallback/a/b",
});
const saved: Webhook = {
  ...ours,
  smsUrl: "https://before.example.net/",
  smsFallbackUrl: "",
  smsApplicationSid: "AP1",
};
const input = (more: Partial<DeletionInput>): DeletionInput => ({
  policy: "Restore",
  seen: ours,
  saved,
  isOurs: (url) => url.startsWith("https://sms.example.com/inbound/"),
  successor: false,
  ...more,
});
const does = (what: string, reason: string) =>
  expect.objectContaining({ do: what, event: expect.objectContaining({ reason }) });

const rows: Record<string, [DeletionInput, unknown]> = {
  "the saved webhook is restored, including its application": [
    input({}),
    expect.objectContaining({
      do: "set",
      webhook: saved,
      event: expect.objectContaining({ reason: "WebhookRestored" }),
    }),
  ],
  "the webhook is cleared when nothing was saved": [
    input({ saved: undefined }),
    does("set", "WebhookCleared"),
  ],
  "the webhook is cleared with deletionPolicy: Clear": [
    input({ policy: "Clear" }),
    does("set", "WebhookCleared"),
  ],
  "the webhook is retained with deletionPolicy: Retain": [
    input({ policy: "Retain" }),
    does("leave", "WebhookRetained"),
  ],
  "with deletionPolicy: Retain the webhook is retained without a call to Twilio": [
    input({ policy: "Retain", seen: null }),
    does("leave", "WebhookRetained"),
  ],
  "with deletionPolicy: Retain the number is handed over without a call to Twilio": [
    input({ successor: true, policy: "Retain", seen: null }),
    does("handOver", "WebhookHandedOver"),
  ],
  "a number that was pointed elsewhere in the meantime is not changed": [
    input({ seen: { ...ours, smsUrl: "https://new.example.org/" } }),
    does("leave", "WebhookLeft"),
  ],
  "a number that got an application in the meantime is not changed": [
    input({ seen: { ...ours, smsApplicationSid: "AP2" } }),
    does("leave", "WebhookLeft"),
  ],
  "a number whose webhook somebody cleared in the meantime is not changed": [
    input({ seen: { ...ours, smsUrl: "" } }),
    does("leave", "WebhookLeft"),
  ],
  "a number that is no longer in the account is not changed": [
    input({ seen: null }),
    does("leave", "WebhookLeft"),
  ],
  "the number is handed over to an SmsNumber that waits for it": [
    input({ successor: true }),
    does("handOver", "WebhookHandedOver"),
  ],
  "the number is handed over to an SmsNumber that waits for it, also with deletionPolicy: Retain": [
    input({ successor: true, policy: "Retain" }),
    does("handOver", "WebhookHandedOver"),
  ],
};

describe("planDeletion decides what a deletion does with the webhook at Twilio", () => {
  test("a number that is no longer in the account is let go with a reason", () =>
    expect(planDeletion(input({ seen: null }))).toMatchObject({ letGo: { reason: "NumberNotInAccount" } }));

  test("a webhook that Twilio refuses to restore is cleared instead, with a warning", () =>
    expect(planDeletion(input({}))).toMatchObject({
      fallback: { webhook: { smsUrl: "" }, event: { type: "Warning", reason: "WebhookCleared" } },
    }));

  for (const [name, [given, want]] of Object.entries(rows))
    test(name, () => expect(planDeletion(given)).toEqual(want));

  test("clearing empties the URL and the fallback URL in one update, as Twilio demands (error 21406)", () => {
    expect(planDeletion(input({ policy: "Clear" }))).toMatchObject({
      webhook: { smsUrl: "", smsFallbackUrl: "", smsApplicationSid: "" },
    });
  });
});
