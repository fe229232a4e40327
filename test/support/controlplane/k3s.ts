import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePorts } from "./ports.ts";
import type { Cluster } from "./processes.ts";

/** Any image that starts k3s with Kubernetes 1.33 or newer. */
const IMAGE = process.env.TEST_K3S_IMAGE ?? "rancher/k3s:v1.33.4-k3s1";

/** Whether a Docker engine (or one that speaks its API) answers. */
export async function hasDocker(): Promise<boolean> {
  const { getContainerRuntimeClient } = await import("testcontainers");
  return getContainerRuntimeClient().then(
    () => true,
    () => false,
  );
}

/** k3s in a privileged container; testcontainers' own watcher removes it should this process be killed. */
export async function startK3s(dir: string, port: number | undefined): Promise<Cluster> {
  const { K3sContainer } = await import("@testcontainers/k3s");
  // A port of our choice, as a container that is started again would get another one from Docker.
  const host = port ?? ((await freePorts(1))[0] as number);
  const container = await new K3sContainer(IMAGE).withExposedPorts({ container: 6443, host }).start();
  const kubeconfig = join(dir, "kubeconfig");
  await writeFile(kubeconfig, container.getKubeConfig(), { mode: 0o600 });
  return {
    kubeconfig,
    async stopApiServer() {
      await container.stop({ remove: false });
    },
    startApiServer: () => container.restart(),
    saveStore: undefined,
    async stop() {
      await container.stop();
    },
  };
}
