import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { smsNumbers } from "../../src/api/index.ts";
import { secrets } from "../../src/kube/resource.ts";
import { secretName } from "../../src/routes/secrets.ts";
import { eventually } from "../support/eventually.ts";
import { recordedLog } from "../support/recorded-log.ts";
import { DEMO_URL, OTHER_ACCOUNT } from "../support/world/simulated-twilio.ts";
import { World } from "../support/world.ts";

// The operator keeps its records in Secrets of its own. In these tests somebody changes, damages or deletes one of
// these Secrets.
const SHARDS = [0, 1, 2, 3];
const { log, lines: logged } = recordedLog();
let world: World;

beforeAll(async () => {
  world = await World.start({ log });
});
afterAll(() => world.stop());

/**
 * Each test begins with an operator that has no records of earlier tests, and with a number that it has just wired.
 */
beforeEach(async () => {
  await world.stopOperators();
  world.simulator.control.reset();
  await world.forgetEverything();
  world.startOperator();
  await world.wired();
  logged.splice(0);
});

const controllerSecret = (shard: number) => ({
  namespace: world.operatorNamespace,
  name: secretName(world.instance, "controller", shard),
});
/** Makes the operator's next write of its records fail once, with a conflict. */
const recordsAreTouched = async () => {
  for (const shard of SHARDS)
    await world.client.patch(secrets, controllerSecret(shard), {
      metadata: { annotations: { "example.com/seen": String(performance.now()) } },
    });
};
const conflictsMet = () => logged.filter((line) => line.includes("kubernetes api call failed")).length;
const warningsOf = (text: string) =>
  logged.map((line) => JSON.parse(line)).filter(({ level, msg }) => level === "warn" && msg.includes(text));
const gaveUp = () => world.metric("smschannel_finalizer_gave_up_total");
const force = () =>
  world.client.patch(
    smsNumbers,
    { namespace: world.namespace, name: "line" },
    { metadata: { annotations: { "smschannel.dev/force-delete": "true" } } },
  );
const deleted = async () => {
  const { metadata } = (await world.client.get(smsNumbers, { namespace: world.namespace, name: "line" }))!;
  await world.deleteNumber();
  await world.gone(smsNumbers, "line");
  return metadata.uid!;
};
/** Waits for the event about the SmsNumber of this UID, because earlier tests had SmsNumbers of the same name. */
const eventOf = (reason: string, uid: string) =>
  eventually(`event ${reason}`, async () =>
    (await world.events()).find((each) => each.reason === reason && each.regarding.uid === uid),
  );

describe("when one write of the records fails", () => {
  const letGo: Record<string, () => Promise<unknown>> = {
    "a token that Twilio refuses": async () =>
      world.simulator.control.faults({ kind: "status", status: 401 }),
    "force-delete": force,
  };
  for (const [name, begin] of Object.entries(letGo))
    test(`a deletion lets the number go because of ${name}, and the event, the metric and the record are still written`, async () => {
      await begin();
      await recordsAreTouched();
      const uid = await deleted();
      expect(conflictsMet()).toBeGreaterThan(0);
      await eventOf("WebhookLeft", uid);
      expect(warningsOf("number let go")).toHaveLength(1);
      expect(await gaveUp()).toBe(1);
      await world.stopOperators();
      const { records } = world.startOperator();
      await eventually("the next process knows that it is owed", () =>
        records.allOwed().some((owed) => owed.uid === uid && owed.isGone === true) ? true : undefined,
      );
      expect([...records.claims()]).toEqual([]);
    });

  test("a webhook that a deletion restores is still reported as restored", async () => {
    await recordsAreTouched();
    const uid = await deleted();
    expect(conflictsMet()).toBeGreaterThan(0);
    await eventOf("WebhookRestored", uid);
    expect(world.atTwilio().smsUrl).toBe(DEMO_URL);
    expect(await gaveUp()).toBe(0);
  });

  test("a number that has left the account is reported just once", async () => {
    const { sid, accountSid } = world.atTwilio();
    const { uid } = (await world.numberIs("line", { Ready: "True" })).metadata;
    world.simulator.state.numbers.transfer(sid, OTHER_ACCOUNT.accountSid);
    await recordsAreTouched();
    await world.number({}, { annotations: { "example.com/touched": "1" } });
    await world.numberIs("line", { Ready: "NumberNotInAccount" });
    expect(conflictsMet()).toBeGreaterThan(0);
    await eventOf("WebhookLeft", uid!);
    expect(warningsOf("number no longer in the account")).toHaveLength(1);
    world.simulator.state.numbers.transfer(sid, accountSid);
    await deleted();
  });
});

describe("when the saved webhook is damaged", () => {
  const damaged = async () => {
    const [name] = await world.previousWebhooks();
    await world.client.patch(
      secrets,
      { namespace: world.operatorNamespace, name: name! },
      { data: { "webhook.json": Buffer.from("https://bot:s3cret@legacy.example.com/").toString("base64") } },
    );
  };
  const toldWithoutIt = () => {
    expect(warningsOf("saved webhook cannot be read").length).toBeGreaterThan(0);
    expect(logged.join("\n")).not.toMatch(/s3cret/);
  };

  test("force-delete lets the number go immediately", async () => {
    await damaged();
    world.simulator.control.faults({ kind: "status", status: 503 });
    await force();
    await deleted();
    expect(await gaveUp()).toBe(1);
    toldWithoutIt();
  });

  test("Restore clears the webhook of the number, because the former webhook cannot be read", async () => {
    await damaged();
    const uid = await deleted();
    await eventOf("WebhookCleared", uid);
    expect(world.atTwilio().smsUrl).toBe("");
    toldWithoutIt();
  });
});

describe("when one of the operator's own Secrets is damaged", () => {
  let data: Record<string, string>;
  const damaged = async (deleteTimeoutMs?: number) => {
    await world.stopOperators();
    const secret = (await world.client.get(secrets, controllerSecret(0)))!;
    data = secret.data ?? {};
    const garbage = Object.fromEntries(Object.keys(data).map((key) => [key, "AAAA"]));
    await world.client.patch(secrets, controllerSecret(0), { data: garbage });
    world.startOperator(deleteTimeoutMs === undefined ? {} : { deleteTimeoutMs });
    await eventually("the operator meets it", () =>
      logged.some((line) => line.includes("own secrets cannot be read")) ? true : undefined,
    );
  };
  /** Repairs the Secret. Expects that the operator did not overwrite the records while it could not read them. */
  const mended = async (uid: string) => {
    await world.client.patch(secrets, controllerSecret(0), { data });
    const { records } = world.operators[0]!.operator;
    await eventually("the records are read", () =>
      [...records.claims()].some((claim) => claim.uid === uid) ? true : undefined,
    );
  };

  for (const [name, before, reason] of [
    ["force-delete lets the number go", force, "ForceDelete"],
    ["a deletion lets the number go after DELETE_TIMEOUT", async () => {}, "RoutesNotLoaded"],
  ] as const)
    test(name, async () => {
      await damaged(3000);
      await before();
      const uid = await deleted();
      expect(warningsOf("number let go")).toMatchObject([{ reason, formerHost: "demo.twilio.com" }]);
      expect(await gaveUp()).toBe(1);
      await eventOf("WebhookLeft", uid);
      await mended(uid);
    });

  test("force-delete ends a deletion that already waits", async () => {
    await damaged();
    await world.deleteNumber();
    await force();
    await world.gone(smsNumbers, "line");
    expect(warningsOf("number let go")).toMatchObject([{ reason: "ForceDelete" }]);
  });
});
