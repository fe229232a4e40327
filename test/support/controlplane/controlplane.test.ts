import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CoreV1Api } from "@kubernetes/client-node";
import { afterEach, expect, test, vi } from "vitest";
import { silentLog as log } from "../../../src/log.ts";
import { kubeConfig } from "../crds.ts";
import { type ControlPlane, startControlPlane } from "./controlplane.ts";

let controlPlane: ControlPlane | undefined;
afterEach(async () => {
  vi.unstubAllEnvs();
  await controlPlane?.stop();
  controlPlane = undefined;
});

test("an API server that is killed and restarted keeps its address, certificate and state, and `stop` removes its files", async () => {
  controlPlane = await startControlPlane({ log });
  const { kubeconfig } = controlPlane;
  const core = kubeConfig(kubeconfig).makeApiClient(CoreV1Api);
  await core.createNamespace({ body: { metadata: { name: "kept" } } });
  await controlPlane.stopApiServer("SIGKILL");
  await expect(core.readNamespace({ name: "kept" })).rejects.toMatchObject({
    cause: { code: "ECONNREFUSED" },
  });
  await controlPlane.startApiServer();
  expect((await core.readNamespace({ name: "kept" })).metadata?.name).toBe("kept");
  expect((await stat(kubeconfig)).mode & 0o777).toBe(0o600);
  await controlPlane.stop();
  await controlPlane.stop();
  expect(existsSync(dirname(kubeconfig))).toBe(false);
});

test("when its parent process is killed, the control plane ends, and the next run removes its files", async () => {
  const script = `
    const { startControlPlane } = await import(${JSON.stringify(resolve(import.meta.dirname, "controlplane.ts"))});
    const { silentLog: log } = await import(${JSON.stringify(resolve(import.meta.dirname, "../../../src/log.ts"))});
    console.log((await startControlPlane({ log })).kubeconfig);
    setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(parent.stdout, "data")) as [Buffer];
  const dir = dirname(line.toString().trim());
  const programs = await childrenOf(parent.pid!);
  expect(programs.length).toBe(3);
  parent.kill("SIGKILL");
  await once(parent, "exit");
  const deadline = performance.now() + 10_000;
  while ((await running(programs)).length > 0 && performance.now() < deadline) await sleep(20);
  expect(await running(programs)).toEqual([]);
  expect(existsSync(join(dir, "etcd"))).toBe(true);
  controlPlane = await startControlPlane({ log });
  expect(existsSync(dir)).toBe(false);
});

test("when no control plane can be started, the error names the four ways to get one, and a KUBECONFIG alone is not used", async () => {
  vi.stubEnv("KUBEBUILDER_ASSETS", "");
  vi.stubEnv("PATH", "/nonexistent");
  vi.stubEnv("DOCKER_HOST", "tcp://127.0.0.1:1");
  vi.stubEnv("KUBECONFIG", import.meta.filename);
  await expect(startControlPlane({ log })).rejects.toThrow(
    /TEST_USE_KUBECONFIG=1.*KUBEBUILDER_ASSETS.*Go.*Docker/s,
  );
});

test("a KUBEBUILDER_ASSETS folder without the programs is an error, and no other way to start a control plane is tried", async () => {
  vi.stubEnv("KUBEBUILDER_ASSETS", import.meta.dirname);
  await expect(startControlPlane({ log })).rejects.toThrow(/no etcd or no kube-apiserver/);
});

test("a cluster that the user gives is used as it is and never stopped", async () => {
  vi.stubEnv("TEST_USE_KUBECONFIG", "1");
  vi.stubEnv("KUBECONFIG", import.meta.filename);
  const given = await startControlPlane({ log });
  expect(given).toMatchObject({ kubeconfig: import.meta.filename, disposable: false });
  await expect(given.restartApiServer()).rejects.toThrow(/never stopped/);
});

/** The ids of the child processes of process `pid`. Linux lists them per thread, and the main thread started them. */
async function childrenOf(pid: number): Promise<number[]> {
  const list = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return list.trim().split(" ").map(Number);
}

/** The processes that still run. A zombie has ended: a container's first process may never collect the orphans that it inherits. */
async function running(pids: number[]): Promise<number[]> {
  const states = pids.map((pid) => readFile(`/proc/${pid}/stat`, "utf8").catch(() => ") Z"));
  const ended = (await Promise.all(states)).map((stat) => / Z/.test(stat.slice(stat.lastIndexOf(")"))));
  return pids.filter((_, i) => !ended[i]);
}
