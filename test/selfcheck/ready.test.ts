import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { type Condition, smsNumbers, workStreams } from "../../src/api/index.ts";
import type { KubeObject, ResourceType } from "../../src/kube/resource.ts";
import { databaseProxy } from "../receiver/proxy.ts";
import { eventually } from "../support/eventually.ts";
import { SkippingClock } from "../support/skipping-clock.ts";
import { type Mode, type Spoiler, startSpoiler } from "../support/spoiler.ts";
import { World, type WorldOptions } from "../support/world.ts";

// The tests here check the conditions that users see when a proxy in front of the receiver spoils requests, or when
// the database of the receiver takes no texts. API server, operator, receiver and database are real. The simulated
// Twilio sends texts through the same proxy.

let world: World;
let spoiler: Spoiler;
const closers: (() => unknown)[] = [];
afterEach(async () => {
  await world.stop();
  for (const close of closers.splice(0)) await close();
});

async function begin(options: WorldOptions = {}) {
  world = await World.start(options);
  spoiler = await startSpoiler(world.publicUrl);
  closers.push(() => spoiler.close());
  world.publicUrl = spoiler.url;
}

/** Waits until stream and number both report that they are not Ready, with this reason and message. */
async function told(reason: string, says: RegExp): Promise<void> {
  for (const [type, name] of [
    [workStreams, "support"],
    [smsNumbers, "line"],
  ] as const)
    await eventually(`${type.kind} says ${reason} ${says}`, async () => {
      const found = await world.client.get(type as ResourceType<KubeObject>, {
        namespace: world.namespace,
        name,
      });
      const conditions = (found?.status as { conditions?: Condition[] } | undefined)?.conditions ?? [];
      const of = (wanted: string) => conditions.find((each) => each.type === wanted);
      const isSo = [of("InboundUrlReady"), of("Ready")].every(
        (each) => each?.status === "False" && each.reason === reason && says.test(each.message),
      );
      return isSo ? true : undefined;
    });
}

/** Six of the ways in which a proxy can spoil requests. spoils.test.ts tests every way. */
const ways: [Mode, reason: string, says: RegExp][] = [
  ["signature removed", "PublicUrlAltersRequests", /the header X-Twilio-Signature is removed/],
  ["slash appended", "PublicUrlAltersRequests", /a slash is appended to the path/],
  ["emoji removed", "PublicUrlAltersRequests", /emoji are removed or replaced/],
  ["empty fields dropped", "PublicUrlAltersRequests", /empty fields are dropped/],
  ["login page", "PublicUrlRedirects", /a login page at sso\.example\.com/],
  ["firewall's page", "PublicUrlNotOurs", /refused by something in front of the receiver \(403\)/],
];

describe("a number is not pointed at a URL whose proxy spoils requests, reports why, and becomes Ready once the proxy stops", () => {
  for (const [mode, reason, says] of ways)
    test(`spoiled by the proxy: ${mode}`, async () => {
      await begin();
      spoiler.mode = mode;
      await world.secret();
      await world.stream();
      await world.number();
      world.startOperator();
      await told(reason, says);
      expect(world.updates()).toEqual([]);
      spoiler.mode = "nothing";
      await world.numberIs("line", { Ready: "True" });
      await world.streamIs("support", { Ready: "True" });
      expect((await world.text()).outcome).toBe("delivered");
    });
});

test("a proxy that begins to spoil requests of a Ready number is reported within a minute, and the webhook stays", async () => {
  const clock = new SkippingClock();
  await begin({ clock, receiverClock: new SkippingClock() });
  await world.wired();
  const webhook = world.atTwilio().smsUrl;
  for (const [mode, reason, says] of ways) {
    spoiler.mode = mode;
    await during(clock, 60_000, told(reason, says));
  }
  spoiler.mode = "nothing";
  await during(clock, 60_000, world.numberIs("line", { Ready: "True" }));
  await world.streamIs("support", { Ready: "True" });
  expect(world.atTwilio().smsUrl).toBe(webhook);
  expect(world.updates()).toHaveLength(1);
}, 120_000);

describe("a number becomes Ready behind a proxy that changes requests without harm", () => {
  const harmless: Mode[] = [
    "host rewritten",
    "query appended",
    "fields sorted",
    "encoded anew",
    "headers added",
  ];
  for (const mode of harmless)
    test(`changed by the proxy: ${mode}`, async () => {
      await begin();
      spoiler.mode = mode;
      await world.wired();
      expect((await world.text()).outcome).toBe("delivered");
    });
});

test("a database that takes no texts is reported within a minute, and so is its recovery", async () => {
  const clock = new SkippingClock();
  const receiverClock = new SkippingClock();
  const database = {} as { proxy: Awaited<ReturnType<typeof databaseProxy>> };
  await begin({
    clock,
    receiverClock,
    throughDatabase: async (url) => {
      database.proxy = await databaseProxy(url);
      closers.push(() => database.proxy.close());
      return database.proxy.url;
    },
  });
  await world.wired();
  const webhook = world.atTwilio().smsUrl;
  database.proxy.set("refuse");
  receiverClock.skip(10_000);
  await during(clock, 60_000, told("StoreUnavailable", /its database takes no texts/));
  expect((await world.text()).outcome).not.toBe("delivered");
  database.proxy.set("pass");
  receiverClock.skip(10_000);
  await during(clock, 60_000, world.numberIs("line", { Ready: "True" }));
  await world.streamIs("support", { Ready: "True" });
  expect((await world.text()).outcome).toBe("delivered");
  expect(world.atTwilio().smsUrl).toBe(webhook);
}, 120_000);

/**
 * Advances the clock in small steps until `wanted` resolves, and by at most this time. Requests can be answered in the
 * pauses between the steps.
 */
async function during<T>(clock: SkippingClock, ms: number, wanted: Promise<T>): Promise<T> {
  let over = false;
  const ended = wanted.finally(() => {
    over = true;
  });
  for (let passed = 0; passed < ms && !over; passed += 2_500) {
    clock.skip(2_500);
    await Promise.race([sleep(250), ended]).catch(() => {});
  }
  return await ended;
}
