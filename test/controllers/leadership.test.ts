import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { smsNumbers } from "../../src/api/index.ts";
import { cuttingProxy } from "../kube/proxy.ts";
import { kubeconfigPath } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { DEMO_URL } from "../support/world/simulated-twilio.ts";
import { World, type WorldOptions } from "../support/world.ts";

// A call to Twilio begins only when more time is left of the Lease than the call's time-out. So the Lease in these
// tests lasts longer than that time-out, by several renewals.
const elect = { leaseMs: 14_000, renewDeadlineMs: 10_000, retryMs: 500 };

let world: World;
const begin = async (options: WorldOptions = {}) => {
  world = await World.start(options);
};
afterEach(() => world.stop());

const leading = () => world.operators.findIndex(({ leader }) => leader?.isLeading === true);
const somebodyLeads = (not = -1) =>
  eventually("a leader", () => (leading() >= 0 && leading() !== not ? leading() : undefined), 40_000);
const reconciles = (operator: number) => world.metric("smschannel_reconcile_total", operator);
const applied = async () => {
  await world.secret();
  await world.stream();
  await world.number();
};

describe("two replicas of one release", () => {
  test("take turns: one works, and the other continues when the first stops", async () => {
    await begin({ elect });
    world.startOperator();
    world.startOperator();
    const first = await somebodyLeads();
    const second = 1 - first;
    await applied();
    await world.numberIs("line", { Ready: "True" });
    expect(await reconciles(first)).toBeGreaterThan(0);
    expect(await reconciles(second)).toBe(0);
    expect(world.updates()).toHaveLength(1);

    const [stopped] = world.operators.splice(first, 1);
    await stopped!.operator.stop();
    await stopped!.leader?.stop();
    await somebodyLeads();
    await world.deleteNumber();
    await world.gone(smsNumbers, "line");
    expect(world.atTwilio().smsUrl).toBe(DEMO_URL);
    expect(world.updates()).toHaveLength(2);
    await stopped!.client.close();
  });

  test("do not restore a webhook that the user cleared after the former leader had saved it", async () => {
    await begin({ elect });
    world.startOperator();
    world.startOperator();
    const first = await somebodyLeads();
    // The first leader saves the webhook that the number has, and its update of the webhook fails.
    world.simulator.control.faults({ kind: "status", status: 500, operation: "UpdateIncomingPhoneNumber" });
    Object.assign(world.atTwilio(), { smsUrl: "https://crm.example.com/sms" });
    await world.secret();
    await world.stream();
    await world.number({ takeover: "Always" });
    await eventually("it is saved", async () =>
      (await world.previousWebhooks()).length === 1 ? true : undefined,
    );
    const [stopped] = world.operators.splice(first, 1);
    await stopped!.operator.stop();
    Object.assign(world.atTwilio(), { smsUrl: "" });
    world.simulator.control.clearFaults();
    await stopped!.leader?.stop();
    await somebodyLeads();

    await world.numberIs("line", { Ready: "True" });
    expect(world.atTwilio().smsUrl).toContain(world.inboundUrl());
    expect(await world.previousWebhooks()).toEqual([]);
    await world.deleteNumber();
    await world.gone(smsNumbers, "line");
    expect(world.atTwilio().smsUrl).toBe("");
    await stopped!.client.close();
  });

  test("never work at the same time: a leader that is cut off from the API server changes nothing any more", async () => {
    await begin({ elect, config: { resyncIntervalMs: 500 } });
    const proxy = await cuttingProxy(kubeconfigPath());
    world.startOperator({}, { kubeconfig: proxy.kubeconfig });
    expect(await somebodyLeads()).toBe(0);
    await applied();
    await world.numberIs("line", { Ready: "True" });
    world.startOperator();
    proxy.freeze();
    expect(await somebodyLeads(0)).toBe(1);
    await eventually("the other replica has reconciled", async () =>
      (await reconciles(1)) > 2 ? true : undefined,
    );
    const written = () => requestsBy(0, "UpdateNumber");
    const before = await written();
    const looked = await requestsBy(0, "ListNumbers");

    // Both replicas would see this change of the webhook as drift at their next resync.
    Object.assign(world.atTwilio(), { smsUrl: "https://other.example.com/" });
    await eventually("repaired", () =>
      world.atTwilio().smsUrl.includes(world.inboundUrl()) ? true : undefined,
    );
    await world.event("WebhookRepaired", "line");
    await world.deleteNumber();
    await world.gone(smsNumbers, "line");
    proxy.thaw();
    await eventually("the first has noticed who leads", () =>
      world.operators[0]?.leader?.holder === world.operators[1]?.leader?.holder ? true : undefined,
    );
    expect(world.atTwilio().smsUrl).toBe(DEMO_URL);
    expect(await written()).toBe(before);
    expect(await requestsBy(0, "ListNumbers")).toBe(looked);
    expect(world.updates()).toHaveLength(3);
    await proxy.close();
  }, 90_000);

  test("drop their old view of a Twilio account before they lead again", async () => {
    await begin({ elect });
    const proxy = await cuttingProxy(kubeconfigPath());
    world.startOperator({}, { kubeconfig: proxy.kubeconfig });
    expect(await somebodyLeads()).toBe(0);
    // The view that this replica has of the account contains every number, even the number that only the other leader
    // will wire.
    await world.secret();
    await world.stream({}, { name: "sales" });
    await world.number(
      { number: "14252306550", workStreamRef: { name: "sales" }, takeover: "Always" },
      { name: "other" },
    );
    await world.numberIs("other", { Ready: "True" });
    world.startOperator();
    proxy.freeze();
    expect(await somebodyLeads(0)).toBe(1);
    await world.stream();
    await world.number();
    await world.numberIs("line", { Ready: "True" });
    const updates = world.updates().length;

    proxy.thaw();
    const [second] = world.operators.splice(1, 1);
    await second!.operator.stop();
    await second!.leader?.stop();
    await second!.client.close();
    expect(await somebodyLeads()).toBe(0);
    await eventually("it knows the stream", async () => {
      const ready = await world.operators[0]!.registry.getSingleMetric("smschannel_object_ready")?.get();
      const stream = ready?.values.find(
        ({ labels }) => labels.kind === "WorkStream" && labels.name === "support",
      );
      return stream?.value === 1 ? true : undefined;
    });
    // Because of this change the operator reconciles the number once more when it already knows the stream.
    await world.number({ description: "changed" });
    await world.numberIs("line", { Ready: "True" });
    expect(world.updates()).toHaveLength(updates);
    expect(await world.metric("smschannel_webhook_drift_total", 0)).toBe(0);
    await proxy.close();
  }, 90_000);

  test("send no late update to Twilio when a leader is frozen in the middle of its work and wakes up after its Lease has expired", async () => {
    // The times of the Lease in this test are those in production.
    await begin({ elect: { leaseMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2000 } });
    const proxy = await cuttingProxy(kubeconfigPath());
    const { child, lines } = world.startProcess({ kubeconfig: proxy.kubeconfig });
    await eventually("the process leads", () =>
      lines.some((line) => line.includes('"msg":"leading"')) ? true : undefined,
    );
    // The process has decided to set the webhook and only waits out the pause that Twilio asked for. That is the worst
    // moment to be frozen.
    const throttled = { kind: "status", status: 429, retryAfterSeconds: 5, count: 1 } as const;
    world.simulator.control.faults({ ...throttled, operation: "UpdateIncomingPhoneNumber" });
    await applied();
    await eventually("it waits", () => (world.updates().length === 1 ? true : undefined));
    child.kill("SIGSTOP");
    world.simulator.control.clearRequests();
    world.startOperator();
    await somebodyLeads();
    await world.numberIs("line", { Ready: "True" });
    await world.deleteNumber();
    await world.gone(smsNumbers, "line");
    expect(world.atTwilio().smsUrl).toBe(DEMO_URL);
    expect(world.updates()).toHaveLength(2);

    const said = lines.length;
    child.kill("SIGCONT");
    await eventually("it knows that its term is over", () =>
      lines.slice(said).some((line) => line.includes("no longer leading")) ? true : undefined,
    );
    // The process reads the Lease every two seconds, so after three reads it has done everything that it still wanted
    // to do.
    const seen = proxy.count("get");
    await eventually("it has looked at the Lease thrice", () =>
      proxy.count("get") >= seen + 3 ? true : undefined,
    );
    expect(world.atTwilio().smsUrl).toBe(DEMO_URL);
    expect(world.updates()).toHaveLength(2);
    expect(await world.previousWebhooks()).toEqual([]);
    await proxy.close();
  }, 120_000);
});

test("a new leader leaves a stream Ready until its own first self-check ends", async () => {
  await begin();
  await world.secret();
  await world.stream();
  world.startOperator();
  const before = await world.streamIs("support", { Ready: "True", InboundUrlReady: "UrlAnswers" });
  await world.stopOperators();

  // The self-checks of the next leader reach a server that accepts requests and never answers.
  const door = createServer(() => {});
  await once(door.listen(0, "127.0.0.1"), "listening");
  world.startOperator({ urlCheckAddress: `127.0.0.1:${(door.address() as AddressInfo).port}` });
  await eventually("it has looked at the stream", async () => ((await reconciles(0)) > 0 ? true : undefined));
  const after = await world.streamIs("support", {});
  expect(after.status).toEqual(before.status);
  expect(after.metadata.resourceVersion).toBe(before.metadata.resourceVersion);
  door.closeAllConnections();
  door.close();
});

describe("two installations in one cluster", () => {
  test("leave each other's objects alone until one is configured to take over", async () => {
    await begin();
    await world.wired();
    const other = `${world.operatorNamespace}/other`;
    world.startOperator({ instance: other });
    await world.event("ManagedByAnotherRelease", "line");
    await world.event("ManagedByAnotherRelease", "support");
    expect(await world.metric("smschannel_foreign_objects", 1)).toBe(2);
    expect(await world.metric("smschannel_foreign_objects", 0)).toBe(0);
    // The second installation does not react to a change by the user either.
    await world.number({ description: "changed" });
    const mine = await world.numberIs("line", { Ready: "True" });
    expect(mine.status?.managedBy).toBe(world.instance);
    expect(await requestsBy(1, "UpdateNumber")).toBe(0);

    await world.stopOperators();
    world.startOperator({ instance: other, takeOverFrom: world.instance });
    const taken = await eventually("taken over", async () => {
      const object = await world.numberIs("line", { Ready: "True" });
      return object.status?.managedBy === other ? object : undefined;
    });
    expect(taken.status?.configuredUrl).toBe(world.inboundUrl());
    expect(world.updates()).toHaveLength(1);
    // Now the first installation is the one that leaves the objects alone.
    world.startOperator();
    await eventually("the first one sees foreign objects", async () =>
      (await world.metric("smschannel_foreign_objects", 1)) === 2 ? true : undefined,
    );
    await world.deleteNumber();
    await world.gone(smsNumbers, "line");
    expect(world.atTwilio().smsUrl).toBe(DEMO_URL);
    expect(await world.previousWebhooks()).toEqual([]);
  });
});

/** How many requests of this kind this operator sent to Twilio. */
async function requestsBy(operator: number, operation: string): Promise<number> {
  const metric = await world.operators[operator]!.registry.getSingleMetric(
    "smschannel_twilio_requests_total",
  )?.get();
  return (metric?.values ?? [])
    .filter(({ labels }) => labels.operation === operation)
    .reduce((sum, { value }) => sum + value, 0);
}
