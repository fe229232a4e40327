import { afterEach, beforeEach, expect, test } from "vitest";
import { operatingHours, smsNumbers, workStreams } from "../../src/api/index.ts";
import { secrets } from "../../src/kube/resource.ts";
import { DEMO_URL } from "../support/world/simulated-twilio.ts";
import { World } from "../support/world.ts";

let world: World;
beforeEach(async () => {
  world = await World.start();
  world.startOperator();
});
afterEach(() => world.stop());

test("SmsNumber, WorkStream and Secret become Ready although they are applied in the opposite order", async () => {
  await world.number();
  const alone = await world.numberIs("line", {
    Accepted: "WorkStreamNotFound",
    Ready: "False",
    Reconciling: "True",
    Stalled: "absent",
  });
  expect(alone.status?.conditions?.find(({ type }) => type === "Accepted")?.message).toContain(
    "no WorkStream support",
  );
  await world.stream();
  await world.streamIs("support", {
    CredentialsValid: "SecretNotFound",
    InboundUrlReady: "False",
    Ready: "False",
    Reconciling: "True",
  });
  await world.secret({ authToken: "" });
  await world.streamIs("support", { CredentialsValid: "SecretKeyMissing", Stalled: "True" });
  await world.secret({ accountSid: "not-a-sid" });
  await world.streamIs("support", { CredentialsValid: "AccountSidMalformed", Stalled: "True" });
  await world.secret({ authToken: "wrong" });
  const wrong = await world.streamIs("support", { CredentialsValid: "TwilioUnauthorized", Stalled: "True" });
  expect(JSON.stringify(wrong.status)).not.toContain('"wrong"');
  await world.secret();
  await world.streamIs("support", { Ready: "True", Stalled: "absent", Reconciling: "absent" });
  await world.numberIs("line", { Ready: "True" });
});

test("opening hours are refused if the stream allows no automated messages, and texts still arrive", async () => {
  await world.wired();
  await world.number({ operatingHoursRef: { name: "office" } });
  await world.numberIs("line", {
    Accepted: "OperatingHoursNotAllowed",
    InboundUrlReady: "True",
    Ready: "False",
  });
  await world.stream({ allowAutomatedMessages: true });
  await world.numberIs("line", { Accepted: "OperatingHoursNotFound", InboundUrlReady: "True" });
  await world.apply(operatingHours, {
    metadata: { name: "office", namespace: world.namespace },
    spec: { timeZone: "Europe/Vienna", weekly: [{ days: ["Monday"], start: "08:00", end: "17:00" }] },
  });
  await world.hoursAre("office", { Ready: "True" });
  await world.numberIs("line", { Ready: "True" });
  await world.stream({ allowAutomatedMessages: false });
  await world.numberIs("line", { Accepted: "OperatingHoursNotAllowed", InboundUrlReady: "True" });
  await world.stream({ allowAutomatedMessages: true });
  await world.numberIs("line", { Ready: "True" });
});

test("a routing rule that does not compile is named in a condition and an event, and texts still arrive", async () => {
  await world.wired();
  const rules = (when: string) => ({ routingRules: [{ name: "billing", when }] });
  await world.stream(rules("message.body == 'invoice'"));
  const wrong = await world.streamIs("support", {
    RoutingReady: "RoutingRuleInvalid",
    Ready: "True",
    Stalled: "absent",
  });
  const told = "rule billing: No such key: body (at character 9)";
  expect(wrong.status?.conditions?.find(({ type }) => type === "RoutingReady")?.message).toBe(told);
  expect((await world.event("RoutingRuleInvalid", "support")).note).toBe(told);
  await world.numberIs("line", { Ready: "True" });
  expect((await world.text()).outcome).toBe("delivered");
  await world.stream(rules("message.text.matches('invoice')"));
  await world.streamIs("support", { RoutingReady: "True", Ready: "True" });
});

test("after the deletion of a stream the number's webhook is unchanged, and texts still arrive", async () => {
  await world.wired();
  const url = world.atTwilio().smsUrl;
  await world.client.delete(workStreams, { namespace: world.namespace, name: "support" });
  await world.numberIs("line", { Accepted: "WorkStreamNotFound", Ready: "False" });
  expect(world.atTwilio().smsUrl).toBe(url);
  expect((await world.text()).outcome).toBe("delivered");
  await world.stream();
  await world.numberIs("line", { Ready: "True" });
});

test("the webhook is restored when SmsNumber, WorkStream and Secret are deleted at the same time", async () => {
  await world.wired();
  await Promise.all([
    world.client.delete(secrets, { namespace: world.namespace, name: "twilio" }),
    world.client.delete(workStreams, { namespace: world.namespace, name: "support" }),
    world.deleteNumber(),
  ]);
  await world.gone(smsNumbers, "line");
  expect(world.atTwilio().smsUrl).toBe(DEMO_URL);
});
