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
/** Two repairs in a row are tried, and the third change is taken for a fight. */
const contested = async () => {
  for (const _ of [1, 2]) {
    world.atTwilio().smsUrl = THEIRS;
    await setBack();
  }
  world.atTwilio().smsUrl = THEIRS;
  return await world.numberIs("line", { InboundUrlReady: "Contested", Stalled: "True" });
};

test("a changed webhook is set back, and the status counts it and names the other host", async () => {
  world.atTwilio().smsUrl = "https://user:hush@somebody.example.org/x";
  await setBack();
  const once = await eventually("the repair is told", async () => {
    const number = await world.numberIs("line", { Ready: "True" });
    return number.status?.driftRepairs?.count === 1 ? number : undefined;
  });
  expect(once.status?.driftRepairs).toMatchObject({ count: 1, lastHost: "somebody.example.org" });
  expect(JSON.stringify(once)).not.toContain("hush");
});

test("a webhook without our fragment is set back, as Twilio would not retry a text without it", async () => {
  world.atTwilio().smsUrl = world.inboundUrl();
  await setBack();
});

test("a fight about the webhook is given up until a person changes the object", async () => {
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

  // A person changes the object: another try.
  await world.number({ description: "ours again" });
  await setBack();
  await world.numberIs("line", { Ready: "True" });
});

test("after repairs and a fight a deletion still restores what was there before us", async () => {
  await contested();
  await world.number({ description: "ours again" });
  await setBack();
  await world.deleteNumber();
  await world.gone(smsNumbers, "line");
  expect(world.atTwilio().smsUrl).toBe(DEMO_URL);
});
