import { Registry } from "@prometheus-io/client";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type OperatingHours, type OperatingHoursSpec, operatingHours } from "../../src/api/index.ts";
import { operatingHoursController } from "../../src/controllers/operatinghours/controller.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { conditionOf } from "../../src/kube/status/conditions.ts";
import { EventRecorder } from "../../src/kube/status/events.ts";
import { Informer } from "../../src/kube/watch/informer.ts";
import { silentLog } from "../../src/log.ts";
import { type CuttingProxy, cuttingProxy } from "../kube/proxy.ts";
import { loadClient, until } from "../kube/widgets.ts";
import { kubeconfigPath, newNamespace } from "../support/cluster.ts";
import { ManualClock } from "../support/manual-clock.ts";

let admin: KubeClient;
let namespace: string;
let proxy: CuttingProxy;
const cleanup: (() => unknown)[] = [];
/** Whether all reconciles that wrote something have ended. The next wake-up is planned only at the end of a reconcile. */
let atRest: () => Promise<boolean>;

beforeAll(() => {
  admin = loadClient(kubeconfigPath());
});
afterAll(() => admin.close());
beforeEach(async () => {
  namespace = await newNamespace("hours");
  proxy = await cuttingProxy(kubeconfigPath());
});
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
  await proxy.close();
});

/** Runs the controller as the operator does, with a clock of the test's own. All its requests go through the proxy. */
function run(clock: ManualClock) {
  const client = loadClient(proxy.kubeconfig);
  const shared = { client, clock, log: silentLog };
  const informer = new Informer<OperatingHours>({ ...shared, type: operatingHours, namespaces: [namespace] });
  const events = new EventRecorder({
    ...shared,
    reportingController: "x.test/hours",
    reportingInstance: "pod",
  });
  const registry = new Registry();
  const writesBefore = statusWrites();
  atRest = async () => {
    const metric = await registry.getSingleMetric("smschannel_reconcile_total")?.get();
    const reconciles = metric?.values.reduce((sum, { value }) => sum + value, 0) ?? 0;
    return reconciles >= statusWrites() - writesBefore;
  };
  const controller = operatingHoursController(
    { informer },
    {
      ...shared,
      events,
      registry,
      instance: "system/main",
      fieldManager: "smschannel-controller/system/main",
    },
  );
  controller.start();
  informer.start();
  const stop = async () => {
    await controller.stop();
    await Promise.all([informer.stop(), events.stop()]);
    await client.close();
  };
  cleanup.push(stop);
  return { stop };
}

const week = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"] as const;
const daily = (start: string, end: string) => [{ days: [...week], start, end }];
const at = (time: string) => new ManualClock(Date.parse(time));

const create = (name: string, spec: OperatingHoursSpec) =>
  admin.create(operatingHours, {
    apiVersion: "smschannel.dev/v1alpha1",
    kind: "OperatingHours",
    metadata: { namespace, name },
    spec,
  });
const statusOf = async (name: string) => (await admin.get(operatingHours, { namespace, name }))?.status;
const writes = () => proxy.seen.filter(({ kind }) => kind === "write").length;
const statusWrites = () =>
  proxy.seen.filter(({ kind, url }) => kind === "write" && !url.includes("/events")).length;
const seen = async (name: string) => {
  const status = await statusOf(name);
  const ready = conditionOf(status, "Ready");
  return `${ready?.status} ${ready?.reason} ${status?.reason} until ${status?.nextTransition}`;
};
const becomes = (name: string, text: string) =>
  until(`${name} is ${text}`, async () => (await seen(name)) === text && (await atRest()));

test("the status changes on the exact second at which the hours close, with one write, and none before or after it", async () => {
  const clock = at("2026-11-23T15:59:58Z");
  run(clock);
  await create("office", { timeZone: "Europe/Vienna", weekly: daily("08:00", "17:00") });
  await becomes("office", "True Ready Open until 2026-11-23T16:00:00Z");
  expect(writes()).toBe(1);

  await clock.advance(1999);
  expect(writes()).toBe(1);
  await clock.advance(1);
  await becomes("office", "True Ready Closed until 2026-11-24T07:00:00Z");
  expect(writes()).toBe(2);

  // While the controller checks the clock for an hour it makes no request to the API server, and it makes none at a midnight at
  // which the list of upcoming changes stays the same.
  await clock.advance(3_600_000);
  expect(writes()).toBe(2);
  expect((await statusOf("office"))?.upcoming?.slice(0, 2)).toEqual([
    { time: "2026-11-23T07:00:00Z", open: true, reason: "Open" },
    { time: "2026-11-23T16:00:00Z", open: false, reason: "Closed" },
  ]);
});

test("the list of upcoming changes is updated once at local midnight", async () => {
  const clock = at("2026-11-23T22:59:59Z");
  run(clock);
  await create("office", { timeZone: "Europe/Vienna", weekly: daily("08:00", "17:00") });
  await becomes("office", "True Ready Closed until 2026-11-24T07:00:00Z");
  await clock.advance(1000);
  await until("the list begins with Tuesday", async () => {
    return (await statusOf("office"))?.upcoming?.[0]?.time === "2026-11-24T07:00:00Z";
  });
  expect((await statusOf("office"))?.upcoming).toHaveLength(28);
  expect(writes()).toBe(2);
});

test("a span whose start the clocks skip on a day of 23 hours begins at the clock change, and the status marks it", async () => {
  const clock = at("2026-03-08T06:59:59Z");
  run(clock);
  await create("night", { timeZone: "America/New_York", weekly: daily("02:30", "04:00") });
  await becomes("night", "True Ready Closed until 2026-03-08T07:00:00Z");
  expect((await statusOf("night"))?.upcoming?.[0]).toEqual({
    time: "2026-03-08T07:00:00Z",
    open: true,
    reason: "Open",
    daylightSaving: "Starts",
  });
  await clock.advance(1000);
  await becomes("night", "True Ready Open until 2026-03-08T08:00:00Z");
});

test("a holiday that begins during closed time is shown from midnight on", async () => {
  const clock = at("2026-12-24T22:59:59Z");
  run(clock);
  const holidays = [{ name: "Christmas", from: "2026-12-25" }];
  await create("office", { timeZone: "Europe/Vienna", weekly: daily("08:00", "17:00"), holidays });
  await becomes("office", "True Ready Closed until 2026-12-26T07:00:00Z");
  await clock.advance(1000);
  await becomes("office", "True Ready Holiday until 2026-12-26T07:00:00Z");
});

test("a new spec takes effect immediately", async () => {
  run(at("2026-11-24T10:00:00Z"));
  const made = await create("office", { timeZone: "Europe/Vienna", weekly: daily("08:00", "17:00") });
  await becomes("office", "True Ready Open until 2026-11-24T16:00:00Z");
  await admin.patch(operatingHours, made.metadata, { spec: { weekly: daily("08:00", "10:00") } });
  await becomes("office", "True Ready Closed until 2026-11-25T07:00:00Z");
  expect((await statusOf("office"))?.observedGeneration).toBe(2);
});

test("the status reports an unknown time zone and shows no hours, and a corrected time zone makes the object Ready", async () => {
  run(at("2026-11-24T10:00:00Z"));
  const made = await create("mars", { timeZone: "Europe/Vienna", weekly: daily("08:00", "17:00") });
  await becomes("mars", "True Ready Open until 2026-11-24T16:00:00Z");
  await admin.patch(operatingHours, made.metadata, { spec: { timeZone: "Mars/Olympus_Mons" } });
  await becomes("mars", "False TimeZoneUnknown undefined until undefined");
  const status = await statusOf("mars");
  expect(status).not.toHaveProperty("open");
  expect(status).not.toHaveProperty("upcoming");
  expect(conditionOf(status, "Stalled")?.reason).toBe("TimeZoneUnknown");

  await admin.patch(operatingHours, made.metadata, { spec: { timeZone: "Asia/Tokyo" } });
  await becomes("mars", "True Ready Closed until 2026-11-24T23:00:00Z");
  expect(conditionOf(await statusOf("mars"), "Stalled")).toBeUndefined();
});

test("a calendar that is over, or never closes, has no next transition", async () => {
  run(at("2026-11-24T10:00:00Z"));
  await create("over", { timeZone: "UTC", dates: [{ date: "2024-02-29", start: "08:00", end: "17:00" }] });
  await create("always", { timeZone: "UTC", weekly: daily("00:00", "24:00") });
  await becomes("over", "True Ready Closed until undefined");
  await becomes("always", "True Ready Open until undefined");
});

test("after a restart, only objects whose state changed while no controller ran are written", async () => {
  const first = run(at("2026-11-24T10:00:00Z"));
  await create("office", { timeZone: "Europe/Vienna", weekly: daily("08:00", "17:00") });
  await create("late", { timeZone: "Europe/Vienna", weekly: daily("08:00", "22:00") });
  await becomes("office", "True Ready Open until 2026-11-24T16:00:00Z");
  await becomes("late", "True Ready Open until 2026-11-24T21:00:00Z");
  await first.stop();
  expect(writes()).toBe(2);

  run(at("2026-11-24T18:00:00Z"));
  await becomes("office", "True Ready Closed until 2026-11-25T07:00:00Z");
  expect(await seen("late")).toBe("True Ready Open until 2026-11-24T21:00:00Z");
  expect(writes()).toBe(3);
});

test("the status is right within a second after the system's clock jumps forward or back", async () => {
  const clock = at("2026-11-24T10:00:00Z");
  run(clock);
  await create("office", { timeZone: "Europe/Vienna", weekly: daily("08:00", "17:00") });
  await becomes("office", "True Ready Open until 2026-11-24T16:00:00Z");
  clock.jump(7 * 3_600_000);
  await clock.advance(1000);
  await becomes("office", "True Ready Closed until 2026-11-25T07:00:00Z");
  clock.jump(-5 * 3_600_000);
  await clock.advance(1000);
  await becomes("office", "True Ready Open until 2026-11-24T16:00:00Z");
  expect(writes()).toBe(3);
  // The timer for the closing at 17:00 in Vienna was set again after the clock had jumped.
  await clock.advance(Date.parse("2026-11-24T16:00:00Z") - clock.now());
  await becomes("office", "True Ready Closed until 2026-11-25T07:00:00Z");
});

test("the status of a calendar with fifty spans a day lists 512 changes, as many as the CRD allows", async () => {
  run(at("2026-11-24T10:00:00Z"));
  const minute = (m: number) =>
    `${String(Math.floor(m / 60)).padStart(2, "0")}:${String(m % 60).padStart(2, "0")}`;
  const weekly = Array.from({ length: 50 }, (_, i) => ({
    days: [...week],
    start: minute(i * 20),
    end: minute(i * 20 + 10),
  }));
  await create("busy", { timeZone: "UTC", weekly });
  await becomes("busy", "True Ready Open until 2026-11-24T10:10:00Z");
  expect((await statusOf("busy"))?.upcoming).toHaveLength(512);
});
