import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NUMBER } from "../support/world/simulated-twilio.ts";
import { World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.stop());

test("a text arrives at a number for which a WorkStream and an SmsNumber were applied", async () => {
  const before = world.atTwilio().smsUrl;
  expect(before).toContain("demo.twilio.com");
  await world.wired();

  const number = await world.numberIs("line", {
    Accepted: "True",
    NumberFound: "True",
    InboundUrlReady: "True",
    Ready: "Ready",
  });
  expect(number.status).toMatchObject({
    managedBy: world.instance,
    phoneNumberSid: world.atTwilio().sid,
    configuredUrl: world.inboundUrl(),
    capabilities: { sms: true },
    previousWebhook: { host: "demo.twilio.com" },
  });
  expect(world.atTwilio()).toMatchObject({
    smsUrl: `${world.inboundUrl()}#ct=2000&rt=4500&rc=2&rp=all`,
    smsMethod: "POST",
    smsFallbackUrl: `${world.publicUrl}/fallback/${world.namespace}/support#ct=2000&rt=4500&rc=2&rp=all`,
  });
  const stream = await world.streamIs("support", {
    CredentialsValid: "True",
    InboundUrlReady: "True",
    NumberReady: "True",
    Ready: "True",
  });
  expect(stream.status).toMatchObject({
    inboundUrl: world.inboundUrl(),
    numberRef: { name: "line" },
    lastValidation: { result: "CredentialsValid" },
  });

  const delivery = await world.simulator.control.inbound({
    from: "+15005550123",
    to: `+${NUMBER}`,
    body: "hello",
  });
  expect(delivery.outcome).toBe("delivered");
  const database = new pg.Client(world.databaseUrl);
  await database.connect();
  const { rows } = await database.query("select kind, our_number, stream from smschannel.inbox");
  await database.end();
  expect(rows).toEqual([{ kind: "inbound", our_number: NUMBER, stream: "support" }]);
  expect(world.updates()).toHaveLength(1);

  await world.deleteNumber();
  await world.gone((await import("../../src/api/index.ts")).smsNumbers, "line");
  expect(world.atTwilio().smsUrl).toBe(before);
});
