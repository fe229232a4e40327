import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { smsNumbers } from "../../src/api/index.ts";
import { namespaces } from "../../src/kube/resource.ts";
import { kubectl } from "../support/cluster.ts";
import { type RecordedLog, recordedLog } from "../support/recorded-log.ts";
import { DEMO_WEBHOOK, NUMBER, OTHER_ACCOUNT } from "../support/world/simulated-twilio.ts";
import { World } from "../support/world.ts";

// Two namespaces use the same Twilio account. The tests check what happens to a number when one namespace gives it
// up.

let world: World;
let logged: RecordedLog;
let first: string;
let second: string;

beforeEach(async () => {
  logged = recordedLog();
  world = await World.start({ namespaces: 2, log: logged.log });
  [first, second] = world.namespaces as [string, string];
  world.startOperator();
});
afterEach(() => world.stop());

const applied = async (namespace: string) => {
  await world.secret({}, { namespace });
  await world.stream({}, { namespace });
  await world.number({}, { namespace });
};
const wiredIn = async (namespace: string) => {
  await applied(namespace);
  await world.numberIs("line", { Ready: "True" }, namespace);
};
const waitsIn = async (namespace: string) => {
  await applied(namespace);
  await world.numberIs("line", { Accepted: "NumberAlreadyClaimed" }, namespace);
};
const deletedIn = async (namespace: string) => {
  await world.deleteNumber("line", namespace);
  await world.gone(smsNumbers, "line", namespace);
};
const namespaceDeleted = async (namespace: string, timeout = "40s") =>
  expect(await kubectl(["delete", "namespace", namespace, `--timeout=${timeout}`])).toMatchObject({
    code: 0,
  });

/**
 * Expects that the second namespace holds the number, with the former webhook that was saved for the first namespace.
 */
const isTheSecondNow = async () => {
  const heir = await world.numberIs("line", { Ready: "True" }, second);
  expect(heir.status?.previousWebhook?.host).toBe("demo.twilio.com");
  expect(world.webhook().smsUrl).toContain(world.inboundUrl("support", second));
};
const isAsBeforeUs = async () => {
  expect(world.webhook()).toEqual(DEMO_WEBHOOK);
  expect(await world.previousWebhooks()).toEqual([]);
};

describe("a number goes to the namespace that waits for it, and the last deletion restores the webhook", () => {
  test("when the first namespace deletes its SmsNumber", async () => {
    await wiredIn(first);
    await waitsIn(second);
    await deletedIn(first);
    await isTheSecondNow();
    expect(await world.previousWebhooks()).toHaveLength(1);
    await deletedIn(second);
    await isAsBeforeUs();
  });

  test("when the first namespace sets its SmsNumber to Observe", async () => {
    await wiredIn(first);
    await waitsIn(second);
    await world.number({ managementPolicy: "Observe" }, { namespace: first });
    await isTheSecondNow();
    await deletedIn(first);
    await isTheSecondNow();
    await deletedIn(second);
    await isAsBeforeUs();
  });

  test("when the first namespace's Secret is replaced by one of another account", async () => {
    await wiredIn(first);
    await world.secret(OTHER_ACCOUNT, { namespace: first });
    await world.numberIs("line", { Ready: "NumberNotInAccount" }, first);
    await applied(second);
    await isTheSecondNow();
    await deletedIn(first);
    await isTheSecondNow();
    await deletedIn(second);
    await isAsBeforeUs();
  });
});

describe("deleting a whole namespace", () => {
  test("restores the webhook of its number", async () => {
    await wiredIn(first);
    await namespaceDeleted(first, "30s");
    expect(await world.client.get(namespaces, { name: first })).toBeUndefined();
    await isAsBeforeUs();
  });

  test("counts and fully logs a number that is let go because Twilio refuses the token, since its events are deleted too", async () => {
    await wiredIn(first);
    world.simulator.control.faults({ kind: "status", status: 401 });
    await namespaceDeleted(first);
    expect(world.webhook().smsUrl).toContain(world.inboundUrl("support", first));
    expect(logged.linesOf("number let go")).toMatchObject([
      {
        level: "warn",
        ...{ kind: "SmsNumber", namespace: first, name: "line", number: NUMBER },
        reason: "TwilioUnauthorized",
        formerHost: "demo.twilio.com",
        remedy: expect.stringContaining("set it in Twilio's console"),
      },
    ]);
    expect(await world.metric("smschannel_finalizer_gave_up_total")).toBe(1);
    // When an SmsNumber of this number is created again, in any namespace, its deletion restores the number's former
    // webhook.
    world.simulator.control.clearFaults();
    await wiredIn(second);
    await deletedIn(second);
    await isAsBeforeUs();
  });

  test("does not hang while Twilio is down", async () => {
    await world.stopOperators();
    world.startOperator({ deleteTimeoutMs: 2000 });
    await wiredIn(first);
    world.simulator.control.faults({ kind: "status", status: 503 });
    await namespaceDeleted(first);
    expect(await world.metric("smschannel_finalizer_gave_up_total")).toBe(1);
    // The number's former webhook is kept for the next SmsNumber of this number.
    const { sid } = world.atTwilio();
    expect(await world.previousWebhooks()).toEqual([expect.stringContaining(sid.toLowerCase())]);
  });
});
