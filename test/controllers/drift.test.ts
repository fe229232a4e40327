import { afterEach, beforeEach, expect, test } from "vitest";
import { smsNumbers } from "../../src/api/index.ts";
import { CONNECTION_OVERRIDES } from "../../src/twilio/connection-overrides.ts";
import { eventually } from "../support/eventually.ts";
import { DEMO_URL } from "../support/world/simulated-twilio.ts";
import { World } from "../support/world.ts";

let world: World;
beforeEach(async () => {
  world = await World.start({ config: { resyncIntervalMs: 300 } });
  await world.wired();
});
afterEach(() => world.stop());

const THEIRS = "https://somebody.example.org/x";
const ours = () => world.inboundUrl() + CONNECTION_OVERRIDES;
const setBack = () =>
  eventually("the webhook is ours again", () => (world.atTwilio().smsUrl === ours() ? true : undefined));
/** Changes the webhook three times. The operator repairs it twice and takes the third change for a contest. */
const contested = async () => {
  for (const _ of [1, 2]) {
    world.atTwilio().smsUrl = THEIRS;
    await setBack();
  }
  world.atTwilio().smsUrl = THEIRS;
  return await world.numberIs("line", { InboundUrlReady: "Contested", Stalled: "True" });
};

test("a changed webhook is set back, and the status counts the repair and names the other host", async () => {
  world.atTwilio().smsUrl = "https://user:hush@somebody.example.org/x";
  await setBack();
  const once = await eventually("the status counts the repair", async () => {
    const number = await world.numberIs("line", { Ready: "True" });
    return number.status?.driftRepairs?.count === 1 ? number : undefined;
  });
  expect(once.status?.driftRepairs).toMatchObject({ count: 1, lastHost: "somebody.example.org" });
  expect(JSON.stringify(once)).not.toContain("hush");
});

test("a webhook without our URL fragment is set back, because Twilio would not retry texts without it", async () => {
  world.atTwilio().smsUrl = world.inboundUrl();
  await setBack();
});

test("a contested webhook is left alone until a user changes the SmsNumber", async () => {
  const number = await contested();
  expect(number.status?.conditions?.find(({ type }) => type === "Ready")?.message).toContain(
    "somebody.example.org",
  );
  const resyncs = () =>
    world.simulator.control.requests().filter(({ operation }) => operation === "ListIncomingPhoneNumber")
      .length;
  const seen = resyncs();
  await eventually("three more resyncs", () => (resyncs() >= seen + 3 ? true : undefined));
  expect(world.atTwilio().smsUrl).toBe(THEIRS);

  // A user changes the SmsNumber, so the operator tries again to set the webhook.
  await world.number({ description: "ours again" });
  await setBack();
  await world.numberIs("line", { Ready: "True" });
});

test("a deletion still restores the number's former webhook after the webhook was repaired and contested", async () => {
  await contested();
  await world.number({ description: "ours again" });
  await setBack();
  await world.deleteNumber();
  await world.gone(smsNumbers, "line");
  expect(world.atTwilio().smsUrl).toBe(DEMO_URL);
});
