// Measures how long 100 and 1,000 new numbers take to become Ready, and the calls, writes and memory for that and for an hour of resyncs.
import { parseArgs } from "node:util";
import { Registry } from "@prometheus-io/client";
import { type SmsNumber, smsNumbers, workStreams } from "../src/api/index.ts";
import { Operator } from "../src/controllers/operator.ts";
import { KubeClient } from "../src/kube/client/client.ts";
import { namespaces, secrets } from "../src/kube/resource.ts";
import { Informer } from "../src/kube/watch/informer.ts";
import { createLog, silentLog } from "../src/log.ts";
import { startControlPlane } from "../test/support/controlplane/controlplane.ts";
import { applyCrds } from "../test/support/crds.ts";
import { SkippingClock } from "../test/support/skipping-clock.ts";
import { end, startReceiver, startTwilio } from "./children.ts";
import { difference, kubeWrites, secondsToWrite } from "./reconcile/kube-writes.ts";
import { type ReconcileOutcome, report, targetsOf } from "./reconcile/report.ts";
import { standingOf, unlessItStalls } from "./stall.ts";

const ACCOUNT = "AC00000000000000000000000000000001";
const TOKEN = "0123456789abcdef0123456789abcdef";
const LATENCY_MS = 100;
const SHARDS = 4;
const RESYNC_MS = 300_000;
/** How many writes measure the speed of the API server. They take about five seconds on two cores. */
const PROBE_WRITES = 2000;

/** `npm run bench -- reconcile [--runs 5] [--sizes 100,1000]` */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { runs: { type: "string", default: "5" }, sizes: { type: "string", default: "100,1000" } },
  });
  const sizes = values.sizes.split(",").map(Number);
  const log = createLog({ level: "warn", process: "bench" });
  const plane = await startControlPlane({ log });
  const outcomes: ReconcileOutcome[] = [];
  try {
    await applyCrds(plane.kubeconfig);
    // The sizes (how many numbers become Ready) take turns, so that a machine that is busy for a while disturbs the runs of all sizes
    // alike.
    for (let at = 0; at < Number(values.runs); at++) {
      for (const size of sizes) {
        process.stderr.write(`run ${at + 1} of ${values.runs}, ${size} numbers …\n`);
        outcomes.push(await measure(plane.kubeconfig, size, `${at}-${size}`));
      }
    }
  } finally {
    await plane.stop();
  }
  report(outcomes);
  console.log(JSON.stringify({ bench: "reconcile", targets: targetsOf(outcomes) }));
}

async function measure(kubeconfig: string, size: number, suffix: string): Promise<ReconcileOutcome> {
  const client = KubeClient.load({ kubeconfig, userAgent: "bench", log: silentLog });
  const [operatorNamespace, users, probes] = [`op-${suffix}`, `team-${suffix}`, `probe-${suffix}`];
  for (const name of [operatorNamespace, users, probes])
    await client.create(namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  const numbers = Array.from({ length: size }, (_, i) => ({
    accountSid: ACCOUNT,
    phoneNumber: `+${numberOf(i)}`,
  }));
  const simulator = await startTwilio(
    { accounts: [{ sid: ACCOUNT, authToken: TOKEN }], numbers },
    LATENCY_MS,
  );
  const receiver = await startReceiver(kubeconfig, operatorNamespace);
  const clock = new SkippingClock();
  const registry = new Registry();
  const heapBefore = heapUsed();
  try {
    await applyAll(client, users, size);
    const secondsBefore = await secondsToWrite(client, probes, "before", PROBE_WRITES);
    const ready = readyWatch(client, users, size);
    await ready.synced;
    const writesBefore = await kubeWrites(kubeconfig);
    const operatorClient = KubeClient.load({
      kubeconfig,
      userAgent: "bench-operator",
      log: silentLog,
      requestTimeoutMs: 15_000,
    });
    const operator = new Operator({
      client: operatorClient,
      leader: undefined,
      identity: "bench",
      clock,
      log: silentLog,
      registry,
      config: {
        operatorNamespace,
        instance: `${operatorNamespace}/bench`,
        watchNamespaces: [users],
        routeShards: SHARDS,
        maxStreamsPerNamespace: 10_000,
        deleteTimeoutMs: 60_000,
        publicUrl: receiver.url,
        fallbackPublicUrl: undefined,
        allowInsecurePublicUrl: true,
        databaseUrl: undefined,
        twilioBaseUrl: simulator.url,
        urlCheck: "enforce",
        urlCheckAddress: undefined,
        resyncIntervalMs: RESYNC_MS,
        takeOverFrom: undefined,
      },
    });
    const began = performance.now();
    operator.start();
    await ready.done();
    const seconds = (performance.now() - began) / 1000;
    await ready.settled();
    const writes = difference(writesBefore, await written(kubeconfig));
    const calls = await callsOf(simulator.url);
    const kept = await client.list(secrets, { namespace: operatorNamespace });
    const previous = kept.items.filter(({ type }) => type === "smschannel.dev/previous-webhook").length;
    const heapMiB = (heapUsed() - heapBefore) / 2 ** 20;
    // The speed of an API server changes by a third within minutes. The mean of its speeds before and after the run stands for its speed
    // during the run.
    const secondsAfter = await secondsToWrite(client, probes, "after", PROBE_WRITES);
    const perSecond = (2 * PROBE_WRITES) / (secondsBefore + secondsAfter);
    const rest = await anHourAtRest({ kubeconfig, clock, simulator: simulator.url });
    await operator.stop();
    await operatorClient.close();
    await ready.stop();
    return {
      size,
      seconds,
      perSecond,
      writes,
      calls,
      heapMiB,
      rssMiB: process.memoryUsage().rss / 2 ** 20,
      previous,
      rest,
      latencyMs: LATENCY_MS,
    };
  } finally {
    await end(simulator);
    await receiver.stop();
    await client.close();
  }
}

/**
 * Counts all writes to the API server once there was no write for a second. Kubernetes events are written later than the changes that they
 * report.
 */
async function written(kubeconfig: string): Promise<Map<string, number>> {
  for (let before = await kubeWrites(kubeconfig); ; ) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const now = await kubeWrites(kubeconfig);
    const more = difference(before, now);
    // The control plane renews its own Leases all the time, so writes of Leases do not count here.
    more.delete("leases");
    if (more.size === 0) return now;
    before = now;
  }
}

/** Lets an hour of resyncs pass, in steps of a minute, so that each resync finishes before the next one is due. */
async function anHourAtRest({
  kubeconfig,
  clock,
  simulator,
}: {
  kubeconfig: string;
  clock: SkippingClock;
  simulator: string;
}) {
  const before = await kubeWrites(kubeconfig);
  await fetch(`${simulator}/_simulator/requests`, { method: "DELETE" });
  for (let minute = 0; minute < 60; minute++) {
    clock.skip(60_000);
    await quiet(simulator);
  }
  return { writes: difference(before, await kubeWrites(kubeconfig)), calls: await callsOf(simulator) };
}

/** Waits until there was no call to Twilio for three times Twilio's latency. By then all work of the skipped minute is done. */
async function quiet(simulator: string) {
  for (let seen = -1; ; ) {
    const now = (await requestsOf(simulator)).length;
    if (now === seen) return;
    seen = now;
    await new Promise((resolve) => setTimeout(resolve, 3 * LATENCY_MS));
  }
}

async function applyAll(client: KubeClient, namespace: string, size: number) {
  const data = Object.fromEntries(
    Object.entries({ accountSid: ACCOUNT, authToken: TOKEN }).map(([key, value]) => [
      key,
      Buffer.from(value).toString("base64"),
    ]),
  );
  await client.create(secrets, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "twilio", namespace },
    data,
  });
  const at = { apiVersion: "smschannel.dev/v1alpha1" as const };
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < size; i = next++) {
      const metadata = { name: `n${i}`, namespace };
      await client.create(workStreams, {
        ...at,
        kind: "WorkStream",
        metadata,
        spec: {
          autoCloseAfterInactivity: "48h",
          sms: { twilio: { credentialsSecretRef: { name: "twilio" } } },
        },
      } as never);
      await client.create(smsNumbers, {
        ...at,
        kind: "SmsNumber",
        metadata,
        spec: { workStreamRef: { name: `n${i}` }, number: numberOf(i) },
      } as SmsNumber);
    }
  };
  await Promise.all(Array.from({ length: 32 }, worker));
}

const numberOf = (i: number) => `1425${String(2_000_000 + i)}`;

function readyWatch(client: KubeClient, namespace: string, size: number) {
  const clock = new SkippingClock();
  const informers = [smsNumbers, workStreams].map(
    (type) =>
      new Informer<never>({ client, type: type as never, namespaces: [namespace], clock, log: silentLog }),
  );
  const all = Promise.withResolvers<void>();
  const isReady = (object: SmsNumber) =>
    object.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;
  let lastChange = performance.now();
  // Ready objects are counted by watch events. The operator runs in this process too, and polling would slow it down.
  const ready = new Set<string>();
  const waiting = new Map<string, SmsNumber>();
  for (const informer of informers) {
    informer.onChange(({ object }) => {
      lastChange = performance.now();
      const { kind, metadata } = object as SmsNumber;
      const key = `${kind}/${metadata.name}`;
      if (isReady(object as SmsNumber)) {
        ready.add(key);
        waiting.delete(key);
      } else {
        ready.delete(key);
        waiting.set(key, object as SmsNumber);
      }
      if (ready.size === informers.length * size) all.resolve();
    });
    informer.start();
  }
  return {
    synced: Promise.all(informers.map(({ synced }) => synced)),
    done: () =>
      unlessItStalls(all.promise, () => {
        const [first] = waiting.values();
        const example = first && standingOf(first);
        return { done: ready.size, of: informers.length * size, example };
      }),
    /** Resolves once no object has changed for a second. By then the operator has written the last status. */
    async settled() {
      while (performance.now() - lastChange < 1000) await new Promise((resolve) => setTimeout(resolve, 200));
    },
    stop: () => Promise.all(informers.map((informer) => informer.stop())),
  };
}

async function requestsOf(simulator: string): Promise<{ operation: string | null }[]> {
  const answer = (await (await fetch(`${simulator}/_simulator/requests`)).json()) as
    | { operation: string | null }[]
    | { requests: { operation: string | null }[] };
  return Array.isArray(answer) ? answer : answer.requests;
}

async function callsOf(simulator: string): Promise<Map<string, number>> {
  const calls = new Map<string, number>();
  for (const { operation } of await requestsOf(simulator))
    calls.set(operation ?? "other", (calls.get(operation ?? "other") ?? 0) + 1);
  return calls;
}

/** The heap after a garbage collection, if Node runs with --expose-gc. */
function heapUsed(): number {
  (globalThis as { gc?: () => void }).gc?.();
  return process.memoryUsage().heapUsed;
}
