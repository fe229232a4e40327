import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Log } from "../../src/log.ts";
import { programsOfAssets } from "./assets.ts";
import { type Cluster, type Programs, startProcesses } from "./processes.ts";

export interface ControlPlane {
  /** Path of an administrator's kubeconfig. */
  readonly kubeconfig: string;
  /** The kubectl of the same release, where there is one. */
  readonly kubectl: string | undefined;
  /** Whether it is thrown away by `stop`; a cluster that was given is not. */
  readonly disposable: boolean;
  /** Stops the API server (SIGTERM, or the signal given) until `startApiServer`. Its state and port stay. */
  stopApiServer(signal?: NodeJS.Signals): Promise<void>;
  startApiServer(): Promise<void>;
  restartApiServer(signal?: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
}

export interface ControlPlaneOptions {
  readonly log: Log;
  /** State directory, kept on stop. Without one: a fresh one in the OS's folder for temporary files, removed on stop. */
  readonly dir?: string;
  /** Port of the API server; without one a free one. */
  readonly port?: number;
}

/** A real Kubernetes control plane: API server with RBAC, namespace controller, garbage collector; no nodes. */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const programs = programsOfAssets(process.env.KUBEBUILDER_ASSETS ?? "");
  return local(programs, options);
}

async function local(programs: Programs, options: ControlPlaneOptions): Promise<ControlPlane> {
  const dir = await stateDirectory(options.dir);
  const cluster = await startWithFreePorts(programs, dir, options);
  return {
    kubeconfig: cluster.kubeconfig,
    kubectl: programs.kubectl,
    disposable: true,
    stopApiServer: cluster.stopApiServer,
    startApiServer: cluster.startApiServer,
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

/** A free port may be taken between looking and listening: then the whole is tried again with other ones. */
async function startWithFreePorts(
  programs: Programs,
  dir: string,
  { log, port }: ControlPlaneOptions,
): Promise<Cluster> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startProcesses({ programs, dir, log, port });
    } catch (error) {
      if (attempt === 3 || !/address already in use/.test((error as Error).message)) throw error;
      log.warn({ attempt }, "a port was taken meanwhile, starting again");
      await rm(join(dir, "etcd"), { recursive: true, force: true });
    }
  }
}

const PREFIX = "sms-control-plane-";

async function stateDirectory(given: string | undefined): Promise<string> {
  if (given !== undefined) {
    await mkdir(given, { recursive: true, mode: 0o700 });
    return given;
  }
  await removeAbandoned();
  const dir = await mkdtemp(join(tmpdir(), PREFIX));
  await writeFile(join(dir, "owner"), String(process.pid));
  return dir;
}

/** What earlier runs left that were killed before they could clean up. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const dir = join(tmpdir(), name);
    const owner = Number(await readFile(join(dir, "owner"), "utf8").catch(() => "0"));
    if (owner !== 0 && !isAlive(owner)) await rm(dir, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
