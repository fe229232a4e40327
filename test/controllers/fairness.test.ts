import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { smsNumbers, workStreams } from "../../src/api/index.ts";
import type { KubeObject } from "../../src/kube/resource.ts";
import { eventually } from "../support/eventually.ts";
import {
  applyFleet,
  deleteFleet,
  type Fleet,
  fleetIsGone,
  fleetIsReady,
  fleetSeed,
} from "../support/fleet.ts";
import { HoldingProxy } from "../support/holding-proxy.ts";
import { DEMO_URL } from "../support/world/simulated-twilio.ts";
import { World } from "../support/world.ts";

/** The number of workers: a tenth of the number in production, and fewer than there are objects. */
const WORKERS = 30;
const SIZE = 50;
const CHANGES = 10;
let world: World;
let twilio: HoldingProxy;
let a: string;
let b: string;
let ours: Fleet;
/** How long the operator needs to observe a change of tenant B while tenant A does nothing. */
let usualMs: number;

beforeAll(async () => {
  const seed = fleetSeed(SIZE, CHANGES + 10);
  world = await World.start({ namespaces: 2, workers: WORKERS, simulator: { seed } });
  twilio = await HoldingProxy.start(world.simulator.url);
  [a, b] = world.namespaces as [string, string];
  operator();
  ours = await applyFleet(world, { account: 2, namespace: b, to: CHANGES });
  await fleetIsReady(world, ours);
  usualMs = median(await changes("alone"));
}, 120_000);
afterAll(async () => {
  await world.stop();
  await twilio.close();
});

const operator = () => world.startOperator({ twilioBaseUrl: twilio.url });

const median = (times: number[]) => times.toSorted((one, other) => one - other)[times.length >> 1]!;

/**
 * Changes the numbers of tenant B one after another. Returns how long it took until the operator observed each change;
 * it may take at most 10 s.
 */
async function changes(description: string): Promise<number[]> {
  const times: number[] = [];
  for (const name of ours.names) {
    const ref = { namespace: b, name };
    const began = performance.now();
    const changed = await world.client.patch(smsNumbers, ref, { spec: { description } });
    const observed = async () => {
      const number = await world.client.get(smsNumbers, ref);
      return number?.status?.observedGeneration === changed.metadata.generation ? true : undefined;
    };
    await eventually(`${name} is observed`, observed, 10_000);
    times.push(performance.now() - began);
  }
  return times;
}

let next = CHANGES;
/** Expects that an operator serves tenant B in time: changes of its numbers, a new number and a deletion. */
async function bIsServed(meanwhile: string) {
  // The limit is a second, or more on a machine that is so slow that tenant B needs longer even when tenant A does
  // nothing.
  expect(median(await changes(meanwhile))).toBeLessThan(Math.max(1000, 4 * usualMs));
  const added = await applyFleet(world, { account: 2, namespace: b, from: next, to: next + 1 });
  next += 1;
  await fleetIsReady(world, added, 20_000);
  await deleteFleet(world, added);
  await fleetIsGone(world, added);
  expect(world.atTwilio(added.digits(added.names[0]!)).smsUrl).toBe(DEMO_URL);
}

const ACCOUNT_OF_A = `AC${"1".padStart(32, "0")}`;
const troubles: Record<string, () => void> = {
  "Twilio does not answer requests of tenant A": () => {
    twilio.holds = ({ path }) => path.includes(ACCOUNT_OF_A);
  },
  "Twilio answers all requests of tenant A with 429": () =>
    world.simulator.control.faults({ kind: "status", status: 429, accountSid: ACCOUNT_OF_A }),
};
const allOfA = () => applyFleet(world, { account: 1, namespace: a, to: SIZE });
/**
 * Ends the fault and deletes all objects of tenant A, also after a failure: what one test leaves would take workers from
 * the next. A new operator does this, because it has no pauses and no backoff left.
 */
afterEach(async () => {
  twilio.holds = () => false;
  world.simulator.control.clearFaults();
  await world.stopOperators();
  operator();
  for (const type of [smsNumbers, workStreams]) {
    const { items } = await world.client.list<KubeObject>(type, { namespace: a });
    for (const { metadata } of items) await world.client.delete(type, { namespace: a, name: metadata.name });
    await eventually(
      `tenant A has no ${type.plural}`,
      async () =>
        (await world.client.list<KubeObject>(type, { namespace: a })).items.length === 0 ? true : undefined,
      60_000,
    );
  }
}, 180_000);

describe("tenant B is served within a second", { timeout: 180_000 }, () => {
  for (const [name, begins] of Object.entries(troubles)) {
    test(`while ${name}, and tenant A deletes ${SIZE} numbers`, async () => {
      const fleet = await allOfA();
      await fleetIsReady(world, fleet);
      begins();
      await deleteFleet(world, fleet);
      await eventually("more wait than there are workers for A", async () =>
        (await world.metric("smschannel_workqueue_depth")) > 10 ? true : undefined,
      );
      await bIsServed(name);
    });

    test(`while ${name}, and tenant A applies ${SIZE} numbers`, async () => {
      begins();
      await allOfA();
      await bIsServed(name);
    });
  }

  test(`while Twilio does not answer requests of tenant A, which has ${2 * WORKERS} streams with different credentials`, async () => {
    troubles["Twilio does not answer requests of tenant A"]!();
    const withItsOwn = async (at: number) => {
      const name = `of-its-own-${at}`;
      // A wrong token in the form of a real token. A token in another form would be refused without a request to
      // Twilio.
      const authToken = `a1b2c3d4e5f60718293a4b5c6d7e8f${at.toString(16).padStart(2, "0")}`;
      await world.secret({ accountSid: ACCOUNT_OF_A, authToken }, { name, namespace: a });
      await world.stream({ sms: { twilio: { credentialsSecretRef: { name } } } }, { name, namespace: a });
    };
    await Promise.all(Array.from({ length: 2 * WORKERS }, (_, at) => withItsOwn(at)));
    // Only a third of the workers are expected to wait for Twilio: some calls time out while others begin, so the whole
    // share of tenant A is never in use at the same time.
    await twilio.holdsNow(WORKERS / 3);
    await bIsServed("many credentials");
  });

  test("while tenant A changes its objects without pause", async () => {
    const fleet = await allOfA();
    await fleetIsReady(world, fleet);
    let stopped = false;
    const busily = async (name: string) => {
      for (let round = 0; !stopped; round++)
        await world.client.patch(smsNumbers, { namespace: a, name }, { spec: { description: `${round}` } });
    };
    // Only two numbers are changed without pause. With more numbers the test would measure the API server, which uses
    // the same processors.
    const busy = Promise.all(fleet.names.slice(0, 2).map(busily));
    try {
      await bIsServed("changes without end");
    } finally {
      stopped = true;
      await busy;
    }
  });
});
