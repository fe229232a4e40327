import type { ChildProcess } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { get } from "node:https";
import { join } from "node:path";
import { background, ended, hasEnded, spawnTied, stopChild } from "../../../src/child.ts";
import { freePorts } from "./ports.ts";

/** The paths of the programs. Without a controller manager, namespaces are never emptied and nothing is garbage-collected. */
export interface Programs {
  readonly etcd: string;
  readonly apiServer: string;
  readonly controllerManager: string | undefined;
  readonly kubectl: string | undefined;
}

export interface Cluster {
  readonly kubeconfig: string;
  stopApiServer(signal?: NodeJS.Signals): Promise<void>;
  startApiServer(): Promise<void>;
  /** Copies everything that the control plane stores. The returned function sets the store back to that copy. */
  readonly saveStore: undefined | (() => Promise<(options?: RestoreOptions) => Promise<void>>);
  stop(): Promise<void>;
}

export interface RestoreOptions {
  /**
   * Whether the API server keeps running while its store is exchanged, against the advice of Kubernetes. Default: the API server is stopped
   * and started again.
   */
  readonly underApiServer?: boolean;
  /**
   * A function that runs while the store is stopped. The API server is stopped during that time as well, unless `underApiServer` is set.
   */
  readonly meanwhile?: () => Promise<void>;
}

/** The controllers that tests need. With fewer controllers the program starts faster and leaves the CPU to the tests. */
const CONTROLLERS = [
  "namespace-controller",
  "garbage-collector-controller",
  "serviceaccount-controller",
  "clusterrole-aggregation-controller",
  "statefulset-controller",
];
const READY_WITHIN_MS = 90_000;

/** Starts etcd, kube-apiserver and kube-controller-manager with their state under `dir`. Resolves when the API server is ready. */
export async function startProcesses(options: {
  programs: Programs;
  dir: string;
  port?: number | undefined;
}): Promise<Cluster> {
  const { programs, dir } = options;
  const [etcdPort, peerPort, freePort] = (await freePorts(3)) as [number, number, number];
  const port = options.port ?? freePort;
  const at = (name: string) => join(dir, name);
  const running = new Map<string, ChildProcess>();
  const start = (name: string, program: string, args: string[]) => {
    const file = openSync(at(`${name}.log`), "a", 0o600);
    const child = spawnTied(program, args, { output: file });
    closeSync(file);
    background(child);
    running.set(name, child);
    return child;
  };
  const token = await writeCredentials(dir);

  const startApiServer = async () => {
    const child = start("kube-apiserver", programs.apiServer, [
      `--etcd-servers=http://127.0.0.1:${etcdPort}`,
      `--cert-dir=${at("certs")}`,
      `--secure-port=${port}`,
      "--bind-address=127.0.0.1",
      "--advertise-address=127.0.0.1",
      // The API server does not write the endpoints of the Service `kubernetes`: they may not have a loopback address, and no test reads
      // them.
      "--endpoint-reconciler-type=none",
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-key-file=${at("service-account.pem")}`,
      `--service-account-signing-key-file=${at("service-account.pem")}`,
      "--service-cluster-ip-range=10.96.0.0/16",
      `--token-auth-file=${at("tokens.csv")}`,
      "--authorization-mode=RBAC",
      "--profiling=false",
    ]);
    await untilServing(child);
  };
  const untilServing = (child = running.get("kube-apiserver")!) =>
    until(child, at("kube-apiserver.log"), () => apiServerReady(port, token, at("certs/apiserver.crt")));

  const startEtcd = () =>
    start("etcd", programs.etcd, [
      `--data-dir=${at("etcd")}`,
      `--listen-client-urls=http://127.0.0.1:${etcdPort}`,
      `--advertise-client-urls=http://127.0.0.1:${etcdPort}`,
      `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
      `--initial-advertise-peer-urls=http://127.0.0.1:${peerPort}`,
      `--initial-cluster=default=http://127.0.0.1:${peerPort}`,
      // etcd does not sync its files to the disk: the state is thrown away after the run, so a crash of the machine may lose it.
      "--unsafe-no-fsync",
      "--log-level=warn",
    ]);

  const startControllerManager = (kubeconfig: string) => {
    if (programs.controllerManager === undefined) return;
    start("kube-controller-manager", programs.controllerManager, [
      `--kubeconfig=${kubeconfig}`,
      `--controllers=${CONTROLLERS.join(",")}`,
      `--service-account-private-key-file=${at("service-account.pem")}`,
      "--leader-elect=false",
      "--secure-port=0",
      "--kube-api-qps=200",
      "--kube-api-burst=400",
    ]);
  };

  const stopProgram = async (name: string, signal: NodeJS.Signals) => {
    const child = running.get(name);
    if (child !== undefined) await stopChild(child, signal, 5_000);
  };

  const stop = async () => {
    // etcd is stopped last: an API server without its etcd waits for etcd, and does not end.
    const order: [string, NodeJS.Signals][] = [
      ["kube-controller-manager", "SIGKILL"],
      ["kube-apiserver", "SIGTERM"],
      ["etcd", "SIGKILL"],
    ];
    for (const [name, signal] of order) await stopProgram(name, signal);
  };

  try {
    const etcd = startEtcd();
    // The API server waits for etcd by itself, so etcd and the API server start at the same time. Here, only an early end of etcd is
    // watched for.
    await Promise.race([startApiServer(), failWhenEnded(etcd, at("etcd.log"))]);
    const kubeconfig = await writeKubeconfig(dir, port, token);
    startControllerManager(kubeconfig);
    return {
      kubeconfig,
      stop,
      startApiServer,
      stopApiServer: (signal = "SIGTERM") => stopProgram("kube-apiserver", signal),
      async saveStore() {
        const copy = at(`etcd-copy-${randomBytes(4).toString("hex")}`);
        // An etcd that is asked to end leaves complete files. While etcd is stopped, the API server waits for it.
        await stopProgram("etcd", "SIGTERM");
        await cp(at("etcd"), copy, { recursive: true });
        startEtcd();
        await untilServing();
        return async ({ underApiServer = false, meanwhile } = {}) => {
          await stopProgram("kube-controller-manager", "SIGKILL");
          if (!underApiServer) await stopProgram("kube-apiserver", "SIGTERM");
          await stopProgram("etcd", "SIGKILL");
          await meanwhile?.();
          await rm(at("etcd"), { recursive: true });
          await cp(copy, at("etcd"), { recursive: true });
          startEtcd();
          await (underApiServer ? untilServing() : startApiServer());
          startControllerManager(kubeconfig);
        };
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Writes the key of ServiceAccount tokens, and the token of one administrator. Returns the token. */
async function writeCredentials(dir: string): Promise<string> {
  const token = randomBytes(24).toString("base64url");
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  await mkdir(join(dir, "certs"), { recursive: true, mode: 0o700 });
  await writeFile(join(dir, "tokens.csv"), `${token},admin,admin,"system:masters"\n`, { mode: 0o600 });
  await writeFile(
    join(dir, "service-account.pem"),
    privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
    { mode: 0o600 },
  );
  return token;
}

async function writeKubeconfig(dir: string, port: number, token: string): Promise<string> {
  const path = join(dir, "kubeconfig");
  const authority = readFileSync(join(dir, "certs/apiserver.crt")).toString("base64");
  const cluster = { server: `https://127.0.0.1:${port}`, "certificate-authority-data": authority };
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "local", cluster }],
    users: [{ name: "admin", user: { token } }],
    contexts: [{ name: "local", context: { cluster: "local", user: "admin" } }],
    "current-context": "local",
  };
  await rm(path, { force: true });
  await writeFile(path, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
  return path;
}

/** Whether /readyz answers 200. When it does, the API server's own RBAC roles and namespaces exist, too. */
function apiServerReady(port: number, token: string, certificate: string): Promise<boolean> {
  if (!existsSync(certificate)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const request = get(
      {
        host: "127.0.0.1",
        port,
        path: "/readyz",
        agent: false,
        ca: readFileSync(certificate),
        headers: { authorization: `Bearer ${token}` },
        timeout: 2_000,
      },
      (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      },
    );
    request.on("timeout", () => request.destroy()).on("error", () => resolve(false));
  });
}

async function failWhenEnded(child: ChildProcess, logFile: string): Promise<never> {
  await ended(child);
  throw new Error(`${child.spawnargs[4]} ended at once; the end of its log:\n${tail(logFile)}`);
}

async function until(child: ChildProcess, logFile: string, ready: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS;
  while (!(await ready())) {
    if (hasEnded(child)) await failWhenEnded(child, logFile);
    if (performance.now() > deadline)
      throw new Error(`${child.spawnargs[4]} is not ready after 90 s; the end of its log:\n${tail(logFile)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export function tail(file: string, lines = 8): string {
  return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n").slice(-lines).join("\n") : "";
}
