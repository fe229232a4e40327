import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { smsNumbers } from "../../src/api/index.ts";
import { CONNECTION_OVERRIDES } from "../../src/twilio/connection-overrides.ts";
import { COMPLIANCE_REPLIES } from "../support/world/manifests.ts";
import { NUMBER, OTHER_ACCOUNT } from "../support/world/simulated-twilio.ts";
import { World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  world = await World.start({ namespaces: 3 });
  world.startOperator();
});
afterAll(() => world.stop());
beforeEach(async () => {
  for (const namespace of world.namespaces) {
    for (const { metadata } of (await world.client.list(smsNumbers, { namespace })).items) {
      await world.deleteNumber(metadata.name, namespace);
      await world.gone(smsNumbers, metadata.name, namespace);
    }
  }
});

/** Applies a Secret and a stream of the same Twilio account in each of the namespaces. */
const channelsIn = async (...namespaces: string[]) => {
  for (const namespace of namespaces) {
    await world.secret({}, { namespace });
    await world.stream({}, { namespace });
  }
};
/**
 * Gives the number to the first namespace. The second namespace has credentials of the same account, so it could have
 * the number too.
 */
const heldByFirst = async (first: string, second: string) => {
  await channelsIn(first, second);
  await world.number({}, { namespace: first });
  await world.numberIs("line", { Ready: "True" }, first);
};

test("of two namespaces that apply the same number the first keeps it, and the second gets it when the first deletes it", async () => {
  const [a, b] = world.namespaces as [string, string];
  const before = world.atTwilio().smsUrl;
  await heldByFirst(a, b);
  await world.number({}, { namespace: b });
  const refused = await world.numberIs(
    "line",
    { Accepted: "NumberAlreadyClaimed", NumberFound: "True", Stalled: "True" },
    b,
  );
  // A tenant must learn nothing about other namespaces, so the status does not name the namespace that holds the
  // number.
  expect(JSON.stringify(refused.status)).not.toContain(a);
  expect(world.atTwilio().smsUrl).toBe(world.inboundUrl("support", a) + CONNECTION_OVERRIDES);

  await world.deleteNumber("line", a);
  await world.gone(smsNumbers, "line", a);
  await world.numberIs("line", { Ready: "True" }, b);
  expect(world.atTwilio().smsUrl).toBe(world.inboundUrl("support", b) + CONNECTION_OVERRIDES);
  await world.deleteNumber("line", b);
  await world.gone(smsNumbers, "line", b);
  expect(world.atTwilio().smsUrl).toBe(before);
});

for (const [name, spec, stream] of [
  ["suspended", { suspend: true }, {}],
  ["suspended by its stream", {}, { suspend: true }],
] as const)
  test(`a waiting SmsNumber that is ${name} does not get the number when the number becomes free, and the webhook is restored`, async () => {
    const [a, b] = world.namespaces as [string, string];
    const before = world.atTwilio().smsUrl;
    await world.secret({}, { namespace: a });
    await world.stream({}, { namespace: a });
    await world.number({}, { namespace: a });
    await world.numberIs("line", { Ready: "True" }, a);
    await world.secret({}, { namespace: b });
    await world.stream(stream, { namespace: b });
    await world.number(spec, { namespace: b });
    await world.numberIs("line", { Accepted: "NumberAlreadyClaimed" }, b);
    await world.deleteNumber("line", a);
    await world.gone(smsNumbers, "line", a);
    expect(world.atTwilio().smsUrl).toBe(before);
    await world.numberIs("line", { Accepted: "True", Ready: "Suspended" }, b);
    await world.stream({}, { namespace: b });
  });

test("an SmsNumber that is not accepted gets no number, even if it is older than the number's holder or the holder is deleted", async () => {
  const [a, b] = world.namespaces as [string, string];
  const number = "894546";
  const type = "ShortCode";
  const automatedMessages = COMPLIANCE_REPLIES;
  const code = () => [...world.simulator.state.shortCodes].find(({ shortCode }) => shortCode === number)!;
  const before = code().smsUrl;
  await channelsIn(a, b);
  await world.number({ number, type }, { namespace: a });
  await world.numberIs("line", { Accepted: "ComplianceRepliesMissing" }, a);
  await world.number({ number, type, automatedMessages }, { namespace: b });
  await world.numberIs("line", { Ready: "True" }, b);
  await world.deleteNumber("line", b);
  await world.gone(smsNumbers, "line", b);
  expect(code().smsUrl).toBe(before);
});

test("an SmsNumber keeps its claim while Twilio refuses its token", async () => {
  const [a, b] = world.namespaces as [string, string];
  await heldByFirst(a, b);
  await world.secret({ authToken: "00000000000000000000000000000bad" }, { namespace: a });
  await world.numberIs("line", { Ready: "TwilioUnauthorized" }, a);
  await world.number({}, { namespace: b });
  await world.numberIs("line", { Accepted: "NumberAlreadyClaimed", NumberFound: "True" }, b);
  expect(world.atTwilio().smsUrl).toBe(world.inboundUrl("support", a) + CONNECTION_OVERRIDES);
  // The SmsNumber that was refused is deleted. It held nothing, so there is no webhook to put back.
  await world.deleteNumber("line", b);
  await world.gone(smsNumbers, "line", b);
  expect(world.atTwilio().smsUrl).toBe(world.inboundUrl("support", a) + CONNECTION_OVERRIDES);
  await world.secret({}, { namespace: a });
  await world.numberIs("line", { Ready: "True" }, a);
  expect((await world.text()).outcome).toBe("delivered");
});

test("a namespace whose account does not own a number does not get the number by applying it first", async () => {
  const [a, b] = world.namespaces as [string, string];
  await world.secret(OTHER_ACCOUNT, { namespace: a });
  await world.stream({}, { namespace: a });
  await world.number({}, { namespace: a });
  await world.numberIs("line", { NumberFound: "NumberNotInAccount" }, a);
  await world.secret({}, { namespace: b });
  await world.stream({}, { namespace: b });
  await world.number({}, { namespace: b });
  await world.numberIs("line", { Ready: "True" }, b);
});

test("an account SID together with the token of another account gives access to nothing", async () => {
  const [, b, c] = world.namespaces as [string, string, string];
  await world.secret({}, { namespace: b });
  await world.stream({}, { namespace: b });
  await world.number({}, { namespace: b });
  await world.numberIs("line", { Ready: "True" }, b);
  await world.secret({ authToken: OTHER_ACCOUNT.authToken }, { namespace: c });
  await world.stream({}, { namespace: c });
  await world.number({}, { namespace: c });
  await world.streamIs(
    "support",
    { CredentialsValid: "TwilioUnauthorized", Ready: "False", Stalled: "True" },
    c,
  );
  const number = await world.numberIs("line", { InboundUrlReady: "TwilioUnauthorized" }, c);
  expect(number.status?.phoneNumberSid).toBeUndefined();
  expect(world.atTwilio().smsUrl).toBe(world.inboundUrl("support", b) + CONNECTION_OVERRIDES);
});

test("of several SmsNumbers of a stream, the oldest whose number is in the account gets the stream, even if one with a typo is older", async () => {
  const [a] = world.namespaces as [string];
  await world.secret({}, { namespace: a });
  await world.stream({}, { namespace: a });
  await world.number({ number: "14255550000" }, { namespace: a, name: "typo" });
  await world.numberIs("typo", { NumberFound: "NumberNotInAccount" }, a);
  await world.number({ number: NUMBER }, { namespace: a, name: "good" });
  await world.numberIs("good", { Ready: "True" }, a);
  await world.number({ number: "14252306554" }, { namespace: a, name: "late" });
  await world.numberIs("late", { Accepted: "WorkStreamAlreadyHasNumber", Stalled: "True" }, a);
  const stream = await world.streamIs("support", { NumberReady: "True" }, a);
  expect(stream.status?.numberRef).toEqual({ name: "good" });

  await world.deleteNumber("good", a);
  await world.gone(smsNumbers, "good", a);
  await world.numberIs("late", { Ready: "True" }, a);
});

test("an SmsNumber that is set to Observe gives its claim to the SmsNumber that waits for the same number", async () => {
  const [a, b] = world.namespaces as [string, string];
  await heldByFirst(a, b);
  await world.number({}, { namespace: b });
  await world.numberIs("line", { Accepted: "NumberAlreadyClaimed" }, b);
  await world.number({ managementPolicy: "Observe" }, { namespace: a });
  await world.numberIs("line", { Ready: "True" }, b);
  await world.numberIs("line", { InboundUrlReady: "Observing" }, a);
});
