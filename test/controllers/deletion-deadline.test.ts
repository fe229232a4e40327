import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { smsNumbers } from "../../src/api/index.ts";
import { createLog } from "../../src/log.ts";
import type { SimulatedFault } from "../../src/simulator/simulator.ts";
import { applyFleet, deleteFleet, fleetIsGone, fleetIsReady, fleetSeed } from "../support/fleet.ts";
import { eventually, World } from "../support/world.ts";

const DEMO = {
  smsUrl: "https://demo.twilio.com/welcome/sms/reply/",
  smsFallbackUrl: "",
  smsApplicationSid: "",
};
const troubles: Record<string, SimulatedFault> = {
  "429 for ever": { kind: "status", status: 429 },
  "429 that asks for half a minute": { kind: "status", status: 429, retryAfterSeconds: 30 },
  "no answer to anything": { kind: "slow", ms: 600_000, when: "before" },
  "no answer to the update": {
    kind: "slow",
    ms: 600_000,
    when: "before",
    operation: "UpdateIncomingPhoneNumber",
  },
  "an update that is done and not answered": {
    kind: "slow",
    ms: 600_000,
    when: "after",
    operation: "UpdateIncomingPhoneNumber",
  },
  "503": { kind: "status", status: 503 },
  "connections reset": { kind: "reset", when: "before" },
  "half an answer": { kind: "cut" },
};
const lines: Record<string, unknown>[] = [];
let world: World;

beforeAll(async () => {
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  world = await World.start({ log: createLog({ level: "warn", process: "test", destination }) });
});
afterAll(() => world.stop());

const wiredAnew = async (spec: Parameters<World["wired"]>[0]) => {
  world.simulator.control.reset();
  Object.assign(world.atTwilio(), DEMO);
  await world.wired(spec);
};
const gaveUp = () => world.metric("smschannel_finalizer_gave_up_total");

/** None of these would end by itself within the 20 s that a test waits: calls are repeated, and asked for only after a pause. */
describe("a deletion ends with DELETE_TIMEOUT, whatever Twilio does", () => {
  // Each with an operator of its own: an account's pause outlasts the fault.
  beforeEach(async () => {
    await world.stopOperators();
    world.startOperator({ deleteTimeoutMs: 2000 });
  });

  for (const deletionPolicy of ["Restore", "Clear"] as const)
    for (const [name, fault] of Object.entries(troubles))
      test(`${deletionPolicy}, ${name}: let go, with a warning, a line in the log and a metric`, async () => {
        await wiredAnew({ deletionPolicy });
        lines.length = 0;
        world.simulator.control.faults(fault);
        await world.deleteNumber();
        await world.gone(smsNumbers, "line");
        expect(await gaveUp()).toBe(1);
        const letGo = lines.filter(({ msg }) => String(msg).startsWith("number let go"));
        expect(letGo).toMatchObject([
          { why: expect.stringMatching(/^gave up after waiting for Twilio/), formerHost: "demo.twilio.com" },
        ]);
        const told = await eventually("the warning", async () =>
          (await world.events()).find(({ note }) => note.includes("gave up after waiting for Twilio")),
        );
        expect(told.type).toBe("Warning");
        // Kept for the number, should it come back.
        expect(await world.previousWebhooks()).toHaveLength(1);
      });
});

describe("Retain changes nothing at Twilio and waits for nothing there", () => {
  beforeEach(async () => {
    await world.stopOperators();
    world.startOperator();
  });

  for (const [name, fault] of Object.entries(troubles))
    test(name, async () => {
      await wiredAnew({ deletionPolicy: "Retain" });
      world.simulator.control.faults(fault);
      world.simulator.control.clearRequests();
      await world.deleteNumber();
      await world.gone(smsNumbers, "line");
      expect(world.simulator.control.requests().filter(({ path }) => path.includes("PN"))).toEqual([]);
      expect(world.atTwilio().smsUrl).toContain(world.inboundUrl());
    });

  test("its Secret is gone with it", async () => {
    await wiredAnew({ deletionPolicy: "Retain" });
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
    test(`Twilio at 429 for ever, ${name}: all are let go when DELETE_TIMEOUT is over`, async () => {
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
      // Some may have got through before the fault began to tell; whatever was left at Twilio was counted.
      expect(left.length).toBeGreaterThan(SIZE / 2);
      expect(counted).toBe(left.length);
    });
});
