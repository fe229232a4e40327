import { setTimeout as sleep } from "node:timers/promises";
import { KubeClient } from "../../src/kube/client/client.ts";
import { customResourceDefinitions, type KubeObject, type ResourceType } from "../../src/kube/resource.ts";
import { silentLog } from "../../src/log.ts";

/** A kind that only the tests have. The runtime knows none of the product's kinds, and neither do its tests. */
export interface Widget extends KubeObject {
  spec: { size?: number };
  status?: Record<string, unknown>;
}

export const widgets: ResourceType<Widget> = {
  group: "runtime.smschannel.test",
  version: "v1",
  plural: "widgets",
  kind: "Widget",
  namespaced: true,
};

export const widget = (namespace: string, name: string, spec: Widget["spec"] = {}): Widget => ({
  apiVersion: "runtime.smschannel.test/v1",
  kind: "Widget",
  metadata: { namespace, name },
  spec,
});

export const loadClient = (kubeconfig: string, requestTimeoutMs = 10_000) =>
  KubeClient.load({ kubeconfig, userAgent: "kube-test", log: silentLog, requestTimeoutMs });

/**
 * Creates the kind Widget. Several test files may do so at the same time, because applying the same kind twice changes nothing.
 */
export async function applyWidgetKind(client: KubeClient): Promise<void> {
  await applyKind(client, widgets, { "x-kubernetes-preserve-unknown-fields": true });
}

/** Creates or changes a kind. Its status has conditions and the given properties. */
export async function applyKind(client: KubeClient, type: ResourceType, status: object): Promise<void> {
  const { properties, ...more } = status as { properties?: object };
  const conditions = {
    type: "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["type"],
    items: {
      type: "object",
      required: ["type"],
      properties: { type: { type: "string" } },
      "x-kubernetes-preserve-unknown-fields": true,
    },
  };
  const schema = {
    type: "object",
    properties: {
      spec: { type: "object", properties: { size: { type: "integer" } } },
      status: { type: "object", properties: { conditions, ...properties }, ...more },
    },
  };
  const version = {
    name: type.version,
    served: true,
    storage: true,
    subresources: { status: {} },
    schema: { openAPIV3Schema: schema },
  };
  const definition = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${type.plural}.${type.group}` },
    spec: {
      group: type.group,
      names: { plural: type.plural, singular: type.kind.toLowerCase(), kind: type.kind },
      scope: "Namespaced",
      versions: [version],
    },
  };
  await client.apply(customResourceDefinitions, definition, { fieldManager: "kube-test", force: true });
  await until(`${type.plural} are served`, async () =>
    client.list(type, { namespace: "default" }).then(
      () => true,
      () => false,
    ),
  );
}

/**
 * Waits for something that no event announces: checks every 10 ms until `isSo` returns true. After `withinMs` it fails, and the
 * error says what it waited for.
 */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  withinMs = 30_000,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await sleep(10);
  }
}
