import { describe, expect, test } from "vitest";
import { fingerprintOf, ourWebhook, type Webhook } from "../../twilio/webhook.ts";
import { CONTEST_WINDOW_MS } from "./contest.ts";
import { type Plan, type PlanInput, plan } from "./webhook-plan.ts";

const now = 10 * CONTEST_WINDOW_MS;
const url = "https://sms.example.com/inbound/team/support";
const ours = ourWebhook({ inbound: url, fallback: "https://sms.example.com/fallback/team/support" });
const empty: Webhook = {
  smsUrl: "",
  smsMethod: "POST",
  smsFallbackUrl: "",
  smsFallbackMethod: "POST",
  smsApplicationSid: "",
};
const demo: Webhook = { ...empty, smsUrl: "https://demo.twilio.com/welcome/sms/reply/" };
const foreign: Webhook = { ...empty, smsUrl: "https://user:secret@flows.example.net/x?key=1" };
const application: Webhook = { ...empty, smsApplicationSid: "AP1" };
const formerUrl: Webhook = { ...ours, smsUrl: "https://old.example.com/inbound/team/support#rc=2" };
const manage = { manage: true, suspended: false, takeover: "WhenUnset" } as const;

const input = (more: Partial<PlanInput>): PlanInput => ({
  seen: empty,
  ours,
  isOurs: (candidate) => candidate.includes("/inbound/team/"),
  isOurFallback: (candidate) => candidate.includes("/fallback/team/"),
  override: undefined,
  policy: manage,
  configuredUrl: undefined,
  urlNotReady: undefined,
  repairs: [],
  contest: undefined,
  generation: 1,
  now,
  ...more,
});

const always = { ...manage, takeover: "Always" } as const;
const observe = { ...manage, manage: false } as const;
const suspended = { ...manage, suspended: true } as const;
const set = (more: Partial<Extract<Plan, { do: "set" }>> = {}): Plan => ({
  do: "set",
  webhook: ours,
  ...more,
});
const leave = (reason: string) => expect.objectContaining({ do: "leave", reason });

const rows: Record<string, [PlanInput, unknown]> = {
  "an empty webhook is replaced, and a webhook that was saved earlier is discarded": [
    input({}),
    set({ discard: true }),
  ],
  "the URL of Twilio's demo reply is replaced and saved": [input({ seen: demo }), set({ save: demo })],
  "nothing is done when the webhook leads to this operator already": [
    input({ seen: ours }),
    { do: "nothing" },
  ],
  "a URL that lost its fragment is set again": [input({ seen: { ...ours, smsUrl: url } }), set()],
  "a fallback URL that was lost is set again": [input({ seen: { ...ours, smsFallbackUrl: "" } }), set()],
  "a method that was changed to GET is set to POST again": [
    input({ seen: { ...ours, smsMethod: "GET" } }),
    set(),
  ],
  "a former URL of this operator is replaced and never saved": [input({ seen: formerUrl }), set()],
  "somebody else's webhook is not taken over by default": [
    input({ seen: foreign }),
    leave("WebhookOwnedByOther"),
  ],
  "somebody else's webhook is taken over and saved with takeover: Always": [
    input({ seen: foreign, policy: always }),
    set({ save: foreign }),
  ],
  "somebody else's application is not taken over by default": [
    input({ seen: application }),
    leave("ApplicationOverrides"),
  ],
  "an application takes precedence even over the operator's own URL": [
    input({ seen: { ...ours, smsApplicationSid: "AP1" } }),
    leave("ApplicationOverrides"),
  ],
  "somebody else's webhook is saved without the operator's fallback URL beside it": [
    input({ seen: { ...ours, smsUrl: foreign.smsUrl }, policy: always }),
    set({ save: { ...ours, smsUrl: foreign.smsUrl, smsFallbackUrl: "" } }),
  ],
  "somebody else's webhook is saved together with their own fallback URL": [
    input({ seen: { ...foreign, smsFallbackUrl: "https://flows.example.net/f" }, policy: always }),
    set({ save: { ...foreign, smsFallbackUrl: "https://flows.example.net/f" } }),
  ],
  "an application is saved without the operator's own URL beside it": [
    input({ seen: { ...ours, smsApplicationSid: "AP1" }, policy: always }),
    set({ save: application }),
  ],
  "somebody else's application is taken over and saved with takeover: Always": [
    input({ seen: application, policy: always }),
    set({ save: application }),
  ],
  "a webhook that the operator set and somebody changed is set back": [
    input({ seen: foreign, configuredUrl: ours.smsUrl }),
    set({ repairOf: "flows.example.net" }),
  ],
  "a webhook that the operator set and somebody cleared is set back": [
    input({ configuredUrl: ours.smsUrl }),
    set({ repairOf: "nowhere" }),
  ],
  "a webhook that the operator set and whose fragment somebody removed is set back": [
    input({ seen: { ...ours, smsUrl: url }, configuredUrl: ours.smsUrl }),
    set({ repairOf: "sms.example.com" }),
  ],
  "when PUBLIC_URL was changed, the webhook is set again without counting as drift": [
    input({ seen: formerUrl, configuredUrl: formerUrl.smsUrl }),
    set(),
  ],
  "an application that somebody put on a configured number is removed": [
    input({ seen: application, configuredUrl: ours.smsUrl }),
    set({ repairOf: "a Twilio application" }),
  ],
  "the third foreign change within an hour is not set back": [
    input({ seen: foreign, configuredUrl: ours.smsUrl, repairs: [now - 2, now - 1] }),
    expect.objectContaining({
      do: "leave",
      reason: "Contested",
      contest: { sinceMs: now, generation: 1, seen: fingerprintOf(foreign) },
    }),
  ],
  "no webhook is set to a URL that has not answered yet": [
    input({ urlNotReady: { reason: "PublicUrlUnreachable", message: "refused" } }),
    leave("PublicUrlUnreachable"),
  ],
  "a number stays pointed at a URL that stopped answering": [
    input({ seen: ours, urlNotReady: { reason: "PublicUrlUnreachable", message: "refused" } }),
    { do: "nothing" },
  ],
  "an observed number with somebody else's webhook is not changed": [
    input({ seen: foreign, policy: observe }),
    leave("Observing"),
  ],
  "an observed number that leads to this operator without a fragment is fine, since its texts arrive": [
    input({ seen: { ...ours, smsUrl: url, smsFallbackUrl: "" }, policy: observe }),
    { do: "nothing" },
  ],
  "an observed number that leads to this operator by GET is reported, since its texts do not arrive": [
    input({ seen: { ...ours, smsUrl: url, smsMethod: "GET" }, policy: observe }),
    leave("Observing"),
  ],
  "a suspended number that leads to this operator is fine": [
    input({ seen: ours, policy: suspended }),
    { do: "nothing" },
  ],
  "a suspended number without a webhook is not changed": [input({ policy: suspended }), leave("Suspended")],
  "drift of a suspended number is not repaired": [
    input({ seen: foreign, policy: suspended, configuredUrl: ours.smsUrl }),
    leave("Suspended"),
  ],
  "a number is fine when its Messaging Service sends texts to this operator": [
    input({ override: { kind: "routesHere" } }),
    { do: "nothing" },
  ],
  "a number is not changed when its Messaging Service drops texts": [
    input({ override: { kind: "elsewhere", reason: "MessagingServiceDropsInbound", message: "…" } }),
    leave("MessagingServiceDropsInbound"),
  ],
};

describe("plan decides what to do about a number's webhook at Twilio", () => {
  for (const [name, [given, want]] of Object.entries(rows))
    test(name, () => expect(plan(given)).toEqual(want));

  test("no message names more of a foreign webhook than its host", () => {
    for (const [given] of Object.values(rows)) {
      const result = plan(given);
      if (result.do === "leave") expect(result.message).not.toMatch(/secret|key=1|user:/);
    }
  });
});
