import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { spawnTied, stopChild } from "../../src/child.ts";
import { type Clock, systemClock } from "../../src/clock.ts";
import type { KubeClient } from "../../src/kube/client/client.ts";
import { LeaderElector } from "../../src/kube/leader/leader.ts";
import { leases } from "../../src/kube/resource.ts";
import { createLog, type Log, silentLog } from "../../src/log.ts";
import { kubeconfigPath, newNamespace } from "../support/cluster.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { type CuttingProxy, cuttingProxy } from "./proxy.ts";
import { loadClient, until } from "./widgets.ts";

let admin: KubeClient;
let namespace: string;
const cleanup: (() => Promise<unknown>)[] = [];
/** Times of the Lease that are shorter than the real ones, so that tests take only seconds. */
const short = { leaseMs: 3000, renewDeadlineMs: 2000, retryMs: 200 };

beforeAll(() => {
  admin = loadClient(kubeconfigPath());
});
afterAll(() => admin.close());
beforeEach(async () => {
  namespace = await newNamespace("leader");
});
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
});

function elect(
  identity: string,
  options: { kubeconfig?: string; clock?: Clock; times?: typeof short; log?: Log } = {},
) {
  const client = loadClient(options.kubeconfig ?? kubeconfigPath(), 1000);
  const clock = options.clock ?? systemClock;
  const elector = new LeaderElector({
    client,
    namespace,
    name: "l",
    identity,
    clock,
    log: options.log ?? silentLog,
    ...(options.times ?? short),
  });
  cleanup.push(
    () => client.close(),
    () => elector.stop(),
  );
  elector.start();
  return elector;
}
const lease = () => admin.get(leases, { namespace, name: "l" });
async function behindProxy(): Promise<CuttingProxy> {
  const proxy = await cuttingProxy(kubeconfigPath());
  cleanup.push(() => proxy.close());
  return proxy;
}

test("one of two electors leads, and when it stops the other leads immediately", async () => {
  const first = elect("first");
  await until("the first leads", () => first.isLeading);
  const second = elect("second");
  await until("the second sees it", () => second.holder === "first");
  expect(second.isLeading).toBe(false);
  const { signal } = first.term!;
  await first.stop();
  expect(signal.aborted).toBe(true);
  expect(first.remainingMs()).toBe(0);
  await until("the second leads", () => second.isLeading);
  expect((await lease())?.spec).toMatchObject({ holderIdentity: "second", leaseTransitions: 1 });
});

test("an elector that stops without releasing the Lease leaves it to expire", async () => {
  const first = elect("first");
  await until("it leads", () => first.isLeading);
  await first.stop({ release: false });
  expect((await lease())?.spec?.holderIdentity).toBe("first");
});

test("a leader without a connection stops by itself before another process leads", async () => {
  const proxy = await behindProxy();
  const cut = elect("cut", { kubeconfig: proxy.kubeconfig });
  await until("it leads", () => cut.isLeading);
  const other = elect("other");
  let overlap = false;
  const watch = setInterval(() => {
    overlap ||= cut.remainingMs() > 0 && other.remainingMs() > 0;
  }, 1);
  const { signal } = cut.term!;
  proxy.freeze();
  await until("the other leads", () => other.isLeading);
  clearInterval(watch);
  expect(signal.aborted).toBe(true);
  expect(overlap).toBe(false);
  proxy.thaw();
  await until("the cut one knows who leads", () => cut.holder === "other");
  expect(cut.isLeading).toBe(false);
});

test("a term ends at the next renewal when another process has taken the Lease", async () => {
  const leader = elect("leader");
  await until("it leads", () => leader.isLeading);
  const { signal } = leader.term!;
  const ended = once(signal, "abort");
  await admin.patch(
    leases,
    { namespace, name: "l" },
    { spec: { holderIdentity: "usurper", leaseDurationSeconds: 60 } },
  );
  await ended;
  expect(leader.isLeading).toBe(false);
});

test("a leader creates a deleted Lease again, and its term goes on", async () => {
  const leader = elect("leader");
  await until("it leads", () => leader.isLeading);
  const { signal } = leader.term!;
  await admin.delete(leases, { namespace, name: "l" });
  await until("there is one again", async () => (await lease())?.spec?.holderIdentity === "leader");
  expect(signal.aborted).toBe(false);
});

describe("a Lease that smschannel release gave to the holder `nobody`, so that no process leads", () => {
  const keptSince = async (agoMs: number) => {
    const renewTime = new Date(Date.now() - agoMs).toISOString().replace(/Z$/, "000Z");
    const spec = { holderIdentity: "nobody", leaseDurationSeconds: 120, renewTime, leaseTransitions: 2 };
    const metadata = { namespace, name: "l" };
    await admin.create(leases, { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata, spec });
  };

  test("does not hold up an install that comes after the Lease has expired", async () => {
    await keptSince(121_000);
    const elector = elect("later");
    await until("it leads", () => elector.isLeading);
  });

  test("holds up an install that comes before the Lease has expired, and the wait is logged once", async () => {
    await keptSince(1000);
    const lines: { msg: string; waitSeconds?: number }[] = [];
    const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
    const elector = elect("soon", { log: createLog({ level: "info", process: "test", destination }) });
    await until("it waits", () => elector.holder === "nobody");
    await until("it is told", () => lines.length > 0);
    await elector.stop();
    expect(lines.map(({ msg }) => msg)).toEqual([
      "waiting: the process that held the lease before keeps it for a while, so that nobody leads",
    ]);
    expect(lines[0]?.waitSeconds).toBeGreaterThan(60);
    expect((await lease())?.spec?.holderIdentity).toBe("nobody");
  });
});

describe("the time that is left of a term", () => {
  const usual = { leaseMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2000 };
  async function leading() {
    const clock = new ManualClock();
    const elector = elect("timed", { clock, times: usual });
    await until("it leads", () => elector.isLeading);
    return { clock, elector, term: elector.term! };
  }
  test("counts from the moment just before the last renewal was sent", async () => {
    const { elector, term } = await leading();
    expect(elector.remainingMs()).toBe(15_000);
    expect(() => term.assertTime(15_000)).not.toThrow();
    expect(() => term.assertTime(15_001)).toThrow(/lease/);
  });
  test("is 0 at the first check after the machine has slept, before any timer has fired", async () => {
    const { clock, elector, term } = await leading();
    clock.jump(10_000);
    expect(term.signal.aborted).toBe(false);
    expect(elector.remainingMs()).toBe(0);
    expect(term.signal.aborted).toBe(true);
    expect(() => elector.assertTime(1)).toThrow();
  });
  test("does not get longer when the wall clock is set back", async () => {
    const { clock, elector } = await leading();
    clock.jump(-3_600_000);
    expect(elector.remainingMs()).toBe(15_000);
  });
});

test("a leader that was stopped by SIGSTOP for longer than the lease does not act as leader after SIGCONT", async () => {
  const file = new URL("./elector-process.ts", import.meta.url).pathname;
  const child = spawnTied(process.execPath, [file, kubeconfigPath(), namespace, JSON.stringify(short)], {
    output: "pipe",
  });
  cleanup.push(() => stopChild(child, "SIGKILL", 1000));
  const acted: number[] = [];
  let wokenAt = Number.POSITIVE_INFINITY;
  let afterWaking = 0;
  createInterface({ input: child.stdout! }).on("line", (line) => {
    const [what, at] = line.split(" ");
    if (what === "acted") acted.push(Number(at));
    if (Number(at) > wokenAt) afterWaking++;
  });
  await until("the child leads", () => acted.length > 0);
  const other = elect("other");
  await until("the other waits", () => other.holder === "child");
  child.kill("SIGSTOP");
  await until("the other leads", () => other.isLeading);
  wokenAt = Date.now();
  child.kill("SIGCONT");
  await until("the child has looked a hundred times since", () => afterWaking > 100);
  expect(acted.filter((at) => at >= wokenAt)).toEqual([]);
  expect(other.isLeading).toBe(true);
});
