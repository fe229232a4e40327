import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { smsNumbers } from "../../src/api/index.ts";
import { eventually } from "../support/eventually.ts";
import { applyFleet, deleteFleet, fleetIsReady, fleetSeed } from "../support/fleet.ts";
import { type HeldRequest, HoldingProxy } from "../support/holding-proxy.ts";
import { World, type WorldOptions } from "../support/world.ts";

const ANNOTATION = { "smschannel.dev/force-delete": "true" };

let world: World;
let twilio: HoldingProxy;
const started = async (options: WorldOptions = {}) => {
  world = await World.start(options);
  twilio = await HoldingProxy.start(world.simulator.url);
};
afterEach(async () => {
  await world.stop();
  await twilio.close();
});
/** Starts an operator that reaches Twilio through a proxy that can hold requests. */
const operator = (resyncIntervalMs = 300_000) =>
  world.startOperator({ twilioBaseUrl: twilio.url, resyncIntervalMs });

const anything = () => true;
const updates = ({ method }: HeldRequest) => method === "POST";
const force = (name = "line") =>
  world.client.patch(
    smsNumbers,
    { namespace: world.namespace, name },
    { metadata: { annotations: ANNOTATION } },
  );
/**
 * Waits until the SmsNumber is gone, but at most 4 s. That is enough for a busy machine, but only a tenth of the time
 * of a hanging call and an eighth of the pause of an account.
 */
const goneAtOnce = (name = "line") =>
  eventually(
    `${name} is gone`,
    async () =>
      (await world.client.get(smsNumbers, { namespace: world.namespace, name })) === undefined
        ? true
        : undefined,
    4000,
  );

/** A fault of Twilio, and a function that waits until a deletion has met it. */
interface TwilioTrouble {
  begins(): void;
  isMet(): Promise<unknown>;
}
const holding = (holds: (request: HeldRequest) => boolean): TwilioTrouble => ({
  begins: () => {
    twilio.holds = holds;
  },
  isMet: () => twilio.holdsNow(1),
});
const answering = (status: number, retryAfterSeconds?: number): TwilioTrouble => ({
  begins: () => {
    world.simulator.control.clearRequests();
    const retry = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
    world.simulator.control.faults({ kind: "status", status, ...retry });
  },
  isMet: () =>
    eventually("Twilio has answered", () =>
      world.simulator.control.requests().some((request) => request.status === status) ? true : undefined,
    ),
});
const troubles: Record<string, TwilioTrouble> = {
  "Twilio does not answer any request": holding(anything),
  "Twilio does not answer the update": holding(updates),
  "Twilio answers 429": answering(429),
  "Twilio answers 429 with a Retry-After of half a minute": answering(429, 30),
  "Twilio answers 503": answering(503),
};

describe("force-delete ends a deletion immediately", () => {
  beforeEach(() => started());

  for (const [name, trouble] of Object.entries(troubles)) {
    test(`when ${name} and the deletion is already waiting`, async () => {
      operator();
      await world.wired();
      trouble.begins();
      await world.deleteNumber();
      await trouble.isMet();
      await force();
      await goneAtOnce();
      // The number was let go without waiting. It still counts as let go, and the number's former webhook is kept.
      expect(await world.metric("smschannel_finalizer_gave_up_total")).toBe(1);
      const { sid } = world.atTwilio();
      expect(await world.previousWebhooks()).toEqual([expect.stringContaining(sid.toLowerCase())]);
      expect((await world.event("WebhookLeft", "line")).note).toContain("force-delete");
    });

    test(`when ${name} and the annotation was set before the deletion`, async () => {
      operator();
      await world.wired();
      await force();
      trouble.begins();
      await world.deleteNumber();
      await goneAtOnce();
    });
  }

  const underWay: Record<string, () => Promise<unknown>> = {
    "the number is being wired and Twilio does not answer the update": async () => {
      twilio.holds = updates;
      await world.secret();
      await world.stream();
      await world.number();
      operator();
    },
    "the webhook is being repaired and Twilio does not answer": async () => {
      operator(300);
      await world.wired();
      twilio.holds = updates;
      Object.assign(world.atTwilio(), { smsUrl: "https://else.example.com/", smsFallbackUrl: "" });
    },
    "the operator waits for the list of the account's numbers": async () => {
      operator();
      await world.wired();
      await world.number({ managementPolicy: "Observe" });
      await world.numberIs("line", { Ready: "True" });
      twilio.holds = anything;
      await world.number({ managementPolicy: "Manage" });
    },
  };
  for (const [name, begin] of Object.entries(underWay))
    test(`while ${name}`, async () => {
      await begin();
      await twilio.holdsNow(1);
      await world.deleteNumber();
      await force();
      await goneAtOnce();
    });
});

describe("a deletion that is not forced", () => {
  beforeEach(() => started());

  test("does not wait for a reading of its account that is under way", async () => {
    operator();
    await world.wired();
    await world.number({ managementPolicy: "Observe" });
    await world.numberIs("line", { Ready: "True" });
    twilio.holds = ({ path }) => path.includes("IncomingPhoneNumbers.json");
    await world.number({ managementPolicy: "Manage" });
    await twilio.holdsNow(1);
    await world.deleteNumber();
    await goneAtOnce();
  });

  test("waits for an update that was sent, so that the update does not take effect after the deletion", async () => {
    operator();
    await world.secret();
    await world.stream();
    await world.number();
    const before = world.atTwilio().smsUrl;
    twilio.holds = updates;
    await twilio.holdsNow(1);
    await world.deleteNumber();
    // While Twilio does not answer the update, the operator must send no other request: a read of the number would
    // return its state from before the update.
    const asked = world.simulator.control.requests().length;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(twilio.held.size).toBe(1);
    expect(world.simulator.control.requests()).toHaveLength(asked);
    twilio.holds = () => false;
    await world.gone(smsNumbers, "line");
    expect(world.atTwilio().smsUrl).toBe(before);
  });
});

test("a forced deletion ends immediately although many deletions that began earlier wait for Twilio", async () => {
  const [workers, size] = [6, 24];
  await started({ workers, simulator: { seed: fleetSeed(size) } });
  operator();
  const fleet = await applyFleet(world, { account: 1, namespace: world.namespace, to: size });
  await fleetIsReady(world, fleet);
  twilio.holds = anything;
  await deleteFleet(world, fleet);
  await eventually("more wait than there are workers", async () =>
    (await world.metric("smschannel_workqueue_depth")) > workers ? true : undefined,
  );
  for (const name of [fleet.names.at(-1)!, fleet.names[0]!]) {
    await force(name);
    await goneAtOnce(name);
  }
  const { items } = await world.client.list(smsNumbers, { namespace: world.namespace });
  expect(items).toHaveLength(size - 2);
}, 180_000);
