import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { smsNumbers } from "../../src/api/index.ts";
import { secrets } from "../../src/kube/resource.ts";
import { createLog } from "../../src/log.ts";
import { secretName } from "../../src/routes/secrets.ts";
import { eventually, World } from "../support/world.ts";

// What the operator remembers is in its own Secrets: somebody changes, damages or takes away one of them.
const DEMO = {
  smsUrl: "https://demo.twilio.com/welcome/sms/reply/",
  smsFallbackUrl: "",
  smsApplicationSid: "",
};
const SHARDS = [0, 1, 2, 3];
const SECOND_ACCOUNT = "AC00000000000000000000000000000002";
const logged: string[] = [];
let world: World;

beforeAll(async () => {
  const destination = { write: (line: string) => void logged.push(line) };
  world = await World.start({ log: createLog({ level: "info", process: "test", destination }) });
});
afterAll(() => world.stop());

/** Each test with an operator, objects and counters of its own. */
beforeEach(async () => {
  await world.stopOperators();
  world.simulator.control.reset();
  Object.assign(world.atTwilio(), DEMO);
  world.startOperator();
  await world.wired();
  logged.splice(0);
});

const controllerSecret = (shard: number) => ({
  namespace: world.operatorNamespace,
  name: secretName(world.instance, "controller", shard),
});
/** The next write of the records meets a conflict, once. */
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
/** The event about the SmsNumber of this UID: others had its name. */
const eventOf = (reason: string, uid: string) =>
  eventually(`event ${reason}`, async () =>
    (await world.events()).find((each) => each.reason === reason && each.regarding.uid === uid),
  );

describe("one write of the records fails while a number is let go", () => {
  const letGo: Record<string, () => Promise<unknown>> = {
    "Twilio refuses": async () => world.simulator.control.faults({ kind: "status", status: 401 }),
    "force-delete": force,
  };
  for (const [name, begin] of Object.entries(letGo))
    test(`${name}: told, counted, and durable`, async () => {
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

  test("Restore: told as what was done", async () => {
    await recordsAreTouched();
    const uid = await deleted();
    expect(conflictsMet()).toBeGreaterThan(0);
    await eventOf("WebhookRestored", uid);
    expect(world.atTwilio().smsUrl).toBe(DEMO.smsUrl);
    expect(await gaveUp()).toBe(0);
  });

  test("the number has left the account: told, and owed", async () => {
    const { sid, accountSid } = world.atTwilio();
    const { uid } = (await world.numberIs("line", { Ready: "True" })).metadata;
    world.simulator.state.numbers.transfer(sid, SECOND_ACCOUNT);
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

describe("the saved webhook is damaged", () => {
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

  test("force-delete lets go at once", async () => {
    await damaged();
    world.simulator.control.faults({ kind: "status", status: 503 });
    await force();
    await deleted();
    expect(await gaveUp()).toBe(1);
    toldWithoutIt();
  });

  test("Restore clears the number, since nothing is known of the time before", async () => {
    await damaged();
    const uid = await deleted();
    await eventOf("WebhookCleared", uid);
    expect(world.atTwilio().smsUrl).toBe("");
    toldWithoutIt();
  });
});

describe("one of the operator's own Secrets is damaged", () => {
  // The next test begins without records.
  afterEach(async () => {
    await world.stopOperators();
    const at = { namespace: world.operatorNamespace };
    for (const { metadata, type } of (await world.client.list(secrets, at)).items)
      if (type === "smschannel.dev/compiled")
        await world.client.delete(secrets, { ...at, name: metadata.name });
  });

  const data: Record<string, string> = {};
  const damaged = async (deleteTimeoutMs?: number) => {
    await world.stopOperators();
    const secret = (await world.client.get(secrets, controllerSecret(0)))!;
    Object.assign(data, secret.data);
    const garbage = Object.fromEntries(Object.keys(data).map((key) => [key, "AAAA"]));
    await world.client.patch(secrets, controllerSecret(0), { data: garbage });
    world.startOperator(deleteTimeoutMs === undefined ? {} : { deleteTimeoutMs });
    await eventually("the operator meets it", () =>
      logged.some((line) => line.includes("own secrets cannot be read")) ? true : undefined,
    );
  };
  /** Put right again: nothing was written over what the records knew. */
  const mended = async (uid: string) => {
    await world.client.patch(secrets, controllerSecret(0), { data });
    const { records } = world.operators[0]!.operator;
    await eventually("the records are read", () =>
      [...records.claims()].some((claim) => claim.uid === uid) ? true : undefined,
    );
  };

  for (const [name, before, reason] of [
    ["force-delete: let go", force, "ForceDelete"],
    ["let go when DELETE_TIMEOUT is over", async () => {}, "RoutesNotLoaded"],
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

  test("forced while its deletion waits: let go at once", async () => {
    await damaged();
    await world.deleteNumber();
    await force();
    await world.gone(smsNumbers, "line");
    expect(warningsOf("number let go")).toMatchObject([{ reason: "ForceDelete" }]);
  });
});
