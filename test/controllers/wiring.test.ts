import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type SmsNumber, smsNumbers } from "../../src/api/index.ts";
import { CONNECTION_OVERRIDES } from "../../src/twilio/connection-overrides.ts";
import { cuttingProxy } from "../kube/proxy.ts";
import { kubeconfigPath } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { COMPLIANCE_REPLIES } from "../support/world/manifests.ts";
import { ACCOUNT } from "../support/world/simulated-twilio.ts";
import { World } from "../support/world.ts";

// Each row of the table is a test of one number with a stream of its own. All rows use one account. A row says what is
// configured at Twilio, what is applied and what the result is.
let world: World;
beforeAll(async () => {
  world = await World.start();
  await world.secret();
  world.startOperator();
});
afterAll(() => world.stop());

interface WiringRow {
  number: string;
  spec?: Partial<SmsNumber["spec"]>;
  want: Record<string, string>;
  /** Whether the number's webhook at Twilio is ours after the number was applied. */
  wired: boolean;
  says?: RegExp;
}

const rows: Record<string, WiringRow> = {
  "a webhook of another service is left alone": {
    number: "14252306550",
    want: {
      Accepted: "True",
      NumberFound: "True",
      InboundUrlReady: "WebhookOwnedByOther",
      Ready: "False",
      Stalled: "True",
    },
    wired: false,
    says: /crm\.example\.com.*takeover: Always/,
  },
  "a number with a Twilio application is left alone": {
    number: "14252306551",
    want: { InboundUrlReady: "ApplicationOverrides", Stalled: "True" },
    wired: false,
  },
  "a number that cannot receive SMS is reported": {
    number: "14252306552",
    want: { NumberFound: "NumberNotSmsCapable", Ready: "False" },
    wired: false,
  },
  "a Messaging Service that drops inbound texts is reported, and the webhook is not set": {
    number: "14252306553",
    want: { InboundUrlReady: "MessagingServiceDropsInbound" },
    wired: false,
    says: /Defer to sender/,
  },
  "a number in a Messaging Service that defers to the number's webhook is wired": {
    number: "14252306554",
    want: { Ready: "True" },
    wired: true,
  },
  "a Messaging Service with a URL of its own is reported": {
    number: "14252306555",
    want: { InboundUrlReady: "MessagingServiceOverrides" },
    wired: false,
    says: /crm\.example\.com/,
  },
  "a Conversations address is reported": {
    number: "14252306556",
    want: { InboundUrlReady: "ConversationsOverrides" },
    wired: false,
  },
  "a toll-free number is wired": {
    number: "18885550100",
    spec: { type: "TollFree" },
    want: { Ready: "True" },
    wired: true,
  },
  "a number of another account is reported": {
    number: "12065550100",
    want: { Accepted: "True", NumberFound: "NumberNotInAccount", Ready: "False", Stalled: "True" },
    wired: false,
    says: /does not own 12065550100/,
  },
};

describe("the settings at Twilio decide what the operator does", () => {
  for (const [title, row] of Object.entries(rows))
    test.concurrent(title, async () => {
      const name = `n${row.number}`;
      const before = world.atTwilio(row.number).smsUrl;
      await world.stream({}, { name });
      await world.number({ workStreamRef: { name }, number: row.number, ...row.spec }, { name });
      const object = await world.numberIs(name, row.want);
      const wiredUrl = world.inboundUrl(name) + CONNECTION_OVERRIDES;
      expect(world.atTwilio(row.number).smsUrl).toBe(row.wired ? wiredUrl : before);
      const ready = object.status?.conditions?.find(({ type }) => type === "Ready");
      if (row.says !== undefined) expect(ready?.message).toMatch(row.says);
    });

  test("a short code is accepted only with its STOP, START and HELP answers", async () => {
    await world.stream({}, { name: "code" });
    await world.number(
      { workStreamRef: { name: "code" }, number: "894546", type: "ShortCode" },
      { name: "code" },
    );
    const refused = await world.numberIs("code", { Accepted: "ComplianceRepliesMissing" });
    expect(refused.status?.conditions?.find(({ type }) => type === "Accepted")?.message).toContain(
      "OptOutConfirmation, OptInConfirmation, Help",
    );
    await world.number(
      {
        workStreamRef: { name: "code" },
        number: "894546",
        type: "ShortCode",
        automatedMessages: COMPLIANCE_REPLIES,
      },
      { name: "code" },
    );
    await world.numberIs("code", { Ready: "True" });
    expect(
      [...world.simulator.state.shortCodes].find(({ shortCode }) => shortCode === "894546")?.smsUrl,
    ).toBe(world.inboundUrl("code") + CONNECTION_OVERRIDES);
  });
});

describe("with takeover Always", () => {
  test("a webhook is replaced, and only its host is reported", async () => {
    const number = world.simulator.state.addNumber({
      accountSid: ACCOUNT,
      phoneNumber: "+14252306570",
      smsUrl: "https://user:hush@old.example.net/in?key=whisper",
    });
    await world.stream({}, { name: "take" });
    await world.number(
      { workStreamRef: { name: "take" }, number: "14252306570", takeover: "Always" },
      { name: "take" },
    );
    const object = await world.numberIs("take", { Ready: "True" });
    expect(number.smsUrl).toBe(world.inboundUrl("take") + CONNECTION_OVERRIDES);
    expect(object.status?.previousWebhook?.host).toBe("old.example.net");
    expect(JSON.stringify(object)).not.toMatch(/hush|whisper/);
  });

  test("a Twilio application is removed from the number", async () => {
    const number = world.simulator.state.addNumber({
      accountSid: ACCOUNT,
      phoneNumber: "+14252306571",
      smsApplicationSid: "AP00000000000000000000000000000001",
    });
    await world.stream({}, { name: "app" });
    await world.number(
      { workStreamRef: { name: "app" }, number: "14252306571", takeover: "Always" },
      { name: "app" },
    );
    await world.numberIs("app", { Ready: "True" });
    expect(number).toMatchObject({
      smsUrl: world.inboundUrl("app") + CONNECTION_OVERRIDES,
      smsApplicationSid: "",
    });
  });
});

test("a webhook that is set just before an SmsNumber is applied is noticed, even right after the account was read", async () => {
  const lists = () =>
    world.simulator.control.requests().filter(({ operation }) => operation === "ListIncomingPhoneNumber")
      .length;
  const accountSid = ACCOUNT;
  for (let at = 0; at < 5; at++) {
    const [first, second] = [`1425230670${at}`, `1425230680${at}`];
    world.simulator.state.addNumber({ accountSid, phoneNumber: `+${first}`, smsUrl: "" });
    const number = world.simulator.state.addNumber({ accountSid, phoneNumber: `+${second}`, smsUrl: "" });
    for (const name of [first, second]) await world.stream({}, { name: `n${name}` });
    for (const name of [first, second]) await world.streamIs(`n${name}`, { Ready: "True" });
    const before = lists();
    await world.number({ workStreamRef: { name: `n${first}` }, number: first }, { name: `n${first}` });
    await eventually("the account is looked at", () => (lists() > before ? true : undefined));
    number.smsUrl = "https://crm.example.com/sms";
    await world.number({ workStreamRef: { name: `n${second}` }, number: second }, { name: `n${second}` });
    await world.numberIs(`n${second}`, { Ready: "WebhookOwnedByOther" });
    expect(number.smsUrl).toBe("https://crm.example.com/sms");
  }
});

describe("the operator does not change the webhook", () => {
  test("with managementPolicy Observe, until the policy is changed to Manage", async () => {
    const number = world.simulator.state.addNumber({
      accountSid: ACCOUNT,
      phoneNumber: "+14252306572",
      smsUrl: "",
    });
    await world.stream({}, { name: "look" });
    await world.number(
      { workStreamRef: { name: "look" }, number: "14252306572", managementPolicy: "Observe" },
      { name: "look" },
    );
    const observed = await world.numberIs("look", {
      InboundUrlReady: "Observing",
      Ready: "False",
      Stalled: "absent",
    });
    expect(observed.metadata.finalizers ?? []).toEqual([]);
    expect(number.smsUrl).toBe("");
    await world.number(
      { workStreamRef: { name: "look" }, number: "14252306572", managementPolicy: "Manage" },
      { name: "look" },
    );
    await world.numberIs("look", { Ready: "True" });
    expect(number.smsUrl).toBe(world.inboundUrl("look") + CONNECTION_OVERRIDES);
  });

  test("while suspend is true", async () => {
    const number = world.simulator.state.addNumber({
      accountSid: ACCOUNT,
      phoneNumber: "+14252306573",
      smsUrl: "",
    });
    await world.stream({}, { name: "wait" });
    await world.number(
      { workStreamRef: { name: "wait" }, number: "14252306573", suspend: true },
      { name: "wait" },
    );
    await world.numberIs("wait", { InboundUrlReady: "Suspended", Stalled: "absent" });
    expect(number.smsUrl).toBe("");
    await world.number(
      { workStreamRef: { name: "wait" }, number: "14252306573", suspend: false },
      { name: "wait" },
    );
    await world.numberIs("wait", { Ready: "True" });
  });
});

test("wiring a number without a webhook sends a request to delete the saved webhook only if one was saved before", async () => {
  const proxy = await cuttingProxy(kubeconfigPath());
  const deletions = () =>
    proxy.seen.filter(({ method, url }) => method === "DELETE" && url.includes("-previous-"));
  const fresh = await World.start();
  try {
    await fresh.secret();
    Object.assign(fresh.atTwilio(), { smsUrl: "", smsFallbackUrl: "" });
    fresh.startOperator({}, { kubeconfig: proxy.kubeconfig });
    await fresh.stream();
    await fresh.number();
    await fresh.numberIs("line", { Ready: "True" });
    expect(deletions()).toEqual([]);

    // The operator takes over a webhook and then only observes the number. A user clears the webhook, and the
    // operator manages the number again.
    await fresh.deleteNumber();
    await fresh.gone(smsNumbers, "line");
    Object.assign(fresh.atTwilio(), { smsUrl: "https://crm.example.com/sms" });
    await fresh.number({ takeover: "Always" });
    await fresh.numberIs("line", { Ready: "True" });
    await fresh.number({ takeover: "Always", managementPolicy: "Observe" });
    await fresh.numberIs("line", { Ready: "True" });
    Object.assign(fresh.atTwilio(), { smsUrl: "", smsFallbackUrl: "" });
    await fresh.number({ takeover: "Always" });
    await fresh.numberIs("line", { Ready: "True" });
    expect(await fresh.previousWebhooks()).toEqual([]);
  } finally {
    await fresh.stop();
    await proxy.close();
  }
});

test("when Twilio accepts an update without making it, the message names the unchanged fields", async () => {
  const fresh = await World.start();
  try {
    await fresh.secret();
    fresh.simulator.control.faults({ kind: "unchanged", method: "POST" });
    fresh.startOperator();
    await fresh.stream();
    await fresh.number();
    await fresh.numberIs("line", { InboundUrlReady: "TwilioRejected" });
    const number = await fresh.client.get(smsNumbers, { namespace: fresh.namespace, name: "line" });
    const { message } = number!.status!.conditions!.find(({ type }) => type === "InboundUrlReady")!;
    expect(message).toContain("other values than those that were sent for SmsUrl and SmsFallbackUrl");
    fresh.simulator.control.clearFaults();
  } finally {
    await fresh.stop();
  }
});
