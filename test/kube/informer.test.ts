import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { type KubeObject, keyOf, secrets } from "../../src/kube/resource.ts";
import { type Change, Informer, type InformerOptions } from "../../src/kube/watch/informer.ts";
import { silentLog } from "../../src/log.ts";
import { kubeconfigPath, newNamespace } from "../support/cluster.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { grant } from "../support/rights.ts";
import { type CuttingProxy, cuttingProxy } from "./proxy.ts";
import { applyWidgetKind, loadClient, until, type Widget, widget, widgets } from "./widgets.ts";

let admin: KubeClient;
let namespace: string;
let proxy: CuttingProxy;
let client: KubeClient;
const running: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  admin = loadClient(kubeconfigPath());
  await applyWidgetKind(admin);
});
afterAll(() => admin.close());
beforeEach(async () => {
  namespace = await newNamespace("informer");
  proxy = await cuttingProxy(kubeconfigPath());
  client = loadClient(proxy.kubeconfig);
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((informer) => informer.stop()));
  await client.close();
  await proxy.close();
});

/** Runs an informer of the test's namespace through the proxy. `changes` has all changes that listeners got. */
function watchWidgets(options: Partial<InformerOptions<Widget>> = {}) {
  const informer = new Informer<Widget>({
    client,
    type: widgets,
    namespaces: [namespace],
    clock: systemClock,
    log: silentLog,
    ...options,
  });
  const changes: string[] = [];
  informer.onChange(({ type, object }: Change<Widget>) => changes.push(`${type} ${object.metadata.name}`));
  running.push(informer);
  informer.start();
  return { informer, changes };
}
const make = (...names: string[]) =>
  Promise.all(names.map((name) => admin.create(widgets, widget(namespace, name))));
const sorted = (texts: Iterable<string>) => [...texts].sort();
const names = ({ store }: Informer<Widget>) => sorted(store.list().map(({ metadata }) => metadata.name));

test("listeners get each object that exists at the start once, and each later addition, change and deletion once", async () => {
  await make("a");
  const { informer, changes } = watchWidgets();
  await informer.synced;
  await make("b");
  await admin.patch(widgets, { namespace, name: "b" }, { spec: { size: 2 } });
  await admin.delete(widgets, { namespace, name: "a" });
  await until("the deletion is seen", () => changes.includes("deleted a"));
  expect(changes).toEqual(["added a", "added b", "updated b", "deleted a"]);
  expect(informer.store.get(namespace, "b")).toMatchObject({ kind: "Widget", spec: { size: 2 } });
  expect(informer.store.get(namespace, "b")?.metadata).not.toHaveProperty("managedFields");
});

test("very large objects are listed in small pages", async () => {
  const large = { annotations: { fill: "x".repeat(250_000) } };
  for (let at = 0; at < 40; at++) {
    const { metadata, ...rest } = widget(namespace, `w${at}`);
    await admin.create(widgets, { ...rest, metadata: { ...metadata, ...large } });
  }
  const limits: (number | undefined)[] = [];
  const listPage = client.listPage.bind(client);
  client.listPage = (type, options, signal) => {
    limits.push(options.limit);
    return listPage(type, options, signal);
  };
  const { informer } = watchWidgets();
  await informer.synced;
  expect(informer.store.size).toBe(40);
  // The limit of a page's size refuses 10 MB in one page. Eight objects have half the bytes that a page may have.
  expect(limits.slice(0, 4)).toEqual([500, 125, 32, 8]);
  expect(limits.slice(4)).toEqual([8, 8, 8, 8]);
});

describe("an informer whose connection is reset again and again", () => {
  test("loses no change and reports no change twice", async () => {
    const { informer, changes } = watchWidgets();
    await informer.synced;
    for (let round = 0; round < 5; round++) {
      await until("a watch is open", () => proxy.inFlight > 0);
      const made = make(`w${round}a`, `w${round}b`);
      proxy.reset();
      await made;
      await admin.delete(widgets, { namespace, name: `w${round}a` });
      await until("the round is seen", () => changes.length >= 3 * (round + 1));
    }
    expect(names(informer)).toEqual(["w0b", "w1b", "w2b", "w3b", "w4b"]);
    expect(changes).toHaveLength(15);
    expect(new Set(changes).size).toBe(15);
    // The watch resumes from the last version that it has seen, so nothing is listed again.
    expect(proxy.count("list")).toBe(1);
  });
});

test("a half-open connection is noticed by its silence, and later changes are still reported", async () => {
  const { informer, changes } = watchWidgets({ silentAfterMs: 300 });
  await informer.synced;
  await until("a watch is open", () => proxy.count("watch") > 0 && informer.problem() === undefined);
  proxy.halfOpen();
  await make("a", "b");
  await until("both are seen", () => informer.store.size === 2);
  expect(sorted(changes)).toEqual(["added a", "added b"]);
});

describe("a version that the server has forgotten", () => {
  test("leads to a new list, and objects that were deleted meanwhile are reported as deleted", async () => {
    await make("stays", "goes");
    const { informer, changes } = watchWidgets();
    await informer.synced;
    await until("a watch is open", () => proxy.count("watch") === 1);
    // The proxy sends the next watch on to the server with version 1, which the server no longer has.
    proxy.fault = ({ kind, url }) => {
      if (kind !== "watch") return undefined;
      proxy.fault = undefined;
      return { url: url.replace(/resourceVersion=\d+/, "resourceVersion=1") };
    };
    proxy.freeze();
    proxy.reset();
    await admin.delete(widgets, { namespace, name: "goes" });
    await make("new");
    proxy.thaw();
    await until("the list is in", () => names(informer).join() === "new,stays");
    expect(proxy.count("list")).toBe(2);
    expect(sorted(changes)).toEqual(["added goes", "added new", "added stays", "deleted goes"]);
  });

  test("makes the informer report a deletion and an addition for an object that was deleted and created again", async () => {
    await make("same");
    const { informer, changes } = watchWidgets();
    await informer.synced;
    proxy.fault = ({ kind }) =>
      kind === "watch" ? { status: 410, body: '{"kind":"Status","code":410,"reason":"Expired"}' } : undefined;
    proxy.reset();
    proxy.freeze();
    await admin.delete(widgets, { namespace, name: "same" });
    await make("same");
    proxy.fault = undefined;
    proxy.thaw();
    await until("the new one is seen", () => changes.length === 3);
    expect(changes).toEqual(["added same", "deleted same", "added same"]);
  });
});

describe("a server", () => {
  const expectCalm = async (clock: ManualClock, ms: number) => {
    for (let passed = 0; passed < ms; passed += 500) {
      await clock.advance(500);
      await until("the answer is in", () => proxy.inFlight === 0);
    }
  };
  const refusals: Record<string, { status: number; headers?: Record<string, string> }> = {
    "429 without Retry-After": { status: 429 },
    "500": { status: 500 },
    "503 with an hour's Retry-After": { status: 503, headers: { "retry-after": "3600" } },
  };
  for (const [name, answer] of Object.entries(refusals))
    test(`that answers ${name} for ten minutes is asked at growing intervals, and is watched afterwards`, async () => {
      const clock = new ManualClock();
      proxy.fault = () => answer;
      const { informer } = watchWidgets({ clock });
      await until("it was refused", () => informer.problem() !== undefined);
      await expectCalm(clock, 600_000);
      expect(informer.knows(namespace)).toBe(false);
      // The waits are 0.5, 1, 2, 4, … s until they reach the limit of 30 s, which jitter shortens to 15 s at least.
      expect(proxy.seen.length).toBeLessThan(50);
      expect(proxy.seen.length).toBeGreaterThan(1);
      proxy.fault = undefined;
      await make("a");
      const settled = informer.synced.then(() => true);
      for (let tries = 0; tries < 800 && !informer.knows(namespace); tries++) {
        await clock.advance(500);
        if (proxy.seen.at(-1)?.kind === "list")
          await until("the list is answered", () => proxy.inFlight === 0 || informer.knows(namespace));
      }
      expect(await settled).toBe(true);
      expect(names(informer)).toEqual(["a"]);
    });

  test("that answers 429 with Retry-After is asked again when the time in Retry-After is over, and not before", async () => {
    const clock = new ManualClock();
    proxy.fault = () => ({ status: 429, headers: { "retry-after": "9" } });
    const { informer } = watchWidgets({ clock });
    await until("it was refused", () => informer.problem() !== undefined);
    proxy.fault = undefined;
    await clock.advance(8999);
    expect(proxy.seen).toHaveLength(1);
    await clock.advance(9 * 200 + 1);
    await informer.synced;
    expect(proxy.count("list")).toBe(2);
  });

  test("that sends half an answer is asked again", async () => {
    await make("a", "b");
    let lists = 0;
    proxy.fault = ({ kind }) =>
      kind === "list" && lists++ === 0 ? { status: 200, body: '{"items":[{"metada' } : undefined;
    const { informer } = watchWidgets();
    await informer.synced;
    expect(names(informer)).toEqual(["a", "b"]);
  });

  test("that ends each watch immediately is not asked in a tight loop", async () => {
    const clock = new ManualClock();
    proxy.fault = ({ kind }) => (kind === "watch" ? { status: 200 } : undefined);
    const { informer } = watchWidgets({ clock });
    await informer.synced;
    await expectCalm(clock, 300_000);
    expect(proxy.count("watch")).toBeLessThan(40);
    // Watches that end at once bring no data, so everything is listed again every 100 s.
    expect(proxy.count("list")).toBeLessThanOrEqual(4);
  });
});

test("a namespace that the account may not list is reported and holds up no other, and is listed once the right is granted", async () => {
  const closed = await newNamespace("informer-closed");
  const account = `system:serviceaccount:${namespace}:watcher`;
  const read = [{ apiGroups: [widgets.group], resources: ["widgets"], verbs: ["list", "watch"] }];
  await grant(admin, account, namespace, read);
  const limited = await cuttingProxy(kubeconfigPath(), { as: account });
  const asWatcher = loadClient(limited.kubeconfig);
  const clock = new ManualClock();
  await make("open");
  const { informer } = watchWidgets({ client: asWatcher, namespaces: [namespace, closed], clock });
  await until("the open one is listed", () => informer.store.size === 1);
  await until("the closed one is refused", () => informer.problem() !== undefined);
  expect(informer.problem()).toBe(
    `widgets in namespace ${closed}: may not list (Forbidden): grant this account list and watch`,
  );
  // `synced` does not wait for a namespace that may not be listed.
  await informer.synced;
  expect([informer.knows(namespace), informer.knows(closed)]).toEqual([true, false]);
  const listed: (string | undefined)[] = [];
  informer.onListed((where) => listed.push(where));
  await grant(admin, account, closed, read);
  await until("the grant is seen", async () => {
    await clock.advance(30_000);
    return informer.knows(closed);
  });
  // The namespace that could be listed from the beginning may have been listed again: the clock ran for as long as the grant
  // took to be effective.
  expect(listed.filter((where) => where !== namespace)).toEqual([closed]);
  expect(informer.knows(closed)).toBe(true);
  // Because the clock ran for that long, the watch of the namespace that could be listed from the beginning may have been
  // silent for too long, and then everything is listed again.
  await until("nothing is wrong any more", async () => {
    // While a request is under way the clock stands still. Otherwise a slow machine would answer each list too late.
    if (limited.unanswered === 0) await clock.advance(1000);
    return informer.problem() === undefined;
  });
  await asWatcher.close();
  await limited.close();
});

test("neither a Secret's content nor kubectl's copy of it is kept when Secrets are watched as metadata", async () => {
  const annotations = {
    "kubectl.kubernetes.io/last-applied-configuration": '{"stringData":{"authToken":"verySecret"}}',
  };
  await admin.create(secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace, name: "twilio", annotations },
    stringData: { authToken: "verySecret" },
  });
  const informer = new Informer<KubeObject>({
    client,
    type: secrets,
    namespaces: [namespace],
    metadataOnly: true,
    clock: systemClock,
    log: silentLog,
  });
  running.push(informer);
  const updates: string[] = [];
  informer.onChange(({ type, object }) => updates.push(`${type} ${keyOf(object)}`));
  informer.start();
  await informer.synced;
  await admin.patch(secrets, { namespace, name: "twilio" }, { stringData: { authToken: "another" } });
  await until("the edit is seen", () => updates.length === 2);
  const kept = informer.store.get(namespace, "twilio");
  expect(kept?.kind).toBe("Secret");
  expect(Object.keys(kept ?? {}).sort()).toEqual(["apiVersion", "kind", "metadata"]);
  expect(JSON.stringify(kept)).not.toMatch(/verySecret|dmVyeVNlY3JldA|another/);
});

test("a listener that throws stops neither other listeners nor the watch", async () => {
  const { informer, changes } = watchWidgets();
  informer.onChange(() => {
    throw new Error("a listener's bug");
  });
  await informer.synced;
  await make("a", "b");
  await until("both are seen", () => changes.length === 2);
});
