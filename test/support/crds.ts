import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  ApiextensionsV1Api,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  type KubernetesObject,
  PatchStrategy,
  setHeaderOptions,
} from "@kubernetes/client-node";
import { parseAllDocuments } from "yaml";

const CRDS = resolve(import.meta.dirname, "../../crds");
export const RUN_LABEL = "smschannel.dev/test-run";

export function kubeConfig(path: string): KubeConfig {
  const config = new KubeConfig();
  config.loadFromFile(path);
  return config;
}

/** Applies crds/*.yaml and waits until the API server serves the kinds. */
export async function applyCrds(kubeconfig: string): Promise<void> {
  const files = existsSync(CRDS) ? readdirSync(CRDS).filter((name) => name.endsWith(".yaml")) : [];
  const objects = files.flatMap((name) =>
    parseAllDocuments(readFileSync(join(CRDS, name), "utf8")).map(
      (document) => document.toJS() as KubernetesObject,
    ),
  );
  const config = kubeConfig(kubeconfig);
  // The typed API for CRDs cannot be used: its models have no x-kubernetes-* fields, and would silently drop every CEL
  // rule.
  const client = config.makeApiClient(CustomObjectsApi);
  const type = { group: "apiextensions.k8s.io", version: "v1", plural: "customresourcedefinitions" };
  for (const body of objects) {
    await client.patchClusterCustomObject(
      { ...type, name: body.metadata?.name ?? "", body, fieldManager: "test", force: true },
      setHeaderOptions("Content-Type", PatchStrategy.ServerSideApply),
    );
  }
  const extensions = config.makeApiClient(ApiextensionsV1Api);
  await Promise.all(objects.map((object) => established(extensions, object.metadata?.name ?? "")));
}

async function established(api: ApiextensionsV1Api, name: string): Promise<void> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const { status } = await api.readCustomResourceDefinition({ name });
    const conditions = status?.conditions ?? [];
    if (conditions.some(({ type, status }) => type === "Established" && status === "True")) return;
    if (performance.now() > deadline)
      throw new Error(
        `${name} is not Established after 30 s: ${conditions.map(({ message }) => message).join("; ")}`,
      );
    await sleep(50);
  }
}

/** Deletes the namespaces of a test run, for a cluster that outlives the run. */
export async function deleteTestNamespaces(kubeconfig: string, runId: string): Promise<void> {
  const core = kubeConfig(kubeconfig).makeApiClient(CoreV1Api);
  const { items } = await core.listNamespace({ labelSelector: `${RUN_LABEL}=${runId}` });
  for (const { metadata } of items) await core.deleteNamespace({ name: metadata?.name ?? "" });
}
