import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { smsNumbers, workStreams } from "../../src/api/index.ts";
import { ended } from "../../src/child.ts";
import { leases, secrets } from "../../src/kube/resource.ts";
import type { SimulatedFault } from "../../src/simulator/simulator.ts";
import { type CuttingProxy, cuttingProxy, type SeenRequest } from "../kube/proxy.ts";
import { kubeconfigPath } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { DEMO_URL, DEMO_WEBHOOK } from "../support/world/simulated-twilio.ts";
import { World } from "../support/world.ts";

let world: World;
let proxy: CuttingProxy;

type Moment = (seen: SeenRequest) => boolean;
const call =
  (method: string, path: RegExp): Moment =>
  (seen) =>
    seen.method === method && path.test(seen.url.split("?")[0]!);
const finalizer = call("PATCH", /\/smsnumbers\/line$/);
const status = call("PATCH", /\/smsnumbers\/line\/status$/);
const claim = call("PUT", /\/secrets\/.*-controller-\d$/);
const compiled = call("PUT", /\/secrets\/.*-receiver-\d$/);
const previous = call("POST", /\/secrets$/);
const previousGoes = call("DELETE", /\/secrets\/.*-previous-/);
const pointsHere = () => world.atTwilio().smsUrl.includes(world.inboundUrl());
const once = (first: Moment, then: Moment): Moment => {
  let begun = false;
  return (seen) => {
    if (begun) return then(seen);
    begun = first(seen);
    return false;
  };
};
/** A call to Twilio that is never answered. The process is killed when `when` returns true. */
interface Hang {
  fault: Partial<SimulatedFault>;
  when: () => boolean;
}

beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.stop());

/** Runs the real program and kills it at the moment `at`. A request to Kubernetes that `at` selects has no effect. */
async function killed(at: Moment | Hang, act: () => Promise<unknown>, ready = false) {
  for (const { metadata } of (await world.client.list(leases, { namespace: world.operatorNamespace })).items)
    await world.client.delete(leases, { namespace: world.operatorNamespace, name: metadata.name });
  proxy = await cuttingProxy(kubeconfigPath());
  const { child } = world.startProcess({ kubeconfig: proxy.kubeconfig });
  if (ready) await world.numberIs("line", { Ready: "True" });
  if (typeof at === "function")
    proxy.fault = (seen) => {
      if (child.killed || !at(seen)) return undefined;
      child.kill("SIGKILL");
      return { status: 503 };
    };
  else
    world.simulator.control.faults({
      kind: "slow",
      ms: 600_000,
      operation: "UpdateIncomingPhoneNumber",
      count: 1,
      ...at.fault,
    } as SimulatedFault);
  await act();
  if (typeof at !== "function") {
    await eventually("the moment", () => (at.when() ? true : undefined));
    child.kill("SIGKILL");
  }
  await eventually("it is killed", () => (child.killed ? true : undefined), 40_000);
  await ended(child);
  await proxy.close();
  world.simulator.control.clearFaults();
}

const applied = async () => {
  await world.secret();
  await world.stream();
  await world.number();
};

afterEach(async () => {
  await world.client.delete(smsNumbers, { namespace: world.namespace, name: "line" });
  await world.gone(smsNumbers, "line");
  await world.client.delete(workStreams, { namespace: world.namespace, name: "support" });
  await world.stopOperators();
  Object.assign(world.atTwilio(), DEMO_WEBHOOK);
});

describe("a controller that is killed while it wires a number completes the work after a restart", () => {
  for (const [name, at] of [
    ["killed before it adds the finalizer", finalizer],
    ["killed after it adds the finalizer and before it records the claim", once(finalizer, claim)],
    // The receivers' Secret and the claim are written at the same time, so each can exist without the other.
    ["killed before it writes the receivers' Secret", once(finalizer, compiled)],
    ["killed before it saves the previous webhook", once(finalizer, previous)],
    [
      "killed after it saves the previous webhook and before the update reaches Twilio",
      { fault: { when: "before" }, when: () => saved === 1 },
    ],
    ["killed after the update, before Twilio answers", { fault: { when: "after" }, when: pointsHere }],
    ["killed after the update and before it records the update", (seen) => pointsHere() && claim(seen)],
    [
      "killed after it records the update and before it writes the status",
      (seen) => pointsHere() && status(seen),
    ],
  ] as [string, Moment | Hang][])
    test(name, async () => {
      watchSaved();
      await killed(at, applied);
      const operator = world.startOperator();
      const number = await world.numberIs("line", { Ready: "True" });
      await world.streamIs("support", { Ready: "True" });
      expect(world.atTwilio()).toMatchObject({
        smsUrl: `${world.inboundUrl()}#ct=2000&rt=4500&rc=2&rp=all`,
        smsFallbackUrl: `${world.publicUrl}/fallback/${world.namespace}/support#ct=2000&rt=4500&rc=2&rp=all`,
      });
      expect([...operator.records.claims()].map(({ uid }) => uid)).toEqual([number.metadata.uid]);
      expect(number.status?.previousWebhook?.host).toBe("demo.twilio.com");
      expect(number.status?.driftRepairs).toBeUndefined();
      expect(await savedUrls()).toEqual([DEMO_URL]);
      expect((await world.text()).outcome).toBe("delivered");
      await world.deleteNumber();
      await world.gone(smsNumbers, "line");
      expect(world.webhook()).toEqual(DEMO_WEBHOOK);
    });
});

describe("a controller that is killed while it gives a number back completes the work after a restart", () => {
  const restored = () => world.atTwilio().smsUrl === DEMO_URL;
  for (const [name, at] of [
    ["killed before the webhook is restored", { fault: { when: "before" }, when: fetched }],
    [
      "killed after the webhook is restored, before Twilio answers",
      { fault: { when: "after" }, when: restored },
    ],
    [
      "killed after the webhook is restored and before it drops the claim",
      (seen) => restored() && claim(seen),
    ],
    ["killed after it drops the claim and before it deletes the saved webhook", previousGoes],
    ["killed before it removes the finalizer", once(previousGoes, finalizer)],
  ] as [string, Moment | Hang][])
    test(name, async () => {
      await applied();
      world.simulator.control.clearRequests();
      await killed(at, () => world.deleteNumber(), true);
      const operator = world.startOperator();
      await world.gone(smsNumbers, "line");
      expect(world.webhook()).toEqual(DEMO_WEBHOOK);
      expect(await world.previousWebhooks()).toEqual([]);
      expect([...operator.records.claims()]).toEqual([]);
    });
});

test("a restart with another PUBLIC_URL refuses no text and counts no drift", async () => {
  await applied();
  world.startOperator();
  await world.numberIs("line", { Ready: "True" });
  const traffic = world.traffic();
  const { former, url } = await world.changePublicUrl();
  await eventually("the number points at the new URL", () =>
    world.atTwilio().smsUrl.startsWith(url) ? true : undefined,
  );
  const number = await eventually("the status has the new URL", async () => {
    const object = await world.numberIs("line", { Ready: "True" });
    return object.status?.configuredUrl === world.inboundUrl() ? object : undefined;
  });
  for (const _ of [1, 2, 3]) await world.text();
  const deliveries = await traffic.stop();
  expect(deliveries.flatMap(({ attempts }) => attempts).filter(({ status }) => status !== 200)).toEqual([]);
  const hosts = new Set(
    world.simulator.state.webhookDeliveries.flatMap(({ attempts }) =>
      attempts.map((each) => new URL(each.url).origin),
    ),
  );
  expect([...hosts].sort()).toEqual(expect.arrayContaining([former, url].sort()));
  expect(number.status?.driftRepairs).toBeUndefined();
  expect(await world.metric("smschannel_webhook_drift_total")).toBe(0);
  // Texts to the former URL are accepted for another hour: Twilio may have begun to deliver them before the change, or
  // a Messaging Service may have the former URL.
  Object.assign(world.atTwilio("14252306550"), {
    smsUrl: `${former}/inbound/${world.namespace}/support`,
    smsFallbackUrl: "",
  });
  expect((await world.text("14252306550")).attempts.map(({ status }) => status)).toEqual([200]);
});

test("a restart with another FALLBACK_PUBLIC_URL sets the new fallback URL and counts no drift", async () => {
  await applied();
  world.startOperator();
  await world.numberIs("line", { Ready: "True" });
  await world.stopOperators();
  world.startOperator({ fallbackPublicUrl: "http://127.0.0.1:9" });
  await eventually("the fallback is the new one", () =>
    world.atTwilio().smsFallbackUrl.startsWith("http://127.0.0.1:9/") ? true : undefined,
  );
  const number = await world.numberIs("line", { Ready: "True" });
  expect(number.status?.driftRepairs).toBeUndefined();
  expect(await world.metric("smschannel_webhook_drift_total")).toBe(0);
});

test("while WorkStreams cannot be listed after a restart, a number's status does not report its WorkStream as missing", async () => {
  await applied();
  world.startOperator();
  const before = await world.numberIs("line", { Ready: "True" });
  await world.stopOperators();
  proxy = await cuttingProxy(kubeconfigPath());
  proxy.fault = ({ kind, url }) =>
    kind === "list" && url.includes("/workstreams") ? { status: 500 } : undefined;
  world.startOperator({}, { kubeconfig: proxy.kubeconfig });
  const refused = () => proxy.seen.filter(({ kind, url }) => kind === "list" && url.includes("/workstreams"));
  await eventually("it tried several times", () => (refused().length >= 3 ? true : undefined));
  const number = await world.client.get(smsNumbers, { namespace: world.namespace, name: "line" });
  expect(number?.status).toEqual(before.status);
  proxy.fault = undefined;
  await eventually("both objects were reconciled", async () =>
    (await world.metric("smschannel_reconcile_total")) >= 2 ? true : undefined,
  );
  expect((await world.numberIs("line", { Ready: "True" })).status?.conditions).toEqual(
    before.status?.conditions,
  );
  await world.stopOperators();
  await proxy.close();
  world.startOperator();
});

test("an operator that lost its records claims the number again and still restores the former webhook", async () => {
  await applied();
  world.startOperator();
  await world.numberIs("line", { Ready: "True" });
  await world.stopOperators();
  await world.loseRecords();
  expect((await world.text()).outcome, "the receiver goes on with what it had").toBe("delivered");
  const operator = world.startOperator();
  await eventually("the claim is back", () =>
    [...operator.records.claims()].length === 1 ? true : undefined,
  );
  await world.numberIs("line", { Ready: "True" });
  expect(await savedUrls()).toEqual([DEMO_URL]);
  expect((await world.text()).outcome).toBe("delivered");
  await world.deleteNumber();
  await world.gone(smsNumbers, "line");
  expect(world.webhook()).toEqual(DEMO_WEBHOOK);
});

/**
 * How many former webhooks are saved. This count is updated by polling, because `when` of a Hang is not asynchronous.
 */
let saved = 0;
function watchSaved() {
  saved = 0;
  void eventually("a webhook is saved", async () => {
    saved = (await world.previousWebhooks()).length;
    return saved > 0 ? true : undefined;
  }).catch(() => {});
}

function fetched(): boolean {
  return world.simulator.control.requests().some(({ operation }) => operation === "FetchIncomingPhoneNumber");
}

async function savedUrls(): Promise<string[]> {
  const { items } = await world.client.list(secrets, { namespace: world.operatorNamespace });
  return items
    .filter(({ metadata }) => metadata.name.includes("-previous-"))
    .map(({ data }) => JSON.parse(Buffer.from(data?.["webhook.json"] ?? "", "base64").toString()).smsUrl);
}
