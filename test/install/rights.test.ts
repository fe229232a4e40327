import { afterEach, describe, expect, test, vi } from "vitest";
import { stringify } from "yaml";
import { smsNumbers } from "../../src/api/index.ts";
import { systemClock } from "../../src/clock.ts";
import { KubeClient } from "../../src/kube/client/client.ts";
import { namespaces } from "../../src/kube/resource.ts";
import { silentLog } from "../../src/log.ts";
import { RouteTable } from "../../src/receiver/route-table.ts";
import { RouteWatch } from "../../src/receiver/route-watch.ts";
import { secretName } from "../../src/routes/secrets.ts";
import { envOf, type Rendered, render } from "../chart/helm.ts";
import { kubectl, newNamespace } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { World } from "../support/world.ts";
import { accountOf, type ServiceAccountLogin } from "./account.ts";
import { command } from "./command.ts";

// The processes work with the rights that the chart grants, and have no other rights.

// One test runs kubectl a dozen times, which takes long on a busy machine.
vi.setConfig({ testTimeout: 240_000 });

const open: { remove(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.remove();
});

/** Applies only the ServiceAccounts and the rights of the chart. They are deleted after the test. */
async function grant(namespace: string, values: object): Promise<Rendered> {
  const rendered = await render({ instance: "test", ...values }, { namespace, release: "test" });
  open.push({ remove: () => revoke(rendered) });
  expect(await kubectl(["apply", "-f", "-"], { input: rightsIn(rendered) })).toMatchObject({ code: 0 });
  return rendered;
}

const revoke = (rendered: Rendered) =>
  kubectl(["delete", "-f", "-", "--ignore-not-found"], { input: rightsIn(rendered) });

const rightsIn = ({ all }: Rendered) =>
  all
    .filter(({ kind }) => /^(ServiceAccount|(Cluster)?Role(Binding)?)$/.test(kind))
    .map((manifest) => stringify(manifest))
    .join("---\n");

async function account(namespace: string, component: string): Promise<ServiceAccountLogin> {
  const found = await accountOf(namespace, `test-sms-channel-operator-${component}`);
  open.push(found);
  return found;
}

async function newWorld(): Promise<World> {
  const world = await World.start({ elect: { leaseMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2000 } });
  open.push({ remove: () => world.stop() });
  return world;
}

describe("the controller does its whole job with the chart's rights", () => {
  // Whatever its rights, the operator watches only the namespaces of this test: other namespaces of this API server belong to other tests.
  const modes: Record<string, (namespace: string) => object> = {
    "in all namespaces": () => ({}),
    "in named namespaces": (namespace) => ({ watchNamespaces: [namespace] }),
    "in named namespaces, and with no right on any other": (namespace) => ({
      watchNamespaces: [namespace],
      rbac: { clusterWideKinds: false },
    }),
  };
  test.each(Object.entries(modes))("%s", async (_, valuesFor) => {
    const world = await newWorld();
    await grant(world.operatorNamespace, valuesFor(world.namespace));
    const { kubeconfig } = await account(world.operatorNamespace, "controller");
    const before = world.atTwilio().smsUrl;
    world.startOperator({}, { kubeconfig });
    await world.wired();
    expect(world.atTwilio().smsUrl).toContain(world.inboundUrl());
    await world.event("Ready", "line");
    await world.deleteNumber();
    await world.gone(smsNumbers, "line");
    expect(world.atTwilio().smsUrl).toBe(before);
    expect(await world.previousWebhooks()).toEqual([]);
  });

  test("the controller has rights in all namespaces only with values that need them", async () => {
    const [namespace, other] = [await newNamespace("operator"), await newNamespace("team")];
    const may = async (values: object) => {
      const rendered = await grant(namespace, values);
      const { kubectl, remove } = await account(namespace, "controller");
      const asked = [
        "watch smsnumbers -A",
        "patch workstreams --subresource=status -A",
        "list secrets -A",
        `get secrets -n ${other}`,
      ];
      const answers: Record<string, string> = {};
      for (const question of asked)
        answers[question] = (await kubectl("auth", "can-i", ...question.split(" "))).stdout.trim();
      await remove();
      await revoke(rendered);
      return answers;
    };
    const answers = (kinds: string, secrets: string) => ({
      "watch smsnumbers -A": kinds,
      "patch workstreams --subresource=status -A": kinds,
      "list secrets -A": secrets,
      [`get secrets -n ${other}`]: secrets,
    });
    expect(await may({})).toEqual(answers("yes", "yes"));
    const watchNamespaces = [namespace];
    expect(await may({ watchNamespaces })).toEqual(answers("yes", "no"));
    expect(await may({ watchNamespaces, rbac: { clusterWideKinds: false } })).toEqual(answers("no", "no"));
  });
});

test("a watched namespace can be deleted, even when its RoleBindings are deleted first", async () => {
  const world = await newWorld();
  await grant(world.operatorNamespace, { watchNamespaces: [world.namespace] });
  const { kubeconfig } = await account(world.operatorNamespace, "controller");
  const before = world.atTwilio().smsUrl;
  world.startOperator({}, { kubeconfig });
  await world.wired();
  // The namespace controller deletes objects in any order. The worst order is to delete the RoleBindings first.
  await kubectl(["delete", "rolebinding", "--all", "-n", world.namespace]);
  expect(await kubectl(["delete", "namespace", world.namespace, "--timeout=40s"])).toMatchObject({ code: 0 });
  expect(await world.client.get(namespaces, { name: world.namespace })).toBeUndefined();
  expect(world.atTwilio().smsUrl).toBe(before);
});

test("the uninstall Job does its whole work with the chart's rights", async () => {
  const world = await newWorld();
  const rendered = await grant(world.operatorNamespace, { watchNamespaces: [world.namespace] });
  const before = world.atTwilio().smsUrl;
  const [controller, release] = await Promise.all(
    ["controller", "release"].map((component) => account(world.operatorNamespace, component)),
  );
  world.startOperator({}, { kubeconfig: controller!.kubeconfig });
  await world.wired();
  await world.stopOperators();
  // The Job must also delete a Secret that only an earlier version of the operator wrote, one for each shard.
  const name = secretName(world.instance, "work", 0);
  await kubectl(["create", "secret", "generic", name, "-n", world.operatorNamespace]);
  const env = envOf(rendered.one("Job", "-release").spec.template.spec.containers[0]);
  const { code, output } = await command(["release"], {
    ...env,
    // The chart sets REFUSE_ROOT to true, but a test may run as root.
    REFUSE_ROOT: "false",
    OPERATOR_NAMESPACE: world.operatorNamespace,
    INSTANCE: world.instance,
    KUBECONFIG: release!.kubeconfig,
    PUBLIC_URL: world.publicUrl,
    TWILIO_BASE_URL: world.simulator.url,
  });
  expect(output).toContain("let go: 1 SmsNumbers, 1 WorkStreams, 0 OperatingHours; deleted: 9 Secrets");
  expect(code).toBe(0);
  expect(world.atTwilio().smsUrl).toBe(before);
  const left = await kubectl(["get", "secrets", "-n", world.operatorNamespace, "-o", "name"]);
  expect(left.stdout).toBe("");
  await world.numberIs("line", { Ready: "OperatorUninstalled" });
});

describe("the receiver", () => {
  test("can read its compiled routes", async () => {
    const world = await newWorld();
    await grant(world.operatorNamespace, {});
    world.startOperator();
    const { kubeconfig } = await account(world.operatorNamespace, "receiver");
    const client = KubeClient.load({ kubeconfig, userAgent: "test", log: silentLog });
    const routes = new RouteTable(4);
    const watch = new RouteWatch({
      client,
      routes,
      namespace: world.operatorNamespace,
      instance: world.instance,
      shards: 4,
      clock: systemClock,
      log: silentLog,
    });
    watch.start();
    open.push({ remove: () => watch.stop().then(() => client.close()) });
    await eventually("all shards are read", () => (routes.loaded ? true : watch.problem() && undefined));
    await world.wired();
    await eventually("the new route is seen", () => (routes.size === 1 ? true : undefined));
  });

  test("can list and read nothing but its compiled routes", async () => {
    const namespace = await newNamespace("operator");
    await grant(namespace, {});
    const [receiver, migrations] = [
      await account(namespace, "receiver"),
      await account(namespace, "migrations"),
    ];
    const rights = async ({ kubectl }: ServiceAccountLogin) => {
      const { stdout } = await kubectl("auth", "can-i", "--list", "-n", namespace);
      // The output is a table. Its columns are as wide as their widest cell, so runs of spaces are replaced.
      return stdout.split("\n").map((line) => line.trim().replaceAll(/ {2,}/g, " | "));
    };
    // The migrations' account has no rights, so its list is what every account may do.
    const everybody = await rights(migrations);
    const more = (await rights(receiver)).filter((line) => !everybody.includes(line));
    expect(more).toEqual(
      [0, 1, 2, 3].map((shard) => `secrets | [] | [test-receiver-${shard}] | [get list watch]`),
    );

    await kubectl(["create", "secret", "generic", "other", "-n", namespace, "--from-literal=a=b"]);
    await kubectl(["create", "secret", "generic", "test-receiver-0", "-n", namespace, "--from-literal=a=b"]);
    const tries: Record<string, string[]> = {
      "its own Secret": ["get", "secret", "test-receiver-0", "-n", namespace],
      "its own Secret, listed by name": [
        "get",
        "secret",
        "-n",
        namespace,
        "--field-selector=metadata.name=test-receiver-0",
      ],
      "another Secret": ["get", "secret", "other", "-n", namespace],
      "another Secret, listed by name": [
        "get",
        "secret",
        "-n",
        namespace,
        "--field-selector=metadata.name=other",
      ],
      "all Secrets": ["get", "secrets", "-n", namespace],
      "the controller's Secret": ["get", "secret", "test-controller-0", "-n", namespace],
      "Secrets elsewhere": ["get", "secrets", "-A"],
      "deleting its own Secret": ["delete", "secret", "test-receiver-0", "-n", namespace],
      "the numbers": ["get", "smsnumbers", "-A"],
      "the pods": ["get", "pods", "-n", namespace],
    };
    const answers: Record<string, string> = {};
    for (const [name, args] of Object.entries(tries)) {
      const { code, stderr } = await receiver.kubectl(...args);
      answers[name] = code === 0 ? "allowed" : stderr.includes("Forbidden") ? "forbidden" : stderr;
    }
    expect(answers).toEqual({
      ...Object.fromEntries(Object.keys(tries).map((name) => [name, "forbidden"])),
      "its own Secret": "allowed",
      "its own Secret, listed by name": "allowed",
    });
  });
});
