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
  "an empty webhook is ours to set, and what was saved earlier is out of date": [
    input({}),
    set({ discard: true }),
  ],
  "Twilio's demo reply is free, and kept for later": [input({ seen: demo }), set({ save: demo })],
  "nothing is done when the webhook is ours already": [input({ seen: ours }), { do: "nothing" }],
  "a lost fragment is drift": [input({ seen: { ...ours, smsUrl: url } }), set()],
  "a lost fallback is drift": [input({ seen: { ...ours, smsFallbackUrl: "" } }), set()],
  "GET instead of POST is drift": [input({ seen: { ...ours, smsMethod: "GET" } }), set()],
  "a former URL of ours is replaced and never saved": [input({ seen: formerUrl }), set()],
  "somebody's webhook is not taken over": [input({ seen: foreign }), leave("WebhookOwnedByOther")],
  "somebody's webhook is taken over when told so, and saved": [
    input({ seen: foreign, policy: always }),
    set({ save: foreign }),
  ],
  "somebody's application is not taken over": [input({ seen: application }), leave("ApplicationOverrides")],
  "an application beats even our own URL": [
    input({ seen: { ...ours, smsApplicationSid: "AP1" } }),
    leave("ApplicationOverrides"),
  ],
  "somebody's webhook beside our fallback is saved without it": [
    input({ seen: { ...ours, smsUrl: foreign.smsUrl }, policy: always }),
    set({ save: { ...ours, smsUrl: foreign.smsUrl, smsFallbackUrl: "" } }),
  ],
  "somebody's webhook beside their own fallback is saved with it": [
    input({ seen: { ...foreign, smsFallbackUrl: "https://flows.example.net/f" }, policy: always }),
    set({ save: { ...foreign, smsFallbackUrl: "https://flows.example.net/f" } }),
  ],
  "an application over our own URL is saved without that": [
    input({ seen: { ...ours, smsApplicationSid: "AP1" }, policy: always }),
    set({ save: application }),
  ],
  "an application is taken over when told so, and saved": [
    input({ seen: application, policy: always }),
    set({ save: application }),
  ],
  "what we set and somebody changed is set back": [
    input({ seen: foreign, configuredUrl: ours.smsUrl }),
    set({ repairOf: "flows.example.net" }),
  ],
  "what we set and somebody cleared is set back": [
    input({ configuredUrl: ours.smsUrl }),
    set({ repairOf: "nowhere" }),
  ],
  "what we set and somebody stripped of its fragment is set back": [
    input({ seen: { ...ours, smsUrl: url }, configuredUrl: ours.smsUrl }),
    set({ repairOf: "sms.example.com" }),
  ],
  "a changed PUBLIC_URL points the number anew and counts as nobody's drift": [
    input({ seen: formerUrl, configuredUrl: formerUrl.smsUrl }),
    set(),
  ],
  "an application put on our number is removed": [
    input({ seen: application, configuredUrl: ours.smsUrl }),
    set({ repairOf: "a Twilio application" }),
  ],
  "the third change within an hour is left alone": [
    input({ seen: foreign, configuredUrl: ours.smsUrl, repairs: [now - 2, now - 1] }),
    expect.objectContaining({
      do: "leave",
      reason: "Contested",
      contest: { sinceMs: now, generation: 1, seen: fingerprintOf(foreign) },
    }),
  ],
  "nothing is pointed at a URL that has not answered": [
    input({ urlNotReady: { reason: "PublicUrlUnreachable", message: "refused" } }),
    leave("PublicUrlUnreachable"),
  ],
  "a URL that stopped answering does not change a number that is pointed at it": [
    input({ seen: ours, urlNotReady: { reason: "PublicUrlUnreachable", message: "refused" } }),
    { do: "nothing" },
  ],
  "an observed number that is not ours is left alone": [
    input({ seen: foreign, policy: observe }),
    leave("Observing"),
  ],
  "an observed number that points at us without overrides is fine, since texts arrive": [
    input({ seen: { ...ours, smsUrl: url, smsFallbackUrl: "" }, policy: observe }),
    { do: "nothing" },
  ],
  "an observed number that points at us by GET is not fine, since texts do not arrive": [
    input({ seen: { ...ours, smsUrl: url, smsMethod: "GET" }, policy: observe }),
    leave("Observing"),
  ],
  "a suspended number that is ours is fine": [input({ seen: ours, policy: suspended }), { do: "nothing" }],
  "a suspended number without a webhook is left alone": [input({ policy: suspended }), leave("Suspended")],
  "drift of a suspended number is not repaired": [
    input({ seen: foreign, policy: suspended, configuredUrl: ours.smsUrl }),
    leave("Suspended"),
  ],
  "a Messaging Service that sends here is fine": [
    input({ override: { kind: "routesHere" } }),
    { do: "nothing" },
  ],
  "a Messaging Service that drops texts is not written around": [
    input({ override: { kind: "elsewhere", reason: "MessagingServiceDropsInbound", message: "…" } }),
    leave("MessagingServiceDropsInbound"),
  ],
};

describe("plan", () => {
  for (const [name, [given, want]] of Object.entries(rows))
    test(name, () => expect(plan(given)).toEqual(want));

  test("no message names more of a foreign webhook than its host", () => {
    for (const [given] of Object.values(rows)) {
      const result = plan(given);
      if (result.do === "leave") expect(result.message).not.toMatch(/secret|key=1|user:/);
    }
  });
});
