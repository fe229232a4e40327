import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { smsNumbers } from "../../src/api/index.ts";
import type { SimulatedFault } from "../../src/simulator/simulator.ts";
import { eventually } from "../support/eventually.ts";
import { applyFleet, deleteFleet, fleetIsGone, fleetIsReady, fleetSeed } from "../support/fleet.ts";
import { recordedLog } from "../support/recorded-log.ts";
import { World } from "../support/world.ts";

const troubles: Record<string, SimulatedFault> = {
  "429 for ever": { kind: "status", status: 429 },
  "429 that asks for half a minute": { kind: "status", status: 429, retryAfterSeconds: 30 },
  "nothing at all": { kind: "slow", ms: 600_000, when: "before" },
  "everything but the update": {
    kind: "slow",
    ms: 600_000,
    when: "before",
    operation: "UpdateIncomingPhoneNumber",
  },
  "nothing to an update that it has made": {
    kind: "slow",
    ms: 600_000,
    when: "after",
    operation: "UpdateIncomingPhoneNumber",
  },
  "503": { kind: "status", status: 503 },
  "by resetting connections": { kind: "reset", when: "before" },
  "with half an answer": { kind: "cut" },
};
const { log, lines, linesOf } = recordedLog("warn");
let world: World;

beforeAll(async () => {
  world = await World.start({ log });
});
afterAll(() => world.stop());

/** A new operator for each test: the pause that a 429 puts on an account outlasts the fault. */
const afresh = async (config: Parameters<World["startOperator"]>[0] = {}) => {
  await world.stopOperators();
  world.simulator.control.reset();
  await world.forgetEverything();
  world.startOperator(config);
};
const gaveUp = () => world.metric("smschannel_finalizer_gave_up_total");

/** Without DELETE_TIMEOUT none of these would end within the 20 s that a test waits: failed calls are repeated after growing pauses. */
describe("a deletion ends after DELETE_TIMEOUT, whatever Twilio does", () => {
  beforeEach(() => afresh({ deleteTimeoutMs: 2000 }));

  for (const deletionPolicy of ["Restore", "Clear"] as const)
    for (const [name, fault] of Object.entries(troubles))
      test(`with ${deletionPolicy} the number is let go with an event, a log line and a metric when Twilio answers ${name}`, async () => {
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
        // What was there before is kept, in case the number comes back.
        expect(await world.previousWebhooks()).toHaveLength(1);
      });
});

describe("with Retain a deletion changes nothing at Twilio and does not wait for it", () => {
  beforeEach(() => afresh());

  for (const [name, fault] of Object.entries(troubles))
    test(`when Twilio answers ${name}`, async () => {
      await world.wired({ deletionPolicy: "Retain" });
      world.simulator.control.faults(fault);
      world.simulator.control.clearRequests();
      await world.deleteNumber();
      await world.gone(smsNumbers, "line");
      expect(world.simulator.control.requests().filter(({ path }) => path.includes("PN"))).toEqual([]);
      expect(world.atTwilio().smsUrl).toContain(world.inboundUrl());
    });

  test("when Twilio refuses the token, which is not counted as giving up", async () => {
    await world.wired({ deletionPolicy: "Retain" });
    world.simulator.control.faults({ kind: "status", status: 401 });
    await world.deleteNumber();
    await world.gone(smsNumbers, "line");
    expect(await gaveUp()).toBe(0);
  });
});

describe("a hundred deletions of one account", { timeout: 180_000 }, () => {
  const SIZE = 100;
  let many: World;
  beforeAll(async () => {
    many = await World.start({ simulator: { seed: fleetSeed(SIZE) } });
  });
  afterAll(() => many.stop());

  for (const [name, resyncIntervalMs] of [
    ["nothing else to do", 300_000],
    ["resyncs beside them", 500],
  ] as const)
    test(`all are let go after DELETE_TIMEOUT while Twilio answers 429 for ever, with ${name}`, async () => {
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
      // Some deletions may have got through before the fault took effect. Every webhook that was left at Twilio is counted.
      expect(left.length).toBeGreaterThan(SIZE / 2);
      expect(counted).toBe(left.length);
    });
});
