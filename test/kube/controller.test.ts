import { Registry } from "@prometheus-io/client";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Clock, systemClock } from "../../src/clock.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import {
  type ControlledKind,
  Controller,
  type ReconcileContext,
} from "../../src/kube/controller/controller.ts";
import { queueOf } from "../../src/kube/controller/queue.ts";
import { LeaderElector } from "../../src/kube/leader/leader.ts";
import { events, type KubeObject, namespaces } from "../../src/kube/resource.ts";
import { type Condition, conditionOf } from "../../src/kube/status/conditions.ts";
import { EventRecorder } from "../../src/kube/status/events.ts";
import type { Outcome, ReasonClass, Verdict } from "../../src/kube/status/summarise.ts";
import { Informer } from "../../src/kube/watch/informer.ts";
import { silentLog } from "../../src/log.ts";
import { kubeconfigPath, newNamespace } from "../support/cluster.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { type CuttingProxy, cuttingProxy } from "./proxy.ts";
import { applyWidgetKind, loadClient, until, type Widget, widget, widgets } from "./widgets.ts";

const FINALIZER = "runtime.smschannel.test/cleanup";
let admin: KubeClient;
let namespace: string;
let proxy: CuttingProxy;
const cleanup: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  admin = loadClient(kubeconfigPath());
  await applyWidgetKind(admin);
});
afterAll(() => admin.close());
beforeEach(async () => {
  namespace = await newNamespace("controller");
  proxy = await cuttingProxy(kubeconfigPath());
});
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
  await proxy.close();
});

const verdict = (type: string, status: Verdict["status"], reason: string, kind: ReasonClass): Verdict => ({
  type,
  status,
  reason,
  message: `about ${reason}`,
  class: kind,
});
const good: Outcome = { verdicts: [verdict("Ready", "True", "Ready", "good")] };
class PublicFailure extends Error {
  readonly reason: string;
  readonly class: ReasonClass;
  constructor(reason: string, kind: ReasonClass) {
    super(`about ${reason}`);
    this.reason = reason;
    this.class = kind;
  }
}

interface Setup extends Partial<Omit<ControlledKind<Widget>, "queue" | "informer">> {
  clock?: Clock;
  instance?: string;
  takeOverFrom?: string;
  workers?: number;
  /** The delay of the first retry, in milliseconds. */
  backoffMs?: number;
  leads?: { leaseMs: number; renewDeadlineMs: number; retryMs: number };
}
/** Runs a controller in the test's own namespace. All its requests go through the proxy. */
function run({ leads, ...options }: Setup = {}) {
  const client = loadClient(proxy.kubeconfig, leads === undefined ? 10_000 : 1000);
  const clock = options.clock ?? systemClock;
  const instance = options.instance ?? "system/main";
  const informer = new Informer<Widget>({
    client,
    type: widgets,
    namespaces: [namespace],
    clock,
    log: silentLog,
  });
  const registry = new Registry();
  const recorder = new EventRecorder({
    client,
    clock,
    log: silentLog,
    reportingController: "x.test/c",
    reportingInstance: "pod",
  });
  const leader =
    leads &&
    new LeaderElector({ client, namespace, name: "l", identity: "me", clock, log: silentLog, ...leads });
  const reconciled: string[] = [];
  const queue = queueOf(informer, {
    clock,
    workers: options.workers,
    ...(options.backoffMs === undefined ? {} : { backoffMs: options.backoffMs }),
  });
  const controller = new Controller<Widget>(
    {
      type: widgets,
      informer,
      queue,
      finalizer: FINALIZER,
      firstSight: () => ({
        verdicts: [verdict("Ready", "Unknown", "Progressing", "waiting")],
        status: { url: "https://at.first.sight" },
      }),
      onFailure: (_, { reason, class: kind }) => [verdict("Ready", "False", reason, kind)],
      ...options,
      reconcile: async (ctx) => {
        reconciled.push(ctx.object.metadata.name);
        return (await options.reconcile?.(ctx)) ?? good;
      },
    },
    {
      client,
      clock,
      log: silentLog,
      registry,
      events: recorder,
      instance,
      fieldManager: `controller/${instance}`,
      leader,
      takeOverFrom: options.takeOverFrom,
    },
  );
  cleanup.push(
    () => client.close(),
    () => informer.stop(),
    () => recorder.stop(),
    async () => leader?.stop(),
    () => controller.stop(),
  );
  controller.start();
  informer.start();
  leader?.start();
  return { controller, queue, informer, reconciled, registry, leader };
}

const read = (name = "w") => admin.get(widgets, { namespace, name });
const statusOf = async (name = "w") =>
  (await read(name))?.status as (Record<string, unknown> & { conditions?: Condition[] }) | undefined;
const readyIs = async (status: string, reason: string, name = "w") => {
  const ready = conditionOf(await statusOf(name), "Ready");
  return ready?.status === status && ready.reason === reason;
};
const make = (name = "w") => admin.create(widgets, widget(namespace, name));
const statusWrites = () =>
  proxy.seen.filter(({ method, url }) => method === "PATCH" && url.includes("/status")).length;
const eventsAbout = async (reason: string) =>
  (await admin.list(events, { namespace })).items.filter((event) => event.reason === reason);

for (const leads of [undefined, { leaseMs: 6000, renewDeadlineMs: 4000, retryMs: 500 }])
  test(`objects that were changed while no controller was at work are reconciled first${leads === undefined ? "" : " at the beginning of a term"}`, async () => {
    const names = ["a", "b", "c", "d", "e", "f"];
    for (const name of names) await make(name);
    const changedWhileAway = ({ metadata }: Widget) => metadata.name === "e";
    const { reconciled } = run({ workers: 1, changedWhileAway, ...(leads === undefined ? {} : { leads }) });
    await until("all objects are reconciled", () => names.every((name) => reconciled.includes(name)));
    expect(reconciled[0]).toBe("e");
  });

test("the first status, with all conditions and managedBy, is written before the first reconcile", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  run({ reconcile: () => promise.then(() => good) });
  await make();
  await until("first sight is written", async () => (await statusOf()) !== undefined);
  const status = await statusOf();
  expect(status).toMatchObject({
    managedBy: "system/main",
    observedGeneration: 1,
    url: "https://at.first.sight",
  });
  expect(status?.conditions?.map(({ type, status }) => `${type}=${status}`)).toEqual([
    "Ready=Unknown",
    "Reconciling=True",
  ]);
  resolve();
  await until("it is ready", () => readyIs("True", "Ready"));
  expect((await statusOf())?.conditions).toHaveLength(1);
});

test("a new object becomes Ready with two status writes and one finalizer write, and then nothing more is written", async () => {
  const { reconciled, informer } = run({
    reconcile: async (ctx) => {
      await ctx.ensureFinalizer();
      await ctx.ensureFinalizer();
      return { ...good, status: { url: "https://x" } };
    },
  });
  await make();
  await until("it is ready", () => readyIs("True", "Ready"));
  await until(
    "our own writes are in the store",
    () => conditionOf(informer.store.get(namespace, "w")?.status as never, "Ready")?.status === "True",
  );
  expect((await read())?.metadata.finalizers).toEqual([FINALIZER]);
  expect(reconciled).toEqual(["w"]);
  expect(statusWrites()).toBe(2);
  const writes = proxy.seen.filter(({ method, url }) => method === "PATCH" && url.includes("/widgets/"));
  expect(writes).toHaveLength(3);
});

test("a resync that finds nothing new writes nothing", async () => {
  const { controller, queue, reconciled } = run();
  await make();
  await until("it is ready", () => readyIs("True", "Ready"));
  const before = statusWrites();
  for (let i = 2; i <= 4; i++) {
    queue.add(`${namespace}/w`, "resync");
    await until("it was reconciled", () => reconciled.length === i);
  }
  await controller.stop();
  expect(statusWrites()).toBe(before);
});

test("a change of the spec is reconciled, and the status names the new generation", async () => {
  const { reconciled } = run();
  await make();
  await until("it is ready", () => readyIs("True", "Ready"));
  await admin.patch(widgets, { namespace, name: "w" }, { spec: { size: 5 } });
  await until("the new generation is observed", async () => (await statusOf())?.observedGeneration === 2);
  expect(reconciled).toEqual(["w", "w"]);
  expect(conditionOf(await statusOf(), "Ready")).toMatchObject({ status: "True", observedGeneration: 2 });
});

test("the controller's status writes do not change the part of the status that another process owns", async () => {
  run({ ownStatus: ({ conversations: _, ...own }) => own });
  await make();
  await until("it is ready", () => readyIs("True", "Ready"));
  const theirs = { metadata: { namespace, name: "w" }, status: { conversations: { open: 3 } } };
  await admin.applyStatus(widgets, theirs, { fieldManager: "work/main" });
  await admin.patch(widgets, { namespace, name: "w" }, { spec: { size: 5 } });
  await until("the new generation is observed", async () => (await statusOf())?.observedGeneration === 2);
  expect((await statusOf())?.conversations).toEqual({ open: 3 });
  await admin.applyStatus(
    widgets,
    { ...theirs, status: { conversations: { open: 4 } } },
    { fieldManager: "work/main" },
  );
  expect((await statusOf())?.conversations).toEqual({ open: 4 });
});

describe("two releases that see the same objects", () => {
  test("the second release leaves an object of the first alone, records one event and counts the object as foreign", async () => {
    run({ instance: "first/release" });
    await make();
    await until("it is ready", () => readyIs("True", "Ready"));
    const before = await read();
    const { registry, reconciled, controller, queue } = run({ instance: "second/release" });
    await until("it is counted", async () => /foreign_objects 1/.test(await registry.metrics()));
    queue.add(`${namespace}/w`, "resync");
    await until("the event is there", async () => (await eventsAbout("ManagedByAnotherRelease")).length > 0);
    await controller.stop();
    expect(reconciled).toEqual([]);
    expect((await read())?.metadata.resourceVersion).toBe(before?.metadata.resourceVersion);
    expect(await eventsAbout("ManagedByAnotherRelease")).toHaveLength(1);
  });

  test("one of two releases takes a new object that both see at the same time, and the other does nothing", async () => {
    const both = ["first/release", "second/release"].map((instance) => run({ instance }));
    await Promise.all(both.map(({ informer }) => informer.synced));
    await make();
    await until("it is ready", () => readyIs("True", "Ready"));
    await until("one counts it as foreign", async () =>
      (await Promise.all(both.map(({ registry }) => registry.metrics()))).some((text) =>
        /foreign_objects 1/.test(text),
      ),
    );
    expect(both.map(({ reconciled }) => reconciled.length).sort()).toEqual([0, 1]);
  });

  test("a release that may take over an object does so, and keeps the object's status fields", async () => {
    const first = run({
      instance: "first/release",
      reconcile: async () => ({ ...good, status: { sid: "PN1" } }),
    });
    await make();
    await until("it is ready", () => readyIs("True", "Ready"));
    await first.controller.stop();
    const seen: unknown[] = [];
    run({
      instance: "second/release",
      takeOverFrom: "first/release",
      reconcile: async ({ object }) => {
        seen.push(object.status?.sid);
        return { ...good, status: { sid: "PN1", url: "https://new" } };
      },
    });
    await until("it is the second's", async () => (await statusOf())?.url === "https://new");
    expect(await statusOf()).toMatchObject({ managedBy: "second/release", sid: "PN1" });
    expect(seen).toEqual(["PN1"]);
  });
});

/**
 * After a take-over, both releases own each value that both have applied. The former release's share must not block the release
 * that took over.
 */
describe("the status can still change after another release took the objects over", () => {
  const waits: Outcome = { verdicts: [verdict("Ready", "False", "Waits", "waiting")] };
  const fails: Outcome = { verdicts: [verdict("Ready", "False", "Fails", "stalled")] };

  /** The second release finds the status of the first release. At first it writes the same values, and then different ones. */
  async function taken(second: Partial<Setup>) {
    let outcome = waits;
    const { controller } = run({
      instance: "second/release",
      resyncIntervalMs: 50,
      reconcile: async () => outcome,
      ...second,
    });
    await until("it is the second's", async () => (await statusOf())?.managedBy === "second/release");
    outcome = fails;
    await until("it fails", () => readyIs("False", "Fails"));
    outcome = good;
    await until("it is ready", () => readyIs("True", "Ready"));
    // The first release owned Reconciling and Stalled as well, so they would stay if its share were not ended.
    expect((await statusOf())?.conditions?.map(({ type }) => type)).toEqual(["Ready"]);
    await controller.stop();
  }

  async function former(annotations: Record<string, string> = {}) {
    const first = run({ instance: "first/release", reconcile: async () => waits });
    const made = widget(namespace, "w");
    await admin.create(widgets, { ...made, metadata: { ...made.metadata, annotations } });
    await until("it waits", () => readyIs("False", "Waits"));
    await first.controller.stop();
  }

  test("when the second release is told to take objects over from the first", async () => {
    await former();
    await taken({ takeOverFrom: "first/release" });
  });

  test("when the object is so large that its managedFields are usually skipped", async () => {
    await former({ "example.com/notes": "x".repeat(20_000) });
    await taken({ takeOverFrom: "first/release" });
  });

  test("when the first release has given up the object", async () => {
    await former();
    const { conditions } = (await statusOf())!;
    await admin.applyStatus(
      widgets,
      { metadata: { name: "w", namespace }, status: { conditions } },
      { fieldManager: "controller/first/release" },
    );
    await taken({});
  });

  test("when the take-over was interrupted between its two writes", async () => {
    await former();
    const { conditions } = (await statusOf())!;
    await admin.applyStatus(
      widgets,
      { metadata: { name: "w", namespace }, status: { conditions, managedBy: "second/release" } },
      { fieldManager: "controller/second/release", force: true },
    );
    let outcome = waits;
    run({ instance: "second/release", resyncIntervalMs: 50, reconcile: async () => outcome });
    outcome = good;
    await until("it is ready", () => readyIs("True", "Ready"));
  });
});

describe("an object that is deleted during an attempt", () => {
  test("gets no finalizer and no later change, and leaves no metric", async () => {
    const began = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const done: string[] = [];
    const { registry, informer } = run({
      reconcile: async (ctx) => {
        if (ctx.object.metadata.name !== "w") return good;
        began.resolve();
        await goOn.promise;
        await ctx.ensureFinalizer();
        done.push("wired");
        return good;
      },
    });
    await make();
    await began.promise;
    await admin.delete(widgets, { namespace, name: "w" });
    await until("it is gone from the store", () => informer.store.getByKey(`${namespace}/w`) === undefined);
    goOn.resolve();
    await make("other");
    await until("the next is ready", () => readyIs("True", "Ready", "other"));
    expect(done).toEqual([]);
    await until(
      "the metrics have nothing of the first one",
      async () => !/name="w"/.test(await registry.metrics()),
    );
  });

  test("does not affect a new object of the same name", async () => {
    const began = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const wired: (string | undefined)[] = [];
    let first = true;
    run({
      reconcile: async (ctx) => {
        if (first) {
          first = false;
          began.resolve();
          await goOn.promise;
        }
        await ctx.ensureFinalizer();
        wired.push(ctx.object.metadata.uid);
        return good;
      },
    });
    await make();
    await began.promise;
    await admin.delete(widgets, { namespace, name: "w" });
    const second = await make();
    goOn.resolve();
    await until("it is ready", () => readyIs("True", "Ready"));
    expect(new Set(wired)).toEqual(new Set([second.metadata.uid]));
  });
});

describe("a reconcile that fails", () => {
  test("reports the reason of its failure, and a retry makes the object Ready", async () => {
    let fails = 2;
    run({
      backoffMs: 10,
      reconcile: async () => {
        if (fails-- > 0) throw new PublicFailure("Throttled", "transient");
        return good;
      },
    });
    await make();
    await until("it is ready", () => readyIs("True", "Ready"));
    expect(await eventsAbout("Throttled")).toHaveLength(1);
  });

  test("with a failure of class stalled is not retried until something changes", async () => {
    const clock = new ManualClock();
    const { reconciled } = run({
      clock,
      reconcile: async () => {
        throw new PublicFailure("Unauthorized", "stalled");
      },
    });
    await make();
    await until("the status says so", () => readyIs("False", "Unauthorized"));
    await clock.advance(3_600_000);
    expect(reconciled).toHaveLength(1);
    expect(conditionOf(await statusOf(), "Stalled")?.status).toBe("True");
  });

  test("because of a bug reports InternalError, writes no details of the bug into the status, and affects no other object", async () => {
    run({
      backoffMs: 10,
      reconcile: async ({ object }) => {
        if (object.metadata.name === "bad") throw new TypeError("secret of the code");
        return good;
      },
    });
    await Promise.all([make("bad"), make("fine")]);
    await until("the fine one is ready", () => readyIs("True", "Ready", "fine"));
    await until("the status says that it failed", () => readyIs("False", "InternalError", "bad"));
    expect(JSON.stringify(await statusOf("bad"))).not.toContain("secret of the code");
  });

  test("writes its status in the end when the API server refuses the write for a while", async () => {
    let refusals = 3;
    proxy.fault = ({ url, method }) =>
      method === "PATCH" && url.includes("/status") && refusals-- > 0 ? { status: 500 } : undefined;
    run({ backoffMs: 10 });
    await make();
    await until("it is ready", () => readyIs("True", "Ready"));
  });
});

describe("the deletion of an object", () => {
  const keeps = async (ctx: { ensureFinalizer(): Promise<void> }) => {
    await ctx.ensureFinalizer();
    return good;
  };
  test("waits until finalize is done, and removes no other finalizer", async () => {
    let tries = 0;
    run({
      backoffMs: 10,
      reconcile: keeps,
      finalize: async ({ deleting }) => {
        expect(deleting).toBe(true);
        if (++tries < 3) throw new PublicFailure("Unavailable", "transient");
        return { done: true, events: [{ type: "Normal", reason: "Restored", message: "as it was" }] };
      },
    });
    await admin.create(widgets, {
      ...widget(namespace, "w"),
      metadata: { namespace, name: "w", finalizers: ["someone.else/finalizer"] },
    });
    await until("it is ready", () => readyIs("True", "Ready"));
    await admin.delete(widgets, { namespace, name: "w" });
    await until(
      "ours is gone",
      async () => (await read())?.metadata.finalizers?.includes(FINALIZER) === false,
    );
    expect((await read())?.metadata.finalizers).toEqual(["someone.else/finalizer"]);
    expect(tries).toBe(3);
    await until("the event is recorded", async () => (await eventsAbout("Restored")).length === 1);
    await admin.patch(widgets, { namespace, name: "w" }, { metadata: { finalizers: null } });
  });

  test("ends immediately for an object without our finalizer", async () => {
    run({ finalize: () => Promise.reject(new Error("there is nothing to undo")) });
    await make();
    await until("it is ready", () => readyIs("True", "Ready"));
    await admin.delete(widgets, { namespace, name: "w" });
    await until("it is gone", async () => (await read()) === undefined);
  });

  test("does not hold up the deletion of its namespace, which accepts no new events", async () => {
    const { registry } = run({
      reconcile: keeps,
      finalize: async () => ({ done: true, events: [{ type: "Warning", reason: "LetGo", message: "m" }] }),
    });
    await make();
    await until("it is ready", () => readyIs("True", "Ready"));
    // The test waits for the metric as well: the API server shows the new status before its answer to our write has arrived
    // here.
    const line = `smschannel_object_ready{kind="Widget",namespace="${namespace}",name="w"} 1`;
    await until("the metric says so", async () => (await registry.metrics()).includes(line));
    await admin.delete(namespaces, { name: namespace });
    await until("it is gone", async () => (await read()) === undefined);
    await until(
      "the metrics have nothing of it any more",
      async () => !(await registry.metrics()).includes('name="w"'),
    );
  });
});

describe("an attempt under way", () => {
  const ended = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  const isDeleting = ({ metadata }: Widget) => metadata.deletionTimestamp !== undefined;
  const isForced = ({ metadata }: Widget) => metadata.annotations?.force === "true";
  /** Starts an attempt that ends only when the promise that `hangs` returned settles. */
  function hanging(hangs: (ctx: ReconcileContext<Widget>) => Promise<unknown>, options: Setup = {}) {
    const began = Promise.withResolvers<ReconcileContext<Widget>>();
    const finalized: string[] = [];
    const { controller } = run({
      urgentInMs: (object) => (isDeleting(object) && isForced(object) ? 0 : undefined),
      reconcile: async (ctx) => {
        await ctx.ensureFinalizer();
        began.resolve(ctx);
        await hangs(ctx);
        return good;
      },
      finalize: async ({ object }) => {
        finalized.push(object.metadata.name);
        return { done: true };
      },
      ...options,
    });
    return { began: began.promise, finalized, controller };
  }
  const remove = (name = "w") => admin.delete(widgets, { namespace, name });
  const force = (name = "w") =>
    admin.patch(widgets, { namespace, name }, { metadata: { annotations: { force: "true" } } });
  const gone = (name = "w") => until(`${name} is gone`, async () => (await read(name)) === undefined);

  test("stops reading and waiting when its object is deleted", async () => {
    const { began } = hanging(({ patience }) => ended(patience));
    await make();
    const { signal } = await began;
    await remove();
    await gone();
    expect(signal.aborted).toBe(false);
  });

  test("waits until a change that it has sent is done, and the deletion of its object begins afterwards", async () => {
    const sent = Promise.withResolvers<void>();
    const { began, finalized } = hanging(() => sent.promise);
    await make();
    const { signal, patience } = await began;
    await remove();
    await until("it knows", () => patience.aborted);
    expect(signal.aborted).toBe(false);
    expect(finalized).toEqual([]);
    sent.resolve();
    await gone();
  });

  for (const order of ["first deleted, then urgent", "urgent at once when deleted"])
    test(`is cut off when its object becomes urgent: ${order}`, async () => {
      const { began } = hanging(({ signal }) => ended(signal));
      await make();
      await began;
      if (order === "urgent at once when deleted") await force();
      await remove();
      if (order === "first deleted, then urgent") await force();
      await gone();
    });

  test("is repeated when work that it shared with another object's attempt was ended together with that attempt", async () => {
    const shared = Promise.withResolvers<never>();
    shared.promise.catch(() => {});
    let looks = 0;
    run({
      reconcile: async ({ object, patience }) => {
        if (object.metadata.name === "w") {
          patience.addEventListener("abort", () => shared.reject(patience.reason));
          return await shared.promise;
        }
        looks += 1;
        return looks === 1 ? await shared.promise : good;
      },
    });
    await make();
    await make("other");
    await until("the other waits for the same", () => looks === 1);
    await remove();
    await until("the other is looked at again", () => looks === 2);
  });

  test("is cut off when its object becomes urgent because time has passed", async () => {
    const since = performance.now();
    const { began } = hanging(({ signal }) => ended(signal), {
      urgentInMs: (object) => (isDeleting(object) ? since + 2000 - performance.now() : undefined),
    });
    await make();
    await began;
    await remove();
    await gone();
  });

  test("is not cut off when it finalizes the object, because a finalizer checks by itself whether its time is over", async () => {
    const time = Promise.withResolvers<void>();
    const tried: AbortSignal[] = [];
    let over = false;
    const { began } = hanging(async () => {}, {
      urgentInMs: (object) => (isDeleting(object) ? (over ? 0 : 200) : undefined),
      finalize: async ({ signal }) => {
        tried.push(signal);
        over = true;
        await time.promise;
        return { done: true };
      },
    });
    await make();
    await began;
    await remove();
    await until("it is under way", () => tried.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(tried[0]?.aborted).toBe(false);
    time.resolve();
    await gone();
    expect(tried).toHaveLength(1);
  });

  test("does not hold up an urgent object, even when the attempts of all workers hang", async () => {
    const stuck: string[] = [];
    hanging(async () => {}, {
      workers: 2,
      finalize: async ({ object, signal }) => {
        if (isForced(object)) return { done: true };
        stuck.push(object.metadata.name);
        return await ended(signal);
      },
    });
    const names = ["a", "b", "c", "d"];
    for (const name of names) await make(name);
    for (const name of names) await until("it is ready", () => readyIs("True", "Ready", name));
    for (const name of names) await remove(name);
    await until("all workers are taken", () => stuck.length === 2);
    const last = names.find((name) => !stuck.includes(name))!;
    await force(last);
    await gone(last);
    await force(stuck[0]);
    await gone(stuck[0]);
  });
});

test("a loss of leadership aborts the attempt under way, and then nothing is written or begun", async () => {
  const begun = Promise.withResolvers<AbortSignal>();
  const finish = Promise.withResolvers<void>();
  const { reconciled } = run({
    leads: { leaseMs: 3000, renewDeadlineMs: 2000, retryMs: 200 },
    reconcile: async ({ signal }) => {
      begun.resolve(signal);
      await finish.promise;
      return good;
    },
  });
  await make();
  const signal = await begun.promise;
  await admin.patch(
    { group: "coordination.k8s.io", version: "v1", plural: "leases", kind: "Lease", namespaced: true },
    { namespace, name: "l" },
    { spec: { holderIdentity: "another", leaseDurationSeconds: 600 } },
  );
  await until("the term is over", () => signal.aborted);
  const before = statusWrites();
  finish.resolve();
  await admin.patch(widgets, { namespace, name: "w" }, { spec: { size: 9 } });
  await make("second");
  await until("the watch has it", () => proxy.inFlight > 0);
  expect(reconciled).toEqual(["w"]);
  expect(statusWrites()).toBe(before);
  expect(await readyIs("Unknown", "Progressing")).toBe(true);
});

test("a repeated event is written as one event with a count", async () => {
  const clock = new ManualClock(Date.now());
  const client = loadClient(proxy.kubeconfig);
  const recorder = new EventRecorder({
    client,
    clock,
    log: silentLog,
    reportingController: "x.test/c",
    reportingInstance: "pod",
  });
  const object: KubeObject = await make();
  const note = { type: "Warning", reason: "Repaired", message: "set back" } as const;
  for (let i = 0; i < 5; i++) {
    recorder.record(object, note);
    await recorder.stop();
    await clock.advance(30_000);
  }
  const [event, ...more] = await eventsAbout("Repaired");
  expect(more).toEqual([]);
  expect(event).toMatchObject({
    note: "set back",
    type: "Warning",
    series: { count: 5 },
    regarding: { name: "w", kind: "Widget" },
  });
  for (let i = 0; i < 100; i++) recorder.record(object, { ...note, reason: `Other${i}` });
  await recorder.stop();
  expect((await admin.list(events, { namespace })).items.length).toBeLessThan(20);
  await client.close();
});
