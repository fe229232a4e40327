import { describe, expect, test } from "vitest";
import { differences, sameWebhook } from "./webhook.ts";

const ours = {
  smsUrl: "https://sms.example.com/inbound/team/support",
  smsMethod: "POST",
  smsFallbackUrl: "https://sms.example.com/fallback/team/support",
  smsFallbackMethod: "POST",
  smsApplicationSid: "",
};

const rows: Record<string, [change: Partial<typeof ours>, names: string[]]> = {
  "no field, when nothing differs": [{}, []],
  "the URL": [{ smsUrl: "" }, ["SmsUrl"]],
  "both URLs": [{ smsFallbackUrl: "", smsUrl: "" }, ["SmsUrl", "SmsFallbackUrl"]],
  "both methods": [{ smsMethod: "GET", smsFallbackMethod: "GET" }, ["SmsMethod", "SmsFallbackMethod"]],
  "the application": [{ smsApplicationSid: "AP1" }, ["SmsApplicationSid"]],
};

describe("differences() names the fields in which two webhooks differ", () => {
  test.each(Object.entries(rows))("%s", (_, [change, names]) => {
    expect(differences(ours, { ...ours, ...change })).toEqual(names);
    expect(sameWebhook(ours, { ...ours, ...change })).toBe(names.length === 0);
  });
});
