import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePorts } from "./ports.ts";
import type { Cluster } from "./processes.ts";

/** The image: any image that starts k3s with Kubernetes 1.33 or newer will do. */
const IMAGE = process.env.TEST_K3S_IMAGE ?? "rancher/k3s:v1.33.4-k3s1";

/** Whether a Docker engine, or an engine with the same API, answers. */
export async function hasDocker(): Promise<boolean> {
  const { getContainerRuntimeClient } = await import("testcontainers");
  return getContainerRuntimeClient().then(
    () => true,
    () => false,
  );
}

/** Starts k3s in a privileged container. If this process is killed, the watcher of testcontainers removes the container. */
export async function startK3s(dir: string, port: number | undefined): Promise<Cluster> {
  const { K3sContainer } = await import("@testcontainers/k3s");
  // The port is chosen here, because Docker would give a container another port when it is started again.
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
