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
  "what was there is restored, application included": [
    input({}),
    expect.objectContaining({
      do: "set",
      webhook: saved,
      event: expect.objectContaining({ reason: "WebhookRestored" }),
    }),
  ],
  "nothing was saved: cleared": [input({ saved: undefined }), does("set", "WebhookCleared")],
  "cleared when told so": [input({ policy: "Clear" }), does("set", "WebhookCleared")],
  "retained when told so": [input({ policy: "Retain" }), does("leave", "WebhookRetained")],
  "retained without a look at Twilio": [
    input({ policy: "Retain", seen: null }),
    does("leave", "WebhookRetained"),
  ],
  "another waits, and nobody looked": [
    input({ successor: true, policy: "Retain", seen: null }),
    does("handOver", "WebhookHandedOver"),
  ],
  "pointed elsewhere since: left": [
    input({ seen: { ...ours, smsUrl: "https://new.example.org/" } }),
    does("leave", "WebhookLeft"),
  ],
  "an application was put on it since: left": [
    input({ seen: { ...ours, smsApplicationSid: "AP2" } }),
    does("leave", "WebhookLeft"),
  ],
  "cleared by somebody since: left": [input({ seen: { ...ours, smsUrl: "" } }), does("leave", "WebhookLeft")],
  "no longer in the account: left": [input({ seen: null }), does("leave", "WebhookLeft")],
  "another waits for the number: handed over": [
    input({ successor: true }),
    does("handOver", "WebhookHandedOver"),
  ],
  "another waits, though Retain was asked": [
    input({ successor: true, policy: "Retain" }),
    does("handOver", "WebhookHandedOver"),
  ],
};

describe("planDeletion", () => {
  test("a number that is gone from the account is let go, and that is told and counted", () =>
    expect(planDeletion(input({ seen: null }))).toMatchObject({ letGo: { reason: "NumberNotInAccount" } }));

  test("a webhook that Twilio refuses to restore is cleared instead, with a warning", () =>
    expect(planDeletion(input({}))).toMatchObject({
      fallback: { webhook: { smsUrl: "" }, event: { type: "Warning", reason: "WebhookCleared" } },
    }));

  for (const [name, [given, want]] of Object.entries(rows))
    test(name, () => expect(planDeletion(given)).toEqual(want));

  test("clearing empties URL and fallback in one update, as Twilio demands (error 21406)", () => {
    expect(planDeletion(input({ policy: "Clear" }))).toMatchObject({
      webhook: { smsUrl: "", smsFallbackUrl: "", smsApplicationSid: "" },
    });
  });
});
