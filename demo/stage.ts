import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { KubeConfig, VersionApi } from "@kubernetes/client-node";
import { startEmbeddedPostgres } from "../src/inbox/embedded.ts";
import { KubeClient } from "../src/kube/client/client.ts";
import { namespaces } from "../src/kube/resource.ts";
import type { Log } from "../src/log.ts";
import { type Simulator, type SimulatorSeed, startSimulator } from "../src/simulator/simulator.ts";
import { startControlPlane } from "../test/support/controlplane/controlplane.ts";
import { temporaryDirectory } from "../test/support/controlplane/directory.ts";
import { freePorts } from "../test/support/controlplane/ports.ts";
import { runProgram, startProgram } from "./program.ts";

export const OPERATOR_NAMESPACE = "sms-channel-operator";

/** What the demo runs on. Everything except Twilio is real, and everything listens on free ports of this machine. */
export interface Stage {
  readonly dir: string;
  readonly kubeconfig: string;
  readonly kubectl: string | undefined;
  /** The Kubernetes version that the API server reports. */
  readonly version: string;
  /** Whether the demo started this cluster and may delete it. A cluster of the user is left as it was. */
  readonly disposable: boolean;
  readonly client: KubeClient;
}

type Stack = AsyncDisposableStack;

/** Starts the control plane. Everything that is started is put on `stack`, which stops it even when a later part fails to start. */
export async function startCluster(log: Log, stack: Stack, signal: AbortSignal): Promise<Stage> {
  const dir = await temporaryDirectory("sms-demo");
  stack.defer(() => rm(dir, { recursive: true, force: true }));
  const { kubeconfig, kubectl, disposable, stop } = await startControlPlane({ log });
  stack.defer(stop);
  const client = KubeClient.load({ kubeconfig, userAgent: "smschannel-demo", log });
  stack.defer(() => client.close());
  const version = await versionOf(kubeconfig);
  signal.throwIfAborted();
  return { dir, kubeconfig, kubectl, version, disposable, client };
}

export interface DemoDatabase {
  readonly ownerUrl: string;
  /**
   * The database URLs of the receiver and the controller. The receiver's role can only insert. The controller's role can read when routes
   * were last used.
   */
  readonly receiverUrl: string;
  readonly controllerUrl: string;
}

/** Starts PostgreSQL and creates the schema with `smschannel migrate`, as an installation does. */
export async function startDatabase(
  { dir }: Stage,
  log: Log,
  stack: Stack,
  signal: AbortSignal,
): Promise<DemoDatabase> {
  const dataDir = await temporaryDirectory("sms-demo-postgres");
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const { ownerUrl, stop } = await startEmbeddedPostgres({ dataDir, log });
  stack.defer(stop);
  const passwords = { receiver: password(), controller: password() };
  const env = {
    DATABASE_URL: ownerUrl,
    RECEIVER_ROLE_PASSWORD: passwords.receiver,
    CONTROLLER_ROLE_PASSWORD: passwords.controller,
  };
  const roles = ["--receiver-role", "smschannel_receiver", "--controller-role", "smschannel_controller"];
  await runProgram({ args: ["migrate", "--create-roles", ...roles], env, dir }, signal);
  const urlOf = (of: keyof typeof passwords) => {
    const url = new URL(ownerUrl);
    url.username = `smschannel_${of}`;
    url.password = passwords[of];
    return url.href;
  };
  return { ownerUrl, receiverUrl: urlOf("receiver"), controllerUrl: urlOf("controller") };
}

/** Starts the simulated Twilio in this process. It accepts local URLs, because the receiver has no public URL. */
export async function startTwilio(seed: SimulatorSeed, log: Log, stack: Stack): Promise<Simulator> {
  const simulator = await startSimulator({ seed, allowLocalUrls: true, log });
  stack.defer(() => simulator.close());
  return simulator;
}

export interface DemoOperator {
  readonly publicUrl: string;
  readonly logFiles: string[];
  readonly metricsPorts: { controller: number; receiver: number };
}

/** Starts controller and receiver as two processes, as in a cluster. */
export async function startOperator(
  stage: Stage,
  database: DemoDatabase,
  twilioUrl: string,
  stack: Stack,
  signal: AbortSignal,
): Promise<DemoOperator> {
  const { dir, kubeconfig, client } = stage;
  const [port, receiverMetrics, controllerMetrics] = (await freePorts(3)) as [number, number, number];
  const publicUrl = `http://127.0.0.1:${port}`;
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: OPERATOR_NAMESPACE } };
  await client.apply(namespaces, namespace, { fieldManager: "kubectl", force: true }, signal);
  const common = { KUBECONFIG: kubeconfig, OPERATOR_NAMESPACE, LOG_LEVEL: "info" };
  // Controller and receiver start at the same time: the receiver is not ready before the controller has written the routes, even if there
  // are no routes.
  const starting = [
    startProgram(
      {
        args: ["controller"],
        dir,
        metricsPort: controllerMetrics,
        env: {
          ...common,
          PUBLIC_URL: publicUrl,
          ALLOW_INSECURE_PUBLIC_URL: "true",
          TWILIO_BASE_URL: twilioUrl,
          DATABASE_URL: database.controllerUrl,
          RESYNC_INTERVAL: "30s",
        },
      },
      signal,
    ),
    startProgram(
      {
        args: ["receiver"],
        dir,
        metricsPort: receiverMetrics,
        env: {
          ...common,
          PORT: String(port),
          DATABASE_URL: database.receiverUrl,
          // A shutdown delay gives load balancers time to notice that a receiver ends. The demo has no load balancer, so it has no delay.
          SHUTDOWN_DELAY: "0s",
        },
      },
      signal,
    ),
  ];
  const programs = await Promise.allSettled(starting);
  for (const program of programs) if (program.status === "fulfilled") stack.defer(program.value.stop);
  for (const program of programs) if (program.status === "rejected") throw program.reason;
  return {
    publicUrl,
    logFiles: ["controller", "receiver"].map((name) => join(dir, `${name}.log`)),
    metricsPorts: { controller: controllerMetrics, receiver: receiverMetrics },
  };
}

async function versionOf(kubeconfig: string): Promise<string> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  return (await config.makeApiClient(VersionApi).getCode()).gitVersion;
}

const password = () => randomBytes(18).toString("base64url");
