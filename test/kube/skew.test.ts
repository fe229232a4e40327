import { afterAll, beforeAll, expect, test } from "vitest";
import type { KubeClient } from "../../src/kube/client/client.ts";
import type { ResourceType } from "../../src/kube/resource.ts";
import { type ObjectStatus, StatusWriter } from "../../src/kube/status/status-writer.ts";
import { silentLog } from "../../src/log.ts";
import { kubeconfigPath, newNamespace } from "../support/cluster.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { type CuttingProxy, cuttingProxy } from "./proxy.ts";
import { applyKind, loadClient, until, type Widget } from "./widgets.ts";

// These tests run an operator and CRDs of different releases, as during an upgrade, after a rollback, or when somebody upgrades
// the CRDs by hand.

const text = { type: "string" };
const older = { observedGeneration: { type: "integer" }, managedBy: text, url: text };
const newer = { ...older, extra: { type: "object", properties: { a: { type: "integer" } } } };
const signal = new AbortController().signal;

let admin: KubeClient;
let client: KubeClient;
let proxy: CuttingProxy;
let namespace: string;

beforeAll(async () => {
  admin = loadClient(kubeconfigPath());
  proxy = await cuttingProxy(kubeconfigPath());
  client = loadClient(proxy.kubeconfig);
  namespace = await newNamespace("skew");
});
afterAll(async () => {
  await Promise.all([admin.close(), client.close()]);
  await proxy.close();
});

/** A kind for one test. Each test needs its own kind, because it changes the kind's CRD. */
const kind = (name: string): ResourceType<Widget> => ({
  group: "runtime.smschannel.test",
  version: "v1",
  plural: `${name.toLowerCase()}s`,
  kind: name,
  namespaced: true,
});

function writerOf(type: ResourceType<Widget>, clock: ManualClock) {
  return new StatusWriter<Widget>({
    client,
    type,
    clock,
    log: silentLog,
    fieldManager: "controller/main",
    instance: "main",
  });
}

const status = (more: object): Record<string, unknown> => ({
  observedGeneration: 1,
  managedBy: "main",
  url: "https://x",
  conditions: [{ type: "Ready", status: "True" }],
  ...more,
});
const statusWrites = () => proxy.seen.filter(({ url }) => url.includes("/status")).length;
const create = (type: ResourceType<Widget>) =>
  admin.create(type, {
    apiVersion: `${type.group}/${type.version}`,
    kind: type.kind,
    metadata: { name: "one", namespace },
    spec: {},
  });
const read = async (type: ResourceType<Widget>) => (await admin.get(type, { namespace, name: "one" }))!;

test("the status is written without the fields that an older CRD lacks, and with these fields after the CRD is upgraded", async () => {
  const type = kind("Gadget");
  await applyKind(admin, type, { properties: older });
  const clock = new ManualClock();
  const writer = writerOf(type, clock);
  const wanted = status({ extra: { a: 1 } });
  expect(await writer.write(await create(type), wanted, signal)).toBe("written");
  expect((await read(type)).status).toEqual(status({}));

  const before = statusWrites();
  expect(await writer.write(await read(type), wanted, signal)).toBe("unchanged");
  expect(statusWrites()).toBe(before);

  await applyKind(admin, type, { properties: newer });
  await until("the field is written", async () => {
    await clock.advance(10 * 60_000);
    await writer.write(await read(type), wanted, signal);
    return (await read(type)).status?.extra !== undefined;
  });
  expect((await read(type)).status).toEqual(wanted);
  expect(await writer.write(await read(type), wanted, signal)).toBe("unchanged");
});

test("after a rollback, the older operator removes the status fields of the newer operator in one write", async () => {
  const type = kind("Gizmo");
  await applyKind(admin, type, { properties: newer });
  const clock = new ManualClock();
  await writerOf(type, clock).write(await create(type), status({ extra: { a: 1 } }), signal);
  const rolledBack = writerOf(type, clock);
  expect(await rolledBack.write(await read(type), status({}), signal)).toBe("written");
  expect((await read(type)).status).toEqual(status({}));
  expect(await rolledBack.write(await read(type), status({}), signal)).toBe("unchanged");
});

test("a field that this version does not know and another process owns stays when the status is written again", async () => {
  const type = kind("Gimmick");
  await applyKind(admin, type, { properties: newer });
  const clock = new ManualClock();
  const writer = writerOf(type, clock);
  await writer.write(await create(type), status({}), signal);
  const { name } = (await read(type)).metadata;
  await admin.applyStatus(
    type,
    { metadata: { name, namespace }, status: { extra: { a: 2 } } as ObjectStatus },
    { fieldManager: "work/main" },
  );
  const before = await read(type);
  await writer.write(before, status({}), signal);
  const after = await read(type);
  expect(after.status).toEqual(status({ extra: { a: 2 } }));
  expect(after.metadata.resourceVersion).toBe(before.metadata.resourceVersion);
});
