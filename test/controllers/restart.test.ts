import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { smsNumbers, workStreams } from "../../src/api/index.ts";
import { ended } from "../../src/child.ts";
import { leases, secrets } from "../../src/kube/resource.ts";
import type { SimulatedFault } from "../../src/simulator/simulator.ts";
import { type CuttingProxy, cuttingProxy, type SeenRequest } from "../kube/proxy.ts";
import { kubeconfigPath } from "../support/cluster.ts";
import { eventually, World } from "../support/world.ts";

const demo = { smsUrl: "https://demo.twilio.com/welcome/sms/reply/", smsFallbackUrl: "" };
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
/** A call to Twilio that never comes back; the process is killed when `when` holds. */
interface Hang {
  fault: Partial<SimulatedFault>;
  when: () => boolean;
}

beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.stop());

/** The real program works until the moment comes, and is killed before that request has any effect. */
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
  Object.assign(world.atTwilio(), demo);
});

describe("killed while a number is set up, and started again", () => {
  for (const [name, at] of [
    ["before the finalizer", finalizer],
    ["after the finalizer, before the claim", once(finalizer, claim)],
    // The receivers' part is written beside the claim, so either can be there without the other.
    ["before the receiver hears of the number", once(finalizer, compiled)],
    ["before the previous webhook is saved", once(finalizer, previous)],
    ["previous webhook saved, update not arrived", { fault: { when: "before" }, when: () => saved === 1 }],
    ["update applied, its answer lost", { fault: { when: "after" }, when: pointsHere }],
    ["update applied, not noted", (seen) => pointsHere() && claim(seen)],
    ["update applied and noted, status not written", (seen) => pointsHere() && status(seen)],
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
      expect(await savedUrls()).toEqual([demo.smsUrl]);
      expect((await world.text()).outcome).toBe("delivered");
      await world.deleteNumber();
      await world.gone(smsNumbers, "line");
      expect(world.atTwilio()).toMatchObject(demo);
    });
});

describe("killed while a number is deleted, and started again", () => {
  const restored = () => world.atTwilio().smsUrl === demo.smsUrl;
  for (const [name, at] of [
    ["before the webhook is put back", { fault: { when: "before" }, when: fetched }],
    ["put back, the answer lost", { fault: { when: "after" }, when: restored }],
    ["put back, the claim still held", (seen) => restored() && claim(seen)],
    ["the claim dropped, the saved webhook still there", previousGoes],
    ["everything done but the finalizer", once(previousGoes, finalizer)],
  ] as [string, Moment | Hang][])
    test(name, async () => {
      await applied();
      world.simulator.control.clearRequests();
      await killed(at, () => world.deleteNumber(), true);
      const operator = world.startOperator();
      await world.gone(smsNumbers, "line");
      expect(world.atTwilio()).toMatchObject(demo);
      expect(await world.previousWebhooks()).toEqual([]);
      expect([...operator.records.claims()]).toEqual([]);
    });
});

test("PUBLIC_URL changes with a restart: no text is refused, and it is no drift", async () => {
  await applied();
  world.startOperator();
  await world.numberIs("line", { Ready: "True" });
  const former = world.publicUrl;
  const traffic = world.traffic();
  const { url } = await world.startReceiver();
  await world.stopOperators();
  world.publicUrl = url;
  world.startOperator();
  await eventually("the number points at the new URL", () =>
    world.atTwilio().smsUrl.startsWith(url) ? true : undefined,
  );
  const number = await eventually("status tells it", async () => {
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
  // Whoever still has the former URL (a copy of it in flight, a service) is heard for an hour.
  Object.assign(world.atTwilio("14252306550"), {
    smsUrl: `${former}/inbound/${world.namespace}/support`,
    smsFallbackUrl: "",
  });
  expect((await world.text("14252306550")).attempts.map(({ status }) => status)).toEqual([200]);
});

test("FALLBACK_PUBLIC_URL changes with a restart: set anew, and no drift", async () => {
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

test("one kind cannot be listed for a while after a restart: nothing is judged by what is not seen", async () => {
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
  await eventually("everything was looked at", async () =>
    (await world.metric("smschannel_reconcile_total")) >= 2 ? true : undefined,
  );
  expect((await world.numberIs("line", { Ready: "True" })).status?.conditions).toEqual(
    before.status?.conditions,
  );
  await world.stopOperators();
  await proxy.close();
  world.startOperator();
});

test("the operator's own records are lost: claimed anew, and what was there before is still known", async () => {
  await applied();
  world.startOperator();
  await world.numberIs("line", { Ready: "True" });
  await world.stopOperators();
  const at = { namespace: world.operatorNamespace };
  for (const { metadata, type } of (await world.client.list(secrets, at)).items)
    if (type === "smschannel.dev/compiled")
      await world.client.delete(secrets, { ...at, name: metadata.name });
  expect((await world.text()).outcome, "the receiver goes on with what it had").toBe("delivered");
  const operator = world.startOperator();
  await eventually("the claim is back", () =>
    [...operator.records.claims()].length === 1 ? true : undefined,
  );
  await world.numberIs("line", { Ready: "True" });
  expect(await savedUrls()).toEqual([demo.smsUrl]);
  expect((await world.text()).outcome).toBe("delivered");
  await world.deleteNumber();
  await world.gone(smsNumbers, "line");
  expect(world.atTwilio()).toMatchObject(demo);
});

/** How many webhooks from before are stored, kept up to date by a look at the API server. */
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
