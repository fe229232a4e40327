import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { smsNumbers } from "../../src/api/index.ts";
import type { SimulatedFault } from "../../src/simulator/simulator.ts";
import { eventually } from "../support/eventually.ts";
import { applyFleet, deleteFleet, fleetIsGone, fleetIsReady, fleetSeed } from "../support/fleet.ts";
import { recordedLog } from "../support/recorded-log.ts";
import { World } from "../support/world.ts";

const troubles: Record<string, SimulatedFault> = {
  "Twilio answers every request with 429": { kind: "status", status: 429 },
  "Twilio answers with 429 and Retry-After 30 s": { kind: "status", status: 429, retryAfterSeconds: 30 },
  "Twilio answers no request at all": { kind: "slow", ms: 600_000, when: "before" },
  "Twilio answers all requests except the update": {
    kind: "slow",
    ms: 600_000,
    when: "before",
    operation: "UpdateIncomingPhoneNumber",
  },
  "Twilio makes the update but does not answer it, and answers all other requests": {
    kind: "slow",
    ms: 600_000,
    when: "after",
    operation: "UpdateIncomingPhoneNumber",
  },
  "Twilio answers with 503": { kind: "status", status: 503 },
  "Twilio resets connections": { kind: "reset", when: "before" },
  "Twilio sends half an answer": { kind: "cut" },
};
const { log, lines, linesOf } = recordedLog("warn");
let world: World;

beforeAll(async () => {
  world = await World.start({ log });
});
afterAll(() => world.stop());

/** Starts a new operator for each test, because the operator's pause after a 429 lasts longer than the fault. */
const afresh = async (config: Parameters<World["startOperator"]>[0] = {}) => {
  await world.stopOperators();
  world.simulator.control.reset();
  await world.forgetEverything();
  world.startOperator(config);
};
const gaveUp = () => world.metric("smschannel_finalizer_gave_up_total");

/**
 * Without DELETE_TIMEOUT no test in this group would end within the 20 s that a test waits, because failed calls are
 * repeated after growing pauses.
 */
describe("a deletion ends after DELETE_TIMEOUT while Twilio fails", () => {
  beforeEach(() => afresh({ deleteTimeoutMs: 2000 }));

  for (const deletionPolicy of ["Restore", "Clear"] as const)
    for (const [name, fault] of Object.entries(troubles))
      test(`the number is let go with an event, a log line and a metric, with deletionPolicy ${deletionPolicy}, when ${name}`, async () => {
        await world.wired({ deletionPolicy });
        lines.splice(0);
        world.simulator.control.faults(fault);
        await world.deleteNumber();
        await world.gone(smsNumbers, "line");
        expect(await gaveUp()).toBe(1);
        expect(linesOf("number let go")).toMatchObject([
          { why: expect.stringMatching(/^gave up after waiting for Twilio/), formerHost: "demo.twilio.com" },
        ]);
        const told = await eventually("the warning", async () =>
          (await world.events()).find(({ note }) => note.includes("gave up after waiting for Twilio")),
        );
        expect(told.type).toBe("Warning");
        // The number's former webhook is kept, in case an SmsNumber of the same number is created again.
        expect(await world.previousWebhooks()).toHaveLength(1);
      });
});

describe("with deletionPolicy Retain a deletion changes nothing at Twilio and does not wait for Twilio", () => {
  beforeEach(() => afresh());

  for (const [name, fault] of Object.entries(troubles))
    test(`when ${name}`, async () => {
      await world.wired({ deletionPolicy: "Retain" });
      world.simulator.control.faults(fault);
      world.simulator.control.clearRequests();
      await world.deleteNumber();
      await world.gone(smsNumbers, "line");
      expect(world.simulator.control.requests().filter(({ path }) => path.includes("PN"))).toEqual([]);
      expect(world.atTwilio().smsUrl).toContain(world.inboundUrl());
    });

  test("when Twilio refuses the token, and the metric does not count the number as let go", async () => {
    await world.wired({ deletionPolicy: "Retain" });
    world.simulator.control.faults({ kind: "status", status: 401 });
    await world.deleteNumber();
    await world.gone(smsNumbers, "line");
    expect(await gaveUp()).toBe(0);
  });
});

describe("a hundred deletions in one account", { timeout: 180_000 }, () => {
  const SIZE = 100;
  let many: World;
  beforeAll(async () => {
    many = await World.start({ simulator: { seed: fleetSeed(SIZE) } });
  });
  afterAll(() => many.stop());

  for (const [name, resyncIntervalMs] of [
    ["no other work", 300_000],
    ["resyncs at the same time", 500],
  ] as const)
    test(`all end after DELETE_TIMEOUT while Twilio answers every request with 429, with ${name}`, async () => {
      await many.stopOperators();
      many.simulator.control.reset();
      many.startOperator({ deleteTimeoutMs: 3000, resyncIntervalMs });
      const fleet = await applyFleet(many, { account: 1, namespace: many.namespace, to: SIZE });
      await fleetIsReady(many, fleet);
      many.simulator.control.faults({ kind: "status", status: 429 });
      await deleteFleet(many, fleet);
      await fleetIsGone(many, fleet);
      const counted = await many.metric("smschannel_finalizer_gave_up_total");
      const left = [...many.simulator.state.numbers].filter(({ smsUrl }) =>
        smsUrl.startsWith(many.publicUrl),
      );
      // Some deletions may have ended before the fault took effect. The metric counts every webhook that was left at
      // Twilio.
      expect(left.length).toBeGreaterThan(SIZE / 2);
      expect(counted).toBe(left.length);
    });
});
