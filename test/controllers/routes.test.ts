import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { smsNumbers, workStreams } from "../../src/api/index.ts";
import { namespaces } from "../../src/kube/resource.ts";
import type { InboundDelivery } from "../../src/simulator/simulator.ts";
import { kubectl } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { DEMO_URL, NUMBER } from "../support/world/simulated-twilio.ts";
import { World, type WorldOptions } from "../support/world.ts";

let world: World;
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  await world.stop();
});
const begin = async (options: WorldOptions = {}) => {
  world = await World.start(options);
};
const applied = async () => {
  await world.secret();
  await world.stream();
  await world.number();
};
const refused = (deliveries: InboundDelivery[]) =>
  deliveries.filter(
    ({ outcome, attempts }) => outcome !== "delivered" || attempts.some(({ status }) => status !== 200),
  );

/** Starts a server that is not our receiver, and returns its URL. */
async function stranger(answer: { status: number; headers?: Record<string, string>; body?: string }) {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A port at which no server listens. */
async function deadPort(): Promise<number> {
  const url = await stranger({ status: 200 });
  await closers.pop()!();
  return Number(new URL(url).port);
}

describe("when no server answers at PUBLIC_URL", () => {
  test("the number is not pointed at the URL until the receiver answers, with URL_CHECK enforce", async () => {
    await begin();
    const port = await deadPort();
    world.publicUrl = `http://127.0.0.1:${port}`;
    const before = world.atTwilio().smsUrl;
    await applied();
    world.startOperator();
    await world.streamIs("support", { InboundUrlReady: "PublicUrlUnreachable", CredentialsValid: "True" });
    await world.numberIs("line", { Ready: "PublicUrlUnreachable", NumberFound: "True" });
    expect(world.atTwilio().smsUrl).toBe(before);
    expect(world.updates()).toEqual([]);
    await world.startReceiver(port);
    await world.numberIs("line", { Ready: "True" });
    await world.streamIs("support", { Ready: "True" });
    expect(world.atTwilio().smsUrl).toContain(world.inboundUrl());
    expect((await world.text()).outcome).toBe("delivered");
    expect(world.updates()).toHaveLength(1);
  });

  for (const [urlCheck, ready] of [
    ["report", "PublicUrlUnreachable"],
    ["off", "True"],
  ] as const)
    test(`the number is still pointed at the URL, with URL_CHECK ${urlCheck}`, async () => {
      await begin();
      world.publicUrl = `http://127.0.0.1:${await deadPort()}`;
      await applied();
      world.startOperator({ urlCheck });
      await world.streamIs("support", { Ready: ready });
      await world.numberIs("line", { Ready: ready });
      expect(world.atTwilio().smsUrl).toContain(world.inboundUrl());
    });
});

describe("the number is not pointed at a PUBLIC_URL where something else answers", () => {
  for (const [name, answer, reason] of [
    ["with a redirect", { status: 308, headers: { location: "https://example.com/" } }, "PublicUrlRedirects"],
    ["with a page of its own", { status: 200, body: "<html>hello</html>" }, "PublicUrlNotOurs"],
    ["with a 404", { status: 404, body: "default backend" }, "PublicUrlNotOurs"],
    ["with a firewall's 403", { status: 403, body: "blocked" }, "PublicUrlNotOurs"],
  ] as const)
    test(name, async () => {
      await begin();
      world.publicUrl = await stranger(answer);
      await applied();
      world.startOperator();
      await world.streamIs("support", { InboundUrlReady: reason, Ready: reason });
      await world.numberIs("line", { Ready: reason });
      expect(world.updates()).toEqual([]);
    });
});

describe("a route outlives its stream", () => {
  test("no text is refused while a stream is deleted and applied again", async () => {
    await begin();
    await world.wired();
    const traffic = world.traffic();
    await world.client.delete(workStreams, { namespace: world.namespace, name: "support" });
    await world.numberIs("line", { Ready: "WorkStreamNotFound" });
    expect(world.atTwilio().smsUrl).toContain(world.inboundUrl());
    const between = [await world.text(), await world.text()];
    await world.stream();
    await world.streamIs("support", { Ready: "True" });
    await world.numberIs("line", { Ready: "True" });
    const deliveries = [...(await traffic.stop()), ...between];
    expect(refused(deliveries)).toEqual([]);
    expect(await world.stored()).toHaveLength(deliveries.length);
    expect(world.updates()).toHaveLength(1);
  });

  test("no text is refused after a stream was deleted, even if the operator restarts", async () => {
    await begin();
    await world.wired();
    await world.client.delete(workStreams, { namespace: world.namespace, name: "support" });
    await world.numberIs("line", { Ready: "WorkStreamNotFound" });
    await world.stopOperators();
    world.startOperator();
    await eventually("the new operator has looked", async () =>
      (await world.metric("smschannel_reconcile_total")) > 0 ? true : undefined,
    );
    expect(refused([await world.text()])).toEqual([]);
    expect(world.updates()).toHaveLength(1);
  });
});

test("texts to an observed number are stored as inbound texts of the stream, even while the operator restarts", async () => {
  await begin();
  await world.wired();
  await world.number({ managementPolicy: "Observe" });
  await world.numberIs("line", { Ready: "True" });
  await world.stopOperators();
  // Because the list at Twilio is slow, the operator does not know yet whether the account owns the number.
  world.simulator.control.faults({
    kind: "slow",
    ms: 1500,
    when: "before",
    operation: "ListIncomingPhoneNumber",
  });
  const traffic = world.traffic();
  world.startOperator();
  await eventually("the list is under way", () =>
    world.simulator.control.requests().some(({ operation }) => operation === "FetchAccount")
      ? true
      : undefined,
  );
  await eventually("the operator has looked", async () =>
    (await world.metric("smschannel_reconcile_total")) >= 3 ? true : undefined,
  );
  await world.text();
  const deliveries = await traffic.stop();
  expect(refused(deliveries)).toEqual([]);
  const kinds = (await world.stored()).map(({ kind }) => kind);
  expect(new Set(kinds)).toEqual(new Set(["inbound"]));
});

test("a namespace that is created again has another route than the old namespace of that name", async () => {
  await begin();
  await world.wired({ deletionPolicy: "Retain" });
  expect((await world.text()).outcome).toBe("delivered");
  const deleted = await kubectl(["delete", "namespace", world.namespace, "--timeout=45s"]);
  expect(deleted).toMatchObject({ code: 0 });
  expect((await world.text()).outcome, "texts of a retained number are kept").toBe("delivered");
  const [old] = world.routes.find(`${world.namespace}/support`);
  await world.client.create(namespaces, {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: world.namespace },
  });
  await world.secret();
  await world.stream();
  await world.number();
  await world.numberIs("line", { Ready: "True" });
  expect((await world.text()).outcome).toBe("delivered");
  const uids = (await world.stored()).map(({ namespace_uid }) => namespace_uid);
  expect(uids.filter((uid) => uid === old?.namespaceUid)).toHaveLength(2);
  const uid = (await world.client.get(namespaces, { name: world.namespace }))?.metadata.uid;
  expect(uids.filter((each) => each === uid)).toHaveLength(1);
  const fresh = world.routes
    .find(`${world.namespace}/support`)
    .find(({ namespaceUid }) => namespaceUid === uid);
  expect(fresh?.checkKey).not.toEqual(old?.checkKey);
  // The retained webhook is our own, so the operator does not save it as the former one. The real former webhook was
  // kept, and is restored.
  await world.deleteNumber();
  await world.gone(smsNumbers, "line");
  expect(world.atTwilio()).toMatchObject({
    smsUrl: DEMO_URL,
    smsFallbackUrl: "",
  });
}, 90_000);

test("a stream above the limit of its namespace is refused, and the other streams go on", async () => {
  await begin({ config: { maxStreamsPerNamespace: 1 } });
  await world.wired();
  await world.stream({}, { name: "second" });
  await world.number(
    { number: "14252306550", takeover: "Always", workStreamRef: { name: "second" } },
    { name: "second" },
  );
  await world.streamIs("second", {
    InboundUrlReady: "RouteTableFull",
    Ready: "False",
    CredentialsValid: "True",
  });
  await world.numberIs("second", { Ready: "RouteTableFull" });
  await world.streamIs("support", { Ready: "True" });
  await world.numberIs("line", { Ready: "True" });
  expect((await world.text(NUMBER)).outcome).toBe("delivered");
  expect(world.updates()).toHaveLength(1);
});

test("deleted streams do not count against the limit of streams in a namespace", async () => {
  await begin({ config: { maxStreamsPerNamespace: 2 } });
  await world.secret();
  world.startOperator();
  for (const generation of ["red", "green", "blue"]) {
    const names = ["one", "two"].map((name) => `${generation}-${name}`);
    for (const name of names) await world.stream({}, { name });
    for (const name of names) await world.streamIs(name, { Ready: "True" });
    await world.stream({}, { name: `${generation}-three` });
    await world.streamIs(`${generation}-three`, { InboundUrlReady: "RouteTableFull" });
    // The waiting stream gets the place of a deleted stream at once.
    await world.client.delete(workStreams, { namespace: world.namespace, name: names[0]! });
    await world.streamIs(`${generation}-three`, { Ready: "True" });
    for (const name of [names[1]!, `${generation}-three`])
      await world.client.delete(workStreams, { namespace: world.namespace, name });
  }
  // The number of routes of deleted streams is limited as well.
  const routes = await eventually("former routes beyond the bound have left", () => {
    const found = [...world.operators[0]!.operator.records.routes()];
    return found.length <= 5 ? found : undefined;
  });
  expect(routes.length).toBeGreaterThan(0);
}, 90_000);
