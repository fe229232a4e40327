import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { KubeClient, KubeError } from "../../src/kube/client/client.ts";
import { secrets } from "../../src/kube/resource.ts";
import { LeadershipLost } from "../../src/leadership.ts";
import { kubeconfigPath, newNamespace } from "../support/cluster.ts";
import { type CuttingProxy, cuttingProxy } from "./proxy.ts";
import { applyWidgetKind, loadClient, until, widget, widgets } from "./widgets.ts";

let admin: KubeClient;
let proxy: CuttingProxy;
let client: KubeClient;
let namespace: string;

beforeAll(async () => {
  admin = loadClient(kubeconfigPath());
  await applyWidgetKind(admin);
});
afterAll(() => admin.close());
beforeEach(async () => {
  namespace = await newNamespace("client");
  proxy = await cuttingProxy(kubeconfigPath());
  client = loadClient(proxy.kubeconfig);
});
afterEach(async () => {
  await client.close();
  await proxy.close();
});

const failure = async (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

test("get returns undefined, and delete returns false, for an object that does not exist", async () => {
  const ref = { namespace, name: "none" };
  expect(await client.get(widgets, ref)).toBeUndefined();
  expect(await client.delete(widgets, ref)).toBe(false);
});

test("labels of a large object are read only when the whole object is asked for", async () => {
  const { metadata, ...rest } = widget(namespace, "w");
  const annotations = { "example.com/notes": "x".repeat(20_000) };
  await client.create(widgets, { ...rest, metadata: { ...metadata, labels: { a: "b" }, annotations } });
  const skimmed = await client.get(widgets, metadata);
  const whole = await client.getWhole(widgets, metadata);
  expect(skimmed?.metadata).not.toHaveProperty("labels");
  expect(skimmed?.metadata).not.toHaveProperty("managedFields");
  expect(whole?.metadata).toMatchObject({ labels: { a: "b" }, annotations, managedFields: [{}] });
});

test("a list reads all pages of one snapshot", async () => {
  await Promise.all(["a", "b", "c", "d", "e"].map((name) => client.create(widgets, widget(namespace, name))));
  const { items } = await client.list(widgets, { namespace, limit: 2 });
  expect(items.map(({ metadata }) => metadata.name).sort()).toEqual(["a", "b", "c", "d", "e"]);
  expect(proxy.count("list")).toBe(3);
});

test("the second of two writers that replace the same version of an object gets a Conflict", async () => {
  const made = await client.create(widgets, widget(namespace, "w"));
  await client.replace(widgets, { ...made, spec: { size: 1 } });
  const error = await failure(client.replace(widgets, { ...made, spec: { size: 2 } }));
  expect(error).toMatchObject({ name: "KubeError", status: 409, reason: "Conflict" });
});

test("the client refuses to send a replacement without a resourceVersion", async () => {
  await expect(client.replace(widgets, widget(namespace, "w"))).rejects.toThrow(/resourceVersion/);
  expect(proxy.seen).toEqual([]);
});

test("creating an object gives AlreadyExists when its name is taken, and Invalid when it breaks the schema", async () => {
  await client.create(widgets, widget(namespace, "w"));
  expect(await failure(client.create(widgets, widget(namespace, "w")))).toMatchObject({
    reason: "AlreadyExists",
  });
  const wrong = widget(namespace, "x", { size: "large" as never });
  expect(await failure(client.create(widgets, wrong))).toMatchObject({ status: 422, reason: "Invalid" });
});

test("an object is not deleted when its uid differs from the given uid", async () => {
  await client.create(widgets, widget(namespace, "w"));
  const error = await failure(client.delete(widgets, { namespace, name: "w" }, { uid: "another" }));
  expect(error).toMatchObject({ reason: "Conflict" });
  expect(await client.get(widgets, { namespace, name: "w" })).toBeDefined();
});

test("applying a field of another manager gives a Conflict that names the field", async () => {
  await client.apply(widgets, widget(namespace, "w", { size: 1 }), { fieldManager: "one" });
  const error = (await failure(
    client.apply(widgets, widget(namespace, "w", { size: 2 }), { fieldManager: "two" }),
  )) as KubeError;
  expect(error.reason).toBe("Conflict");
  expect(error.details?.causes?.[0]).toMatchObject({ reason: "FieldManagerConflict", field: ".spec.size" });
});

test("two hundred requests, forty at a time, use at most 32 connections", async () => {
  const connections = new Set<string>();
  const work = async () => {
    for (let i = 0; i < 5; i++) await client.list(secrets, { namespace });
  };
  proxy.onConnection = (id) => connections.add(id);
  await Promise.all(Array.from({ length: 40 }, work));
  expect(proxy.count("list")).toBe(200);
  expect(connections.size).toBeLessThanOrEqual(32);
});

test("when all requests to one namespace hang, a request to another namespace still gets a connection", async () => {
  const other = await newNamespace("client-other");
  proxy.freeze();
  const many = Array.from({ length: 100 }, () => client.list(secrets, { namespace }));
  await until("one namespace has all connections that it may have", () => proxy.seen.length >= 20);
  const one = client.list(secrets, { namespace: other });
  await until("the other namespace's request is sent", () =>
    proxy.seen.some(({ url }) => url.includes(other)),
  );
  expect(proxy.seen.length).toBeLessThanOrEqual(32);
  proxy.thaw();
  await Promise.all([one, ...many]);
  expect(proxy.count("list")).toBe(101);
});

test("a request's time-out counts from when it is sent, so no request is given up while it waits for a connection", async () => {
  const hasty = loadClient(proxy.kubeconfig, 300);
  proxy.freeze();
  const many = Array.from({ length: 100 }, () => failure(hasty.list(secrets, { namespace })));
  for (const error of await Promise.all(many)) expect(error).toMatchObject({ reason: "Timeout" });
  expect(proxy.seen).toHaveLength(100);
  proxy.thaw();
  await hasty.close();
});

test("no answer gives the error Timeout, a lost connection gives Network, and an aborted request gives the caller's reason", async () => {
  const hasty = loadClient(proxy.kubeconfig, 200);
  proxy.freeze();
  expect(await failure(hasty.list(widgets, { namespace }))).toMatchObject({ status: 0, reason: "Timeout" });
  await hasty.close();
  const abort = new AbortController();
  const aborted = failure(client.list(widgets, { namespace }, abort.signal));
  abort.abort(new Error("we stop"));
  expect(await aborted).toMatchObject({ message: "we stop" });
  const before = proxy.seen.length;
  const cut = failure(client.list(widgets, { namespace }));
  await until("the request is under way", () => proxy.seen.length > before);
  proxy.reset();
  expect(await cut).toMatchObject({ status: 0, reason: "Network" });
  proxy.thaw();
});

test("a request is sent once more with fresh credentials after a 401, and fails after a second 401", async () => {
  let refusals = 1;
  proxy.fault = () => (refusals-- > 0 ? { status: 401 } : undefined);
  expect(await client.list(widgets, { namespace })).toMatchObject({ items: [] });
  proxy.fault = () => ({ status: 401 });
  expect(await failure(client.list(widgets, { namespace }))).toMatchObject({
    status: 401,
    reason: "Unauthorized",
  });
});

test("the error of a 429 says how long to wait, and does not repeat the text of a proxy's error page", async () => {
  proxy.fault = () => ({ status: 429, headers: { "retry-after": "7" }, body: "<html>secret page</html>" });
  const error = (await failure(client.list(widgets, { namespace }))) as KubeError;
  expect(error).toMatchObject({ status: 429, reason: "TooManyRequests", retryAfterMs: 7000 });
  expect(error.message).not.toContain("secret page");
});

test("a leader's client sends no write that could outlast the lease, and still reads", async () => {
  let leaseMs = 60_000;
  const leading = client.whileLeading({
    assertTime(ms) {
      if (leaseMs < ms) throw new LeadershipLost("not enough of the lease is left");
    },
  });
  const made = await leading.create(widgets, widget(namespace, "w"));
  leaseMs = client.requestTimeoutMs - 1;
  const { metadata } = made;
  const writes = {
    create: () => leading.create(widgets, widget(namespace, "other")),
    replace: () => leading.replace(widgets, { ...made, spec: { size: 2 } }),
    patch: () => leading.patch(widgets, metadata, { spec: { size: 2 } }),
    apply: () => leading.apply(widgets, widget(namespace, "w"), { fieldManager: "test", force: true }),
    applyStatus: () => leading.applyStatus(widgets, { metadata, status: {} }, { fieldManager: "test" }),
    delete: () => leading.delete(widgets, metadata),
  };
  for (const [name, write] of Object.entries(writes))
    expect(await failure(write()), name).toBeInstanceOf(LeadershipLost);
  const { items } = await leading.list(widgets, { namespace });
  expect(items.map(({ metadata: { resourceVersion } }) => resourceVersion)).toEqual([
    metadata.resourceVersion,
  ]);
});
