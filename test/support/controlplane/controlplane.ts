import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import type { Log } from "../../../src/log.ts";
import { hasGo } from "../gomodule/build.ts";
import { progressOn } from "../gomodule/progress.ts";
import { programsOfAssets } from "./assets.ts";
import { builtPrograms } from "./build.ts";
import { stateDirectory } from "./directory.ts";
import { hasDocker, startK3s } from "./k3s.ts";
import { type Cluster, type Programs, type RestoreOptions, startProcesses } from "./processes.ts";

export interface ControlPlane {
  /** The path of an administrator's kubeconfig. */
  readonly kubeconfig: string;
  /** The path of a kubectl of the API server's release, if there is one. */
  readonly kubectl: string | undefined;
  /** Whether `stop` deletes the control plane. It does not delete a cluster that the user gave. */
  readonly disposable: boolean;
  /** Stops the API server with SIGTERM or the given signal, until `startApiServer` is called. Its state and port stay the same. */
  stopApiServer(signal?: NodeJS.Signals): Promise<void>;
  startApiServer(): Promise<void>;
  restartApiServer(signal?: NodeJS.Signals): Promise<void>;
  /**
   * Copies everything that the control plane stores. The returned function sets the store back to that copy, as a restored backup does.
   * Undefined with k3s.
   */
  readonly saveStore: undefined | (() => Promise<(options?: RestoreOptions) => Promise<void>>);
  /** Ends the control plane and, unless a `dir` was given, removes its state. May be called twice. */
  stop(): Promise<void>;
}

export interface ControlPlaneOptions {
  readonly log: Log;
  /** The state directory, which is kept on stop. Default: a new folder among the operating system's temporary files. */
  readonly dir?: string;
  /** The port of the API server. Default: any free port. */
  readonly port?: number;
}

const NO_WAY = `There is no Kubernetes API server to work with. One of these is needed:
  1. a cluster of yours: TEST_USE_KUBECONFIG=1 and KUBECONFIG (or ~/.kube/config); its CRDs will be replaced
  2. KUBEBUILDER_ASSETS: a folder with etcd and kube-apiserver, as setup-envtest makes it
  3. Go in PATH: a control plane is built from Go modules, once
  4. a Docker engine: k3s runs in a container (TEST_K3S_IMAGE names another image)`;

/** Starts a real Kubernetes control plane: API server with RBAC, namespace controller and garbage collector, but no nodes. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  // The user's cluster is used only on request: many shells have a KUBECONFIG of a real cluster, and tests delete and replace objects.
  if (process.env.TEST_USE_KUBECONFIG === "1") return givenCluster();
  const programs = await programsHere(options.log);
  if (programs !== undefined) {
    return disposable(options, programs.kubectl, (dir) => startWithFreePorts(programs, dir, options));
  }
  if (!(await hasDocker())) throw new Error(NO_WAY);
  return disposable(options, inPath("kubectl"), (dir) => startK3s(dir, options.port));
}

async function programsHere(log: Log): Promise<Programs | undefined> {
  const assets = process.env.KUBEBUILDER_ASSETS;
  const build = async () =>
    (await hasGo()) ? programsOfAssets(await builtPrograms(progressOn(process.stderr))) : undefined;
  if (assets === undefined || assets === "") return build();
  const programs = programsOfAssets(assets);
  if (programs.controllerManager !== undefined) return programs;
  // setup-envtest has no controller manager, and without it deleted namespaces are never emptied. A controller manager is therefore built
  // here if Go is installed.
  log.warn({ assets }, "KUBEBUILDER_ASSETS has no kube-controller-manager, trying to build one");
  const { controllerManager } = (await build()) ?? programs;
  return { ...programs, controllerManager };
}

async function disposable(
  options: ControlPlaneOptions,
  kubectl: string | undefined,
  start: (dir: string) => Promise<Cluster>,
): Promise<ControlPlane> {
  const dir = await stateDirectory(options.dir);
  const cluster = await start(dir);
  options.log.info({ kubeconfig: cluster.kubeconfig }, "control plane started");
  return {
    kubeconfig: cluster.kubeconfig,
    kubectl,
    disposable: true,
    stopApiServer: cluster.stopApiServer,
    startApiServer: cluster.startApiServer,
    saveStore: cluster.saveStore,
    async restartApiServer(signal) {
      await cluster.stopApiServer(signal);
      await cluster.startApiServer();
    },
    async stop() {
      await cluster.stop();
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true });
    },
  };
}

/**
 * Starts the programs on free ports. Another process may take a port after it was found free. In that case all programs are started again
 * with other ports.
 */
async function startWithFreePorts(
  programs: Programs,
  dir: string,
  { log, port }: ControlPlaneOptions,
): Promise<Cluster> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startProcesses({ programs, dir, port });
    } catch (error) {
      if (attempt === 3 || !/address already in use/.test((error as Error).message)) throw error;
      log.warn({ attempt }, "a port was taken meanwhile, starting again");
      await rm(join(dir, "etcd"), { recursive: true, force: true });
    }
  }
}

function givenCluster(): ControlPlane {
  const kubeconfig = process.env.KUBECONFIG?.split(delimiter)[0] ?? join(homedir(), ".kube/config");
  if (!existsSync(kubeconfig)) throw new Error(`TEST_USE_KUBECONFIG=1, but there is no ${kubeconfig}`);
  const refuse = () => Promise.reject(new Error("a cluster that the user gave is never stopped"));
  return {
    kubeconfig,
    kubectl: inPath("kubectl"),
    disposable: false,
    stopApiServer: refuse,
    startApiServer: refuse,
    restartApiServer: refuse,
    saveStore: undefined,
    stop: () => Promise.resolve(),
  };
}

function inPath(program: string): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
}
