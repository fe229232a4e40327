// Measures how long receiver and controller take to start, and their memory at rest: bundled as in the image, and from sources.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { bundleProgram } from "../scripts/bundle/program.ts";
import { workStreams } from "../src/api/index.ts";
import { KubeClient } from "../src/kube/client/client.ts";
import { namespaces } from "../src/kube/resource.ts";
import { createLog, silentLog } from "../src/log.ts";
import { startControlPlane } from "../test/support/controlplane/controlplane.ts";
import { applyCrds } from "../test/support/crds.ts";
import { type BenchTarget, median } from "./receiver/report.ts";

const NAMESPACE = "bench-startup";
/** How long a process rests before its memory is read: long enough for V8 to give back the memory that loading the program took. */
const REST_MS = 3000;

interface StartupTime {
  seconds: number;
  rssMiB: number;
}

/** Whether a log line shows that the process does its work. */
type SaysThatItWorks = (line: { msg?: string; reconcileId?: string }) => boolean;
const processes: Record<string, SaysThatItWorks> = {
  receiver: ({ msg }) => msg === "listening",
  controller: ({ reconcileId }) => reconcileId !== undefined,
};

/** `npm run bench -- startup [--runs 5]` */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { runs: { type: "string", default: "5" } } });
  const folder = await mkdtemp(join(tmpdir(), "bench-startup-"));
  await bundleProgram(folder);
  const programs = {
    bundle: join(folder, "smschannel.mjs"),
    sources: resolve(import.meta.dirname, "../src/main/smschannel.ts"),
  };
  const plane = await startControlPlane({ log: createLog({ level: "warn", process: "bench" }) });
  const seen = new Map<string, StartupTime[]>();
  try {
    await applyCrds(plane.kubeconfig);
    await applyStream(plane.kubeconfig);
    // The programs take turns, so that a machine that is busy for a while disturbs all of them alike.
    for (let at = 0; at < Number(values.runs); at++)
      for (const [process, working] of Object.entries(processes))
        for (const [form, program] of Object.entries(programs)) {
          const key = `${process} ${form}`;
          const started = await measure(program, process, working, plane.kubeconfig);
          seen.set(key, [...(seen.get(key) ?? []), started]);
        }
  } finally {
    await plane.stop();
    await rm(folder, { recursive: true });
  }
  report(seen);
}

async function measure(
  program: string,
  command: string,
  working: SaysThatItWorks,
  kubeconfig: string,
): Promise<StartupTime> {
  const begun = performance.now();
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program, command], {
    env: {
      PATH: process.env.PATH,
      KUBECONFIG: kubeconfig,
      OPERATOR_NAMESPACE: NAMESPACE,
      // Nothing answers at these addresses. The measurement ends before the process needs the database or Twilio.
      DATABASE_URL: "postgres://receiver:none@127.0.0.1:9/none",
      TWILIO_BASE_URL: "http://127.0.0.1:9",
      PUBLIC_URL: "https://sms.example.com",
      LOG_LEVEL: "debug",
      PORT: "0",
      METRICS_PORT: "0",
      SHUTDOWN_DELAY: "0s",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  try {
    await firstLine(child, working);
    const seconds = (performance.now() - begun) / 1000;
    await sleep(REST_MS);
    return { seconds, rssMiB: rssOf(child.pid!) };
  } finally {
    child.kill("SIGTERM");
    await ended;
  }
}

/**
 * Resolves when the child has written a line that `fits` accepts. All other lines are read, too, because a process blocks when its output
 * pipe is full.
 */
function firstLine(child: ChildProcess, fits: SaysThatItWorks): Promise<void> {
  return new Promise((found, failed) => {
    createInterface({ input: child.stdout! }).on("line", (line) => {
      if (line.startsWith("{") && fits(JSON.parse(line))) found();
    });
    child.once("exit", (code) => failed(new Error(`it ended with ${code} before it worked`)));
  });
}

const rssOf = (pid: number) =>
  Number(/^VmRSS:\s+([0-9]+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024;

/** Creates a stream to reconcile. Its Secret does not exist, so that no Twilio is needed. */
async function applyStream(kubeconfig: string): Promise<void> {
  const client = KubeClient.load({ kubeconfig, userAgent: "bench", log: silentLog });
  await client.create(namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } });
  await client.create(workStreams, {
    apiVersion: "smschannel.dev/v1alpha1",
    kind: "WorkStream",
    metadata: { name: "support", namespace: NAMESPACE },
    spec: {
      autoCloseAfterInactivity: "48h",
      sms: { twilio: { credentialsSecretRef: { name: "none" } } },
    },
  } as never);
  await client.close();
}

function report(seen: Map<string, StartupTime[]>): void {
  console.log("process     form     seconds to work  RSS at rest, MiB");
  const of = (key: string, what: keyof StartupTime) => median(seen.get(key)!.map((one) => one[what]));
  for (const key of seen.keys()) {
    const [process, form] = key.split(" ") as [string, string];
    const cells = [of(key, "seconds").toFixed(2).padStart(15), of(key, "rssMiB").toFixed(0).padStart(16)];
    console.log(`${process.padEnd(10)}  ${form.padEnd(7)}  ${cells.join("  ")}`);
  }
  const target = (name: string, value: number, unit: string, limit: number): BenchTarget => {
    return { name, value: Number(value.toFixed(2)), unit, target: `< ${limit}`, met: value < limit };
  };
  const targets = [
    target("controller, start to first reconcile", of("controller bundle", "seconds"), "s", 3),
    target("controller, idle RSS", of("controller bundle", "rssMiB"), "MiB", 170),
  ];
  console.log(JSON.stringify({ bench: "startup", targets }));
}
