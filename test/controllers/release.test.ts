import { once } from "node:events";
import { afterEach, describe, expect, test } from "vitest";
import { operatingHours, smsNumbers, workStreams } from "../../src/api/index.ts";
import { leases, secrets } from "../../src/kube/resource.ts";
import { eventually, TOKEN, World } from "../support/world.ts";

let world: World;
afterEach(() => world.stop());

const demo = "https://demo.twilio.com/welcome/sms/reply/";
const crm = "https://crm.example.com/sms";

const startRelease = (...args: string[]) => world.startRelease(...args);
const release = (...args: string[]) => world.release(...args);

/** Wired, where there was somebody's webhook before. */
async function wired(previous = crm) {
  world.atTwilio().smsUrl = previous;
  await world.secret();
  await world.stream();
  await world.number({ takeover: "Always" });
  world.startOperator();
  await world.numberIs("line", { Ready: "True" });
  expect(world.atTwilio().smsUrl).toContain(world.inboundUrl());
}

const number = () => world.client.get(smsNumbers, { namespace: world.namespace, name: "line" });
const ownSecrets = async () =>
  (await world.client.list(secrets, { namespace: world.operatorNamespace })).items.map(
    ({ metadata }) => metadata.name,
  );

async function isLetGo() {
  const found = await number();
  expect(found?.metadata.finalizers ?? []).toEqual([]);
  expect(found?.status?.managedBy).toBeUndefined();
  const conditions = found?.status?.conditions ?? [];
  expect(conditions.find(({ type }) => type === "Ready")).toMatchObject({
    status: "Unknown",
    reason: "OperatorUninstalled",
    observedGeneration: found?.metadata.generation,
  });
  expect(conditions.map(({ type }) => type)).not.toContain("Reconciling");
  return found;
}

describe("the operator is gone", () => {
  test("webhooks are put back, every object and Secret is let go; deleting needs no operator", async () => {
    world = await World.start();
    await wired();
    await world.apply(operatingHours, {
      metadata: { name: "hours", namespace: world.namespace },
      spec: { timeZone: "Europe/Berlin", weekly: [{ days: ["Monday"], start: "08:00", end: "17:00" }] },
    });
    await world.hoursAre("hours", { Ready: "True" });
    await world.stopOperators();

    const { code, output } = await release();
    expect(code, output).toBe(0);
    expect(world.atTwilio().smsUrl).toBe(crm);
    expect(output).toContain(
      `SmsNumber ${world.namespace}/line: the webhook at Twilio is again what it was before`,
    );
    expect(output).toContain("let go: 1 SmsNumbers, 1 WorkStreams, 1 OperatingHours");
    expect(output).not.toContain(TOKEN);
    expect((await isLetGo())?.status?.configuredUrl).toBeUndefined();
    await world.streamIs("support", { Ready: "OperatorUninstalled", CredentialsValid: "Unknown" });
    await world.hoursAre("hours", { Ready: "OperatorUninstalled" });
    expect(await ownSecrets()).toEqual([]);
    expect((await world.event("WebhookRestored", "line")).type).toBe("Normal");

    await world.deleteNumber();
    await world.gone(smsNumbers, "line");
  });

  test("its records were lost: the number is reached with the stream's own Secret", async () => {
    world = await World.start();
    await wired(demo);
    await world.stopOperators();
    for (const name of await ownSecrets())
      await world.client.delete(secrets, { namespace: world.operatorNamespace, name });
    expect((await release()).code).toBe(0);
    expect(world.atTwilio().smsUrl).toBe("");
    await isLetGo();
  });

  test("records and Secret were lost: let go with a warning", async () => {
    world = await World.start();
    await wired();
    await world.stopOperators();
    for (const name of await ownSecrets())
      await world.client.delete(secrets, { namespace: world.operatorNamespace, name });
    await world.client.delete(secrets, { namespace: world.namespace, name: "twilio" });
    const { code, output } = await release();
    expect(code).toBe(0);
    expect(output).toContain("1 with a warning above");
    await isLetGo();
    await world.event("WebhookLeft", "line");
  });

  test("--retain: webhooks and what they were before stay, for an operator that comes back", async () => {
    world = await World.start();
    await wired();
    await world.stopOperators();
    const { code, output } = await release("--retain");
    expect(code, output).toBe(0);
    expect(world.atTwilio().smsUrl).toContain(world.inboundUrl());
    expect((await isLetGo())?.status?.configuredUrl).toBe(world.inboundUrl());
    expect(await ownSecrets()).toEqual([expect.stringContaining("-previous-")]);

    world.startOperator();
    await world.numberIs("line", { Ready: "True" });
    await world.deleteNumber();
    await world.gone(smsNumbers, "line");
    expect(world.atTwilio().smsUrl).toBe(crm);
  });

  test("--restore beats deletionPolicy: Retain; without it that holds", async () => {
    world = await World.start();
    await wired();
    await world.number({ takeover: "Always", deletionPolicy: "Retain" });
    await world.numberIs("line", { Ready: "True" });
    await world.stopOperators();
    expect((await release()).output).toContain("still leads to this cluster");
    world.startOperator();
    await world.numberIs("line", { Ready: "True" });
    await world.stopOperators();
    expect((await release("--restore")).code).toBe(0);
    // What the first release retained was kept for the number.
    expect(world.atTwilio().smsUrl).toBe(crm);
    expect(await ownSecrets()).toEqual([]);
  });

  test("another release's objects are left alone, unless --all asks for them", async () => {
    world = await World.start();
    await wired();
    await world.stopOperators();
    const other = ["--instance", `${world.operatorNamespace}/other`];
    const { output } = await release(...other);
    expect(output).toContain("let go: 0 SmsNumbers, 0 WorkStreams");
    // Whoever forgot to name the instance is told which one to name.
    expect(output).toContain(`objects of ${world.instance} (2)`);
    expect((await number())?.status?.managedBy).toBe(world.instance);
    expect((await release(...other, "--all")).code).toBe(0);
    await isLetGo();
    expect(world.atTwilio().smsUrl).not.toContain(world.publicUrl);
  });

  test("Twilio refuses the token: let go with a warning", async () => {
    world = await World.start();
    await wired();
    await world.stopOperators();
    world.simulator.control.faults({ kind: "status", status: 401 });
    const { code, output } = await release();
    expect(code).toBe(0);
    expect(output).toContain("1 with a warning above");
    expect(output).toContain("the number's texts went to crm.example.com");
    expect(output).toContain("kept: 1 saved webhooks");
    await isLetGo();
    // All that is left in the cluster, and enough for an operator that comes back.
    const { sid } = world.atTwilio();
    expect(await ownSecrets()).toEqual([expect.stringContaining(`-previous-${sid.toLowerCase()}`)]);
    world.simulator.control.clearFaults();
    world.startOperator();
    await world.numberIs("line", { Ready: "True" });
    await world.deleteNumber();
    await world.gone(smsNumbers, "line");
    expect(world.atTwilio().smsUrl).toBe(crm);
    expect(await world.previousWebhooks()).toEqual([]);
  });

  test("Twilio is down for a while, and then for too long", async () => {
    world = await World.start();
    await wired();
    await world.stopOperators();
    world.simulator.control.faults({ kind: "status", status: 500, count: 8 });
    expect((await release()).code).toBe(0);
    expect(world.atTwilio().smsUrl).toBe(crm);
    await isLetGo();

    world.startOperator();
    await world.numberIs("line", { Ready: "True" });
    await world.stopOperators();
    world.simulator.control.faults({ kind: "status", status: 500 });
    const { code, output } = await release("--delete-timeout", "2s");
    expect(code).toBe(0);
    expect(output).toContain("gave up after waiting for Twilio");
    await isLetGo();
  });

  test("with its namespace: the number is reached with the stream's own Secret", async () => {
    world = await World.start();
    await wired(demo);
    await world.stopOperators();
    const { code, output } = await release("--operator-namespace", `${world.operatorNamespace}-gone`);
    expect(code, output).toBe(0);
    expect(output).toContain("is gone, and with it whatever the operator had saved");
    expect(world.atTwilio().smsUrl).toBe("");
    await isLetGo();
  });

  const ways: Record<string, { flags: string[]; status?: number; says: string }> = {
    "Twilio refuses the token": { flags: [], status: 401, says: "1 with a warning above" },
    "webhooks are left as they are": { flags: ["--retain"], says: "let go: 1 SmsNumbers" },
  };
  for (const [name, { flags, status, says }] of Object.entries(ways))
    test(`with its namespace, and ${name}: all are let go`, async () => {
      world = await World.start();
      await wired(demo);
      await world.stopOperators();
      if (status !== undefined) world.simulator.control.faults({ kind: "status", status });
      const gone = `${world.operatorNamespace}-gone`;
      const { code, output } = await release("--operator-namespace", gone, ...flags);
      expect(code, output).toBe(0);
      expect(output).toContain("the operator's namespace is gone or being deleted");
      expect(output).toContain(says);
      await isLetGo();
    });

  test("a second run finds nothing to do", async () => {
    world = await World.start();
    await wired();
    await world.stopOperators();
    await release();
    const { code, output } = await release();
    expect(code).toBe(0);
    expect(output).toContain("let go: 0 SmsNumbers, 0 WorkStreams, 0 OperatingHours; deleted: 0 Secrets");
  });
});

test("killed after Twilio had restored the webhook and before it said so: the next run goes on", async () => {
  world = await World.start();
  await wired();
  await world.stopOperators();
  world.simulator.control.clearRequests();
  world.simulator.control.faults({ kind: "slow", when: "after", ms: 60_000, method: "POST" });
  const child = startRelease();
  await eventually("Twilio has the update", () => (world.atTwilio().smsUrl === crm ? true : undefined));
  child.kill("SIGKILL");
  await once(child, "close");
  expect((await number())?.metadata.finalizers).toHaveLength(1);

  world.simulator.control.clearFaults();
  const { code, output } = await release();
  expect(code, output).toBe(0);
  expect(world.atTwilio().smsUrl).toBe(crm);
  expect(await ownSecrets()).toEqual([]);
  await isLetGo();
});

describe("two releases at once", () => {
  const elect = { leaseMs: 14_000, renewDeadlineMs: 10_000, retryMs: 500 };
  const lease = async () =>
    (await world.client.list(leases, { namespace: world.operatorNamespace })).items[0]?.spec;

  test("while a controller works: one after the other, and both end", { timeout: 120_000 }, async () => {
    world = await World.start({ elect });
    await wired();
    const both = await Promise.all([release(), release()]);
    for (const { code, output } of both) expect(code, output).toBe(0);
    const waited = both.filter(({ output }) => output.includes("another release is at work (release_"));
    expect(waited).toHaveLength(1);
    expect(waited[0]?.output).toContain("let go: 0 SmsNumbers");
    expect(world.atTwilio().smsUrl).toBe(crm);
    await isLetGo();
    // Controller, one release, nobody, the other, nobody; it went to and fro some 90 times a minute.
    expect(((await lease()) as { leaseTransitions?: number } | undefined)?.leaseTransitions).toBeLessThan(6);
  });

  test("the first is killed: the second takes over when the Lease has run out", {
    timeout: 120_000,
  }, async () => {
    world = await World.start();
    await wired();
    await world.stopOperators();
    world.simulator.control.faults({ kind: "status", status: 503 });
    const first = startRelease();
    const holder = await eventually("it works", async () => (await lease())?.holderIdentity || undefined);
    const second = release();
    first.kill("SIGKILL");
    await once(first, "close");
    world.simulator.control.clearFaults();
    const { code, output } = await second;
    expect(code, output).toBe(0);
    expect(output).toContain(`another release is at work (${holder})`);
    expect(world.atTwilio().smsUrl).toBe(crm);
    await isLetGo();
  });
});

test("where no operator is left, no Lease is left behind either", async () => {
  world = await World.start();
  await wired();
  await world.stopOperators();
  expect((await release()).code).toBe(0);
  expect((await world.client.list(leases, { namespace: world.operatorNamespace })).items).toEqual([]);
});

test("a controller at work is stopped first, and does not take the number up again", async () => {
  world = await World.start({ elect: { leaseMs: 14_000, renewDeadlineMs: 10_000, retryMs: 500 } });
  await wired();
  const { code, output } = await release();
  expect(code, output).toBe(0);
  expect(world.atTwilio().smsUrl).toBe(crm);
  await isLetGo();
  expect(world.operators[0]?.leader?.isLeading).toBe(false);
  const lease = await eventually("the lease is kept", async () => {
    const found = (await world.client.list(leases, { namespace: world.operatorNamespace })).items[0];
    return found?.spec?.holderIdentity === "nobody" ? found : undefined;
  });
  expect(lease.spec?.leaseDurationSeconds).toBe(120);
  // It goes on looking at the Lease, and leaves it.
  await world.apply(workStreams, {
    metadata: { name: "support", namespace: world.namespace, labels: { touched: "yes" } },
    spec: {
      autoCloseAfterInactivity: "48h",
      sms: { twilio: { credentialsSecretRef: { name: "twilio" } } },
    },
  });
  await eventually("the controller has seen the change", () =>
    world.operators[0]?.operator.watches.workStreams.store.get(world.namespace, "support")?.metadata.labels
      ?.touched === "yes"
      ? true
      : undefined,
  );
  await isLetGo();
});
