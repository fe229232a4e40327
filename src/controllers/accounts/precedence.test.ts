import { describe, expect, test } from "vitest";
import { overrideOf, type PrecedenceInput } from "./precedence.ts";

const service = { serviceSid: "MG1", usesNumbersWebhook: false, inboundUrl: "" };
const input = (more: Partial<PrecedenceInput>): PrecedenceInput => ({
  service: undefined,
  conversationsAddress: false,
  isThisRoute: (url) => url === "https://sms.example.com/inbound/team/support",
  hostOf: (url) => new URL(url).host,
  ...more,
});
const elsewhere = (reason: string) => expect.objectContaining({ kind: "elsewhere", reason });

const rows: Record<string, [PrecedenceInput, unknown]> = {
  "no service and no address": [input({}), undefined],
  "a service that defers to the number's webhook": [
    input({ service: { ...service, usesNumbersWebhook: true } }),
    undefined,
  ],
  "a service that defers although it has a URL of its own": [
    input({ service: { ...service, usesNumbersWebhook: true, inboundUrl: "https://crm.example.net/" } }),
    undefined,
  ],
  "a service without a URL, which drops texts": [
    input({ service }),
    elsewhere("MessagingServiceDropsInbound"),
  ],
  "a service with another URL": [
    input({ service: { ...service, inboundUrl: "https://user:hush@crm.example.net/in?key=1" } }),
    elsewhere("MessagingServiceOverrides"),
  ],
  "a service with this route's URL, which has a fragment": [
    input({ service: { ...service, inboundUrl: "https://sms.example.com/inbound/team/support#rc=2" } }),
    { kind: "routesHere" },
  ],
  "a Conversations address, which comes before a service": [
    input({ conversationsAddress: true, service: { ...service, usesNumbersWebhook: true } }),
    elsewhere("ConversationsOverrides"),
  ],
};

describe("what takes a number's texts before its own webhook", () => {
  for (const [name, [given, want]] of Object.entries(rows))
    test(`is ${want === undefined ? "nothing" : "found"} for ${name}`, () =>
      expect(overrideOf(given)).toEqual(want));

  test("is described with only the host of a URL", () => {
    const override = overrideOf(rows["a service with another URL"]![0]);
    expect(JSON.stringify(override)).toContain("crm.example.net");
    expect(JSON.stringify(override)).not.toMatch(/hush|key=1/);
  });
});
