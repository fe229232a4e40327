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
  "nothing takes precedence": [input({}), undefined],
  "a service that defers to the number": [
    input({ service: { ...service, usesNumbersWebhook: true } }),
    undefined,
  ],
  "a service that defers, whatever its own URL": [
    input({ service: { ...service, usesNumbersWebhook: true, inboundUrl: "https://crm.example.net/" } }),
    undefined,
  ],
  "a service without a URL drops texts": [input({ service }), elsewhere("MessagingServiceDropsInbound")],
  "a service with somebody's URL": [
    input({ service: { ...service, inboundUrl: "https://user:hush@crm.example.net/in?key=1" } }),
    elsewhere("MessagingServiceOverrides"),
  ],
  "a service with this route's URL, overrides in its fragment": [
    input({ service: { ...service, inboundUrl: "https://sms.example.com/inbound/team/support#rc=2" } }),
    { kind: "routesHere" },
  ],
  "a Conversations address comes before all": [
    input({ conversationsAddress: true, service: { ...service, usesNumbersWebhook: true } }),
    elsewhere("ConversationsOverrides"),
  ],
};

describe("overrideOf", () => {
  for (const [name, [given, want]] of Object.entries(rows))
    test(name, () => expect(overrideOf(given)).toEqual(want));

  test("names the host of a URL and nothing more of it", () => {
    const override = overrideOf(rows["a service with somebody's URL"]![0]);
    expect(JSON.stringify(override)).toContain("crm.example.net");
    expect(JSON.stringify(override)).not.toMatch(/hush|key=1/);
  });
});
