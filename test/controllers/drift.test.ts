import { afterAll, beforeAll, expect, test } from "vitest";
import { CONNECTION_OVERRIDES } from "../../src/twilio/connection-overrides.ts";
import { eventually } from "../support/eventually.ts";
import { World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  world = await World.start({ config: { resyncIntervalMs: 300 } });
  await world.wired();
});
afterAll(() => world.stop());

const ours = () => world.inboundUrl() + CONNECTION_OVERRIDES;
const setBack = () =>
  eventually("the webhook is ours again", () => (world.atTwilio().smsUrl === ours() ? true : undefined));

test("a changed webhook is set back, told of and counted; a fight is stepped out of until it is over", async () => {
  world.atTwilio().smsUrl = "https://user:hush@somebody.example.org/x";
  await setBack();
  const once = await eventually("the repair is told", async () => {
    const number = await world.numberIs("line", { Ready: "True" });
    return number.status?.driftRepairs?.count === 1 ? number : undefined;
  });
  expect(once.status?.driftRepairs).toMatchObject({ count: 1, lastHost: "somebody.example.org" });
  expect(JSON.stringify(once)).not.toContain("hush");

  // Without its fragment Twilio would not retry: drift as well.
  world.atTwilio().smsUrl = world.inboundUrl();
  await setBack();

  world.atTwilio().smsUrl = "https://somebody.example.org/x";
  const contested = await world.numberIs("line", { InboundUrlReady: "Contested", Stalled: "True" });
  expect(contested.status?.conditions?.find(({ type }) => type === "Ready")?.message).toContain(
    "somebody.example.org",
  );
  const resyncs = () =>
    world.simulator.control.requests().filter(({ operation }) => operation === "ListIncomingPhoneNumber")
      .length;
  const seen = resyncs();
  await eventually("three more resyncs", () => (resyncs() >= seen + 3 ? true : undefined));
  expect(world.atTwilio().smsUrl).toBe("https://somebody.example.org/x");

  // A person changes the object: another try.
  await world.number({ description: "ours again" });
  await setBack();
  await world.numberIs("line", { Ready: "True" });
});

test("the previous webhook is still the one from before us", async () => {
  const { smsNumbers } = await import("../../src/api/index.ts");
  await world.deleteNumber();
  await world.gone(smsNumbers, "line");
  expect(world.atTwilio().smsUrl).toContain("demo.twilio.com");
});
