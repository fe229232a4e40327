// Measures, with 10,000 streams, numbers and Secrets, the controller's memory, its start, and how fast users' changes reach Twilio.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { bundleProgram } from "../scripts/bundle/program.ts";
import { smsNumbers, workStreams } from "../src/api/index.ts";
import { systemClock } from "../src/clock.ts";
import { KubeClient } from "../src/kube/client/client.ts";
import { namespaces } from "../src/kube/resource.ts";
import { conditionOf } from "../src/kube/status/conditions.ts";
import { Informer } from "../src/kube/watch/informer.ts";
import { createLog, silentLog } from "../src/log.ts";
import { startSimulator } from "../src/simulator/simulator.ts";
import { startControlPlane } from "../test/support/controlplane/controlplane.ts";
import { applyCrds } from "../test/support/crds.ts";
import { startReceiver } from "./children.ts";
import { changesReachTwilio } from "./memory/changes.ts";
import { type ControllerProcess, startController } from "./memory/controller.ts";
import { createObjects, digitsOf, type Shape, seedOf } from "./memory/objects.ts";
import { SpokenProgress } from "./memory/progress.ts";
import { type Mass, report, type Start, targetsOf } from "./memory/report.ts";
import { standingOf, unlessItStalls } from "./stall.ts";

const LATENCY_MS = 100;
/** The interval of resyncs of objects and accounts: a fifth of the default, so that a resync is always running. */
const RESYNC = "60s";
const CHANGE_EVERY_MS = 200;
/** The number of routes per Secret that docs/install/sizing.md advises for as many routes as this bench has. */
const ROUTES_PER_SHARD = 625;

interface Bench {
  client: KubeClient;
  kubeconfig: string;
  /** The path of the bundled program. */
  program: string;
}

/** `npm run bench -- memory [--objects 10000] [--accounts 1000] [--changes 200] [--starts 3]` */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      objects: { type: "string", default: "10000" },
      accounts: { type: "string" },
      changes: { type: "string", default: "200" },
      starts: { type: "string", default: "3" },
    },
  });
  const objects = Number(values.objects);
  const accounts = Number(values.accounts ?? Math.ceil(objects / 10));
  const foreign = Math.floor(Math.min(Number(values.changes), objects) / 2);
  const plane = await startControlPlane({ log: createLog({ level: "warn", process: "bench" }) });
  const folder = await mkdtemp(join(tmpdir(), "bench-program-"));
  const { kubeconfig } = plane;
  const client = KubeClient.load({ kubeconfig, userAgent: "bench", log: silentLog });
  try {
    await applyCrds(kubeconfig);
    await bundleProgram(folder);
    const bench = { client, kubeconfig, program: join(folder, "smschannel.mjs") };
    const starts: Start[] = [];
    for (let at = 0; at < Number(values.starts); at++) {
      process.stderr.write(`start ${at + 1} of ${values.starts} …\n`);
      starts.push(await measureStart(bench, at));
    }
    const mass = await measureMass(bench, { objects, accounts, foreign });
    report(starts, mass);
    console.log(JSON.stringify({ bench: "memory", targets: targetsOf(starts, mass) }));
  } finally {
    await client.close();
    await plane.stop();
    await rm(folder, { recursive: true });
  }
}

/**
 * Starts a controller. Measures the time until it writes its first status, and its memory at rest. No other process holds the Lease.
 */
async function measureStart({ client, kubeconfig, program }: Bench, at: number): Promise<Start> {
  const [operatorNamespace, users] = [`start-op-${at}`, `start-team-${at}`];
  for (const name of [operatorNamespace, users])
    await client.create(namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  const metadata = { name: "support", namespace: users };
  const spec = {
    autoCloseAfterInactivity: "48h",
    sms: { twilio: { credentialsSecretRef: { name: "none" } } },
  };
  const { apiVersion, kind } = { apiVersion: "smschannel.dev/v1alpha1", kind: "WorkStream" } as const;
  await client.create(workStreams, { apiVersion, kind, metadata, spec });
  const informer = new Informer({
    client,
    type: workStreams,
    namespaces: [users],
    clock: systemClock,
    log: silentLog,
  });
  const reconciled = Promise.withResolvers<void>();
  informer.onChange(({ object }) => {
    if (conditionOf(object.status, "Ready")?.reason === "SecretNotFound") reconciled.resolve();
  });
  informer.start();
  await informer.synced;
  const began = performance.now();
  const controller = await startController({
    program,
    kubeconfig,
    operatorNamespace,
    env: { WATCH_NAMESPACES: users, PUBLIC_URL: "https://sms.example.com", URL_CHECK: "off" },
  });
  await reconciled.promise;
  const seconds = (performance.now() - began) / 1000;
  // After ten seconds V8 has given back the memory that only the start needed.
  await sleep(10_000);
  const idleMiB = controller.rssMiB;
  await controller.stop();
  await informer.stop();
  await client.delete(workStreams, metadata);
  return { seconds, idleMiB };
}

async function measureMass({ client, kubeconfig, program }: Bench, shape: Shape): Promise<Mass> {
  const progress = new SpokenProgress();
  const operatorNamespace = "mass-op";
  await client.create(namespaces, {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: operatorNamespace },
  });
  const shards = { ROUTE_SHARDS: String(Math.max(4, Math.ceil(shape.objects / ROUTES_PER_SHARD))) };
  const receiver = await startReceiver(kubeconfig, operatorNamespace, shards);
  const simulator = await startSimulator({
    allowLocalUrls: true,
    latencyMs: LATENCY_MS,
    seed: seedOf(shape),
  });
  const numbers = new Map([...simulator.state.numbers].map((number) => [number.phoneNumber, number]));
  await createObjects(client, shape, progress);
  const settled = watchSettled(client, shape, progress);
  const began = performance.now();
  const controller = await startController({
    program,
    kubeconfig,
    operatorNamespace,
    env: {
      ...shards,
      PUBLIC_URL: receiver.url,
      ALLOW_INSECURE_PUBLIC_URL: "true",
      TWILIO_BASE_URL: simulator.url,
      RESYNC_INTERVAL: RESYNC,
    },
  });
  await settled.done();
  const seconds = (performance.now() - began) / 1000;
  await settled.stop();
  const quiet = await resting(controller);
  const rss = sampled(controller);
  const changesMs = await changesReachTwilio({
    client,
    isOurs: (i) => numbers.get(`+${digitsOf(i)}`)!.smsUrl.startsWith(receiver.url),
    takeovers: Array.from({ length: shape.foreign }, (_, at) => at),
    deletions: Array.from({ length: shape.foreign }, (_, at) => shape.objects - 1 - at),
    everyMs: CHANGE_EVERY_MS,
    progress,
  });
  const mass: Mass = {
    shape,
    seconds,
    heapMiB: Math.max(quiet.heapMiB, await controller.liveHeapMiB()),
    rssMiB: rss(),
    peakMiB: controller.peakMiB,
    changesMs,
  };
  await controller.stop();
  await receiver.stop();
  await simulator.close();
  return mass;
}

/** Waits while the controller has nothing but resyncs to do, and then reads its heap. */
async function resting(controller: ControllerProcess) {
  await sleep(15_000);
  return { heapMiB: await controller.liveHeapMiB() };
}

/** Samples the memory from now on. The returned function stops the sampling and gives the highest value. */
function sampled(controller: ControllerProcess): () => number {
  let most = controller.rssMiB;
  const timer = setInterval(() => {
    most = Math.max(most, controller.rssMiB);
  }, 250);
  return () => {
    clearInterval(timer);
    return most;
  };
}

/** Watches until all numbers are settled: Ready, or with a webhook that is reported as somebody else's. */
function watchSettled(client: KubeClient, { objects }: Shape, progress: SpokenProgress) {
  const informer = new Informer({ client, type: smsNumbers, clock: systemClock, log: silentLog });
  const done = Promise.withResolvers<void>();
  const settled = new Set<string>();
  let example: string | undefined;
  informer.onChange(({ object }) => {
    const ready = conditionOf(object.status, "Ready");
    if (ready?.status !== "True" && ready?.reason !== "WebhookOwnedByOther") {
      example = standingOf(object);
      return;
    }
    settled.add(object.metadata.uid!);
    progress.say("settled", settled.size, objects);
    if (settled.size === objects) done.resolve();
  });
  informer.start();
  return {
    done: () => unlessItStalls(done.promise, () => ({ done: settled.size, of: objects, example })),
    stop: () => informer.stop(),
  };
}
