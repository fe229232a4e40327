import { once } from "node:events";
import { afterEach, describe, expect, test } from "vitest";
import { operatingHours, smsNumbers, workStreams } from "../../src/api/index.ts";
import { leases, secrets } from "../../src/kube/resource.ts";
import { eventually } from "../support/eventually.ts";
import { DEMO_URL, TOKEN } from "../support/world/simulated-twilio.ts";
import { World } from "../support/world.ts";

let world: World;
afterEach(() => world.stop());

const crm = "https://crm.example.com/sms";

const startRelease = (...args: string[]) => world.startRelease(...args);
const release = (...args: string[]) => world.release(...args);

/** Applies an SmsNumber, and waits until the operator has taken over its webhook, which belonged to somebody else. */
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

describe("smschannel release without a running operator", () => {
  test("restores webhooks, and removes all finalizers and Secrets so that objects can be deleted without an operator", async () => {
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

  test("restores the webhook with the stream's own Secret when the operator's records are missing", async () => {
    world = await World.start();
    await wired(DEMO_URL);
    await world.stopOperators();
    for (const name of await ownSecrets())
      await world.client.delete(secrets, { namespace: world.operatorNamespace, name });
    expect((await release()).code).toBe(0);
    expect(world.atTwilio().smsUrl).toBe("");
    await isLetGo();
  });

  test("lets the number go with a warning when both the records and the stream's Secret are missing", async () => {
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

  test("with --retain leaves the webhooks at Twilio, and keeps the saved former webhooks for a later installation", async () => {
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

  test("retains the webhook with deletionPolicy Retain, and restores it when --restore is given", async () => {
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
    // The first run of smschannel release kept the number's former webhook in a Secret, and the second run restored it
    // from that Secret.
    expect(world.atTwilio().smsUrl).toBe(crm);
    expect(await ownSecrets()).toEqual([]);
  });

  test("leaves objects of another installation alone unless --all is given", async () => {
    world = await World.start();
    await wired();
    await world.stopOperators();
    const other = ["--instance", `${world.operatorNamespace}/other`];
    const { output } = await release(...other);
    expect(output).toContain("let go: 0 SmsNumbers, 0 WorkStreams");
    // The output names the installation that manages the objects, because a user may have forgotten to pass its name.
    expect(output).toContain(`objects of ${world.instance} (2)`);
    expect((await number())?.status?.managedBy).toBe(world.instance);
    expect((await release(...other, "--all")).code).toBe(0);
    await isLetGo();
    expect(world.atTwilio().smsUrl).not.toContain(world.publicUrl);
  });

  test("lets go of a number whose token Twilio refuses, with a warning", async () => {
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
    // Only the Secret with the number's former webhook is left in the cluster. An operator that is installed later
    // needs nothing else to restore the webhook.
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

  test("waits for the end of a short Twilio outage, and lets the number go in a long one", async () => {
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

  test("restores the webhook with the stream's own Secret when the operator's namespace is gone", async () => {
    world = await World.start();
    await wired(DEMO_URL);
    await world.stopOperators();
    const { code, output } = await release("--operator-namespace", `${world.operatorNamespace}-gone`);
    expect(code, output).toBe(0);
    expect(output).toContain("is gone, and with it whatever the operator had saved");
    expect(world.atTwilio().smsUrl).toBe("");
    await isLetGo();
  });

  const ways: Record<string, { flags: string[]; status?: number; says: string }> = {
    "Twilio refuses the token": { flags: [], status: 401, says: "1 with a warning above" },
    "--retain is given": { flags: ["--retain"], says: "let go: 1 SmsNumbers" },
  };
  for (const [name, { flags, status, says }] of Object.entries(ways))
    test(`removes all finalizers when the operator's namespace is gone and ${name}`, async () => {
      world = await World.start();
      await wired(DEMO_URL);
      await world.stopOperators();
      if (status !== undefined) world.simulator.control.faults({ kind: "status", status });
      const gone = `${world.operatorNamespace}-gone`;
      const { code, output } = await release("--operator-namespace", gone, ...flags);
      expect(code, output).toBe(0);
      expect(output).toContain("the operator's namespace is gone or being deleted");
      expect(output).toContain(says);
      await isLetGo();
    });

  test("does nothing in a second run", async () => {
    world = await World.start();
    await wired();
    await world.stopOperators();
    await release();
    const { code, output } = await release();
    expect(code).toBe(0);
    expect(output).toContain("let go: 0 SmsNumbers, 0 WorkStreams, 0 OperatingHours; deleted: 0 Secrets");
  });
});

test("a run of smschannel release that is killed before Twilio answers is completed by the next run", async () => {
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

describe("two runs of smschannel release that overlap", () => {
  const elect = { leaseMs: 14_000, renewDeadlineMs: 10_000, retryMs: 500 };
  const lease = async () =>
    (await world.client.list(leases, { namespace: world.operatorNamespace })).items[0]?.spec;

  test("work one after the other while a controller is running, and both end", {
    timeout: 120_000,
  }, async () => {
    world = await World.start({ elect });
    await wired();
    const both = await Promise.all([release(), release()]);
    for (const { code, output } of both) expect(code, output).toBe(0);
    const waited = both.filter(({ output }) => output.includes("another release is at work (release_"));
    expect(waited).toHaveLength(1);
    expect(waited[0]?.output).toContain("let go: 0 SmsNumbers");
    expect(world.atTwilio().smsUrl).toBe(crm);
    await isLetGo();
    // The Lease is held by the controller, then one run, then nobody, then the other run, then nobody. Before runs
    // waited for each other, they took the Lease from each other 90 times a minute.
    expect(((await lease()) as { leaseTransitions?: number } | undefined)?.leaseTransitions).toBeLessThan(6);
  });

  test("do not wait for ever if the first is killed: the second run takes over after the Lease has expired", {
    timeout: 120_000,
  }, async () => {
    world = await World.start();
    await wired();
    await world.stopOperators();
    world.simulator.control.faults({ kind: "status", status: 503 });
    const first = startRelease();
    const holder = await eventually(
      "the first run holds the Lease",
      async () => (await lease())?.holderIdentity || undefined,
    );
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

test("smschannel release leaves no Lease behind when no operator is running", async () => {
  world = await World.start();
  await wired();
  await world.stopOperators();
  expect((await release()).code).toBe(0);
  expect((await world.client.list(leases, { namespace: world.operatorNamespace })).items).toEqual([]);
});

test("smschannel release first stops a running controller, which then does not wire the number again", async () => {
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
  // The controller goes on reading the Lease but must not take it.
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
