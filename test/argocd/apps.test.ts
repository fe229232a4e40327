import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { smsNumbers } from "../../src/api/index.ts";
import { customResourceDefinitions, type KubeObject, type ResourceType } from "../../src/kube/resource.ts";
import { timeText } from "../../src/kube/status/conditions.ts";
import { World } from "../support/world.ts";
import { ArgoCd, IN_CLUSTER } from "./argocd.ts";
import { adapted, channel, example, folder } from "./examples.ts";

// Tests of the examples in deploy/argocd/examples, with a real Argo CD that renders the real charts. There are no nodes: the operator
// runs in this process, and the test does for Deployments and Jobs what their controllers and a kubelet would do.

const NUMBER = "support-line";
let world: World;
let argocd: ArgoCd;
let before: object;
beforeAll(async () => {
  [world, argocd] = await Promise.all([World.start(), ArgoCd.start({ waveDelaySeconds: 2 })]);
  before = world.webhook();
});
afterAll(async () => {
  await argocd.stop();
  await world.stop();
});

const number = () => world.client.get(smsNumbers, { namespace: world.namespace, name: NUMBER });
const own = () =>
  adapted(argocd.repoUrl, {
    argocd: argocd.namespace,
    "sms-channel-operator": world.operatorNamespace,
    support: world.namespace,
  });

const deployments: ResourceType = {
  group: "apps",
  version: "v1",
  plural: "deployments",
  kind: "Deployment",
  namespaced: true,
};
const budgets: ResourceType = {
  group: "policy",
  version: "v1",
  plural: "poddisruptionbudgets",
  kind: "PodDisruptionBudget",
  namespaced: true,
};
const jobs: ResourceType = { group: "batch", version: "v1", plural: "jobs", kind: "Job", namespaced: true };
const inOperatorNamespace = async (type: ResourceType) =>
  (await world.client.list(type, { namespace: world.operatorNamespace })).items;

/** The tag of an image that the simulated nodes cannot pull. */
const NO_IMAGE = "no-such-tag";

/** Simulates controllers and nodes until it is stopped: Deployments become available, disruption budgets are met, Jobs run. */
function nodes(run: { release(): Promise<void> }): { stop(): Promise<void> } {
  const stop = new AbortController();
  const done = new Set<string>();
  const working = (async () => {
    while (!stop.signal.aborted) {
      for (const object of await inOperatorNamespace(deployments))
        await settle(
          deployments,
          object,
          JSON.stringify(object.spec).includes(NO_IMAGE) ? unavailable : available,
        );
      for (const object of await inOperatorNamespace(budgets)) await settle(budgets, object, sufficient);
      for (const object of await inOperatorNamespace(jobs)) {
        if (done.has(object.metadata.uid!)) continue;
        if (object.metadata.name.endsWith("-release")) await run.release();
        await settle(jobs, object, complete);
        done.add(object.metadata.uid!);
      }
      await sleep(200, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  })();
  return {
    async stop() {
      stop.abort();
      await working;
    },
  };
}

async function settle(type: ResourceType, object: KubeObject, status: (object: KubeObject) => object) {
  const options = { subresource: "status" };
  await world.client.patch(type, object.metadata, { status: status(object) }, options).catch(() => undefined);
}

const available = ({ metadata, spec }: KubeObject) => {
  const { replicas } = spec as { replicas: number };
  return {
    observedGeneration: metadata.generation,
    replicas,
    updatedReplicas: replicas,
    readyReplicas: replicas,
    availableReplicas: replicas,
  };
};

/** The status of a rollout whose new pods never start, while the old pods keep running. */
const unavailable = (object: KubeObject) => ({ ...available(object), updatedReplicas: 0 });

const sufficient = ({ metadata }: KubeObject) => ({
  observedGeneration: metadata.generation,
  currentHealthy: 2,
  desiredHealthy: 1,
  expectedPods: 2,
  disruptionsAllowed: 1,
  conditions: [
    {
      type: "DisruptionAllowed",
      status: "True",
      reason: "SufficientPods",
      message: "",
      lastTransitionTime: metadata.creationTimestamp,
      observedGeneration: metadata.generation,
    },
  ],
});

const complete = () => {
  const now = timeText(Date.now());
  const condition = (type: string) => ({
    type,
    status: "True",
    reason: "CompletionsReached",
    lastProbeTime: now,
    lastTransitionTime: now,
  });
  return {
    startTime: now,
    completionTime: now,
    succeeded: 1,
    conditions: [condition("SuccessCriteriaMet"), condition("Complete")],
  };
};

test("an app of apps installs the kinds, then the operator, then the channel, and removes them in reverse order", async () => {
  const files = own();
  await argocd.commit({ ...files, ...folder("charts"), ...channel() });
  await argocd.apply(parse(files[example("root.yaml")]!));
  // No simulated node runs the operator's Deployments yet, so its Application waits, and so do the waves after it.
  await argocd.until(
    "sms-channel",
    "waits for the operator",
    ({ status }) =>
      status?.operationState?.message ===
      "waiting for healthy state of argoproj.io/Application/sms-channel-operator",
  );
  await argocd.is("sms-channel-kinds", "Healthy");
  expect(await argocd.get("support-channel")).toBeUndefined();

  const released: string[] = [];
  const cluster = nodes({
    async release() {
      await world.stopOperators();
      const { code, output } = await world.release();
      expect(code, output).toBe(0);
      released.push(output);
    },
  });
  world.startOperator();
  await argocd.is("sms-channel", "Healthy");
  await argocd.is("sms-channel-operator", "Healthy");
  await argocd.is("support-channel", "Healthy");
  await world.numberIs(NUMBER, { Ready: "True" });
  for (const name of ["sms-channel", "sms-channel-kinds", "sms-channel-operator", "support-channel"]) {
    await argocd.refresh(name);
    const { status } = await argocd.is(name, "Healthy");
    expect(status?.history, name).toHaveLength(1);
    expect(status?.conditions ?? [], name).toEqual([]);
  }

  // Only the operator is deleted. It first gives its webhooks back. After that the channel is Suspended and not Degraded.
  await argocd.delete("sms-channel-operator");
  await argocd.gone("sms-channel-operator");
  expect(released).toHaveLength(1);
  expect(released[0]).toContain(`SmsNumber ${world.namespace}/${NUMBER}: the webhook at Twilio is again`);
  expect(world.webhook()).toEqual(before);
  await argocd.is("support-channel", "Suspended");

  // The root Application creates the operator's Application again.
  world.startOperator();
  await argocd.refresh("sms-channel");
  await argocd.is("sms-channel-operator", "Healthy");
  await argocd.is("support-channel", "Healthy");
  await argocd.is("sms-channel", "Healthy");
  await world.numberIs(NUMBER, { Ready: "True" });

  // The next commit has an image that no node can pull, and one more wave. The new wave waits, although the operator's last sync
  // succeeded and its status still says Healthy for the previous image.
  const operatorApp = example("apps/20-operator.yaml");
  const withTag = (tag: string) =>
    files[operatorApp]!.replace(/^( +)repository: .*$/m, (line, indent) => `${line}\n${indent}tag: ${tag}`);
  const settings = (namespace: string) => ({
    [example("apps/40-settings.yaml")]: stringify({
      ...parse(files[example("apps/30-channel.yaml")]!),
      metadata: {
        name: "settings",
        namespace: argocd.namespace,
        annotations: { "argocd.argoproj.io/sync-wave": "3" },
        finalizers: ["resources-finalizer.argocd.argoproj.io"],
      },
      spec: {
        project: "default",
        source: { repoURL: argocd.repoUrl, targetRevision: "main", path: "settings" },
        destination: { server: IN_CLUSTER, namespace },
        syncPolicy: { automated: { prune: true } },
      },
    }),
    "settings/configmap.yaml": stringify({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "settings" },
    }),
  });
  const all = { ...files, ...folder("charts"), ...channel(), ...settings(world.namespace) };
  await argocd.commit({ ...all, [operatorApp]: withTag(NO_IMAGE) });
  await argocd.refresh("sms-channel");
  await argocd.until(
    "sms-channel",
    "waits for the rollout",
    ({ status }) =>
      status?.operationState?.phase === "Running" &&
      status.operationState.message ===
        "waiting for healthy state of argoproj.io/Application/sms-channel-operator",
  );
  await argocd.until(
    "sms-channel-operator",
    "rolls out",
    ({ status }) => status?.sync?.status === "Synced" && status.health?.status === "Progressing",
  );
  expect(await argocd.get("settings")).toBeUndefined();
  // The root Application still waits in the sync of the old commit. It sees the commit that fixes the tag only when that sync is ended.
  await argocd.commit({ ...all, [operatorApp]: withTag("0.1.0") });
  await argocd.refresh("sms-channel");
  const held = await argocd.get("sms-channel");
  expect(held?.status?.operationState?.phase).toBe("Running");
  expect(await argocd.get("settings")).toBeUndefined();
  await argocd.terminate("sms-channel");
  await argocd.refresh("sms-channel");
  await argocd.is("sms-channel", "Healthy");
  await argocd.is("settings", "Healthy");

  // Everything is deleted while Twilio is unavailable. The operator stays until the webhook of its number is given back.
  world.simulator.control.faults({ kind: "status", status: 503 });
  await argocd.delete("sms-channel");
  await world.numberIs(NUMBER, { Reconciling: "TwilioUnavailable" });
  expect((await argocd.get("support-channel"))?.metadata.deletionTimestamp).toBeDefined();
  expect((await argocd.get("sms-channel-operator"))?.metadata.deletionTimestamp).toBeUndefined();
  world.simulator.control.clearFaults();
  await argocd.gone("sms-channel");
  await cluster.stop();
  expect(await number()).toBeUndefined();
  expect(world.webhook()).toEqual(before);
  expect(await argocd.get("sms-channel-operator")).toBeUndefined();
  expect(await inOperatorNamespace(deployments)).toEqual([]);
  // The kinds stay, and with them the objects of other users.
  const kept = await world.client.get(customResourceDefinitions, { name: "smsnumbers.smschannel.dev" });
  expect(kept?.metadata.deletionTimestamp).toBeUndefined();
}, 300_000);
