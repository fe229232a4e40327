import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { parse, stringify } from "yaml";
import { CHART, helm, merge, Rendered } from "../chart/helm.ts";
import { required } from "../chart/values.ts";
import { kubeconfigPath, kubectl, newNamespace } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";

// Tests of Helm against a real API server: what the templates look up, what an upgrade keeps, and what the hooks create and delete.

// Each test starts a dozen programs one after the other, which takes long on a busy machine.
vi.setConfig({ testTimeout: 240_000 });

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** Values that leave the CRDs out, because the test run has installed them for all tests. */
const values = (more: object) => merge(merge(required, { crds: { install: false } }), more);
const helmIn = (namespace: string, args: string[], more: object = {}) =>
  helm([...args, "--namespace", namespace, "--kubeconfig", kubeconfigPath(), "--values", "-"], values(more));

/** Renders the objects that would be installed. --dry-run=server lets the templates look objects up in the cluster. */
async function rendered(namespace: string, more: object): Promise<Rendered> {
  const { code, stdout, stderr } = await helmIn(
    namespace,
    ["template", "sms", CHART, "--dry-run=server"],
    more,
  );
  expect([code, stderr]).toEqual([0, ""]);
  return new Rendered(stdout);
}

const uninstall = (namespace: string, ...flags: string[]) =>
  helm(["uninstall", "sms", "--namespace", namespace, "--kubeconfig", kubeconfigPath(), ...flags]);

async function made(manifest: object) {
  expect(await kubectl(["create", "-f", "-"], { input: stringify(manifest) })).toMatchObject({ code: 0 });
}

/** Makes a chart with our chart's name, no templates and all but the given keys, like a version from before these keys were added. */
async function olderChart(without: string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sms-older-"));
  open.push(() => rm(folder, { recursive: true, force: true }));
  const defaults = parse(await readFile(join(CHART, "values.yaml"), "utf8"));
  for (const path of without) {
    const keys = path.split(".");
    const last = keys.pop()!;
    delete keys.reduce((at, key) => at[key], defaults)[last];
  }
  await mkdir(join(folder, "templates"));
  await writeFile(join(folder, "Chart.yaml"), "apiVersion: v2\nname: sms-channel-operator\nversion: 0.0.1\n");
  await writeFile(join(folder, "values.yaml"), stringify(defaults));
  return folder;
}

describe("an upgrade from a chart that lacks some keys", () => {
  const added = ["global", "containerSecurityContext", "receiver.extraVolumes"];
  const upgrade = async (flag: string) => {
    const namespace = await newNamespace("sms");
    const chart = await olderChart(added);
    expect(await helmIn(namespace, ["install", "sms", chart])).toMatchObject({ code: 0 });
    open.push(() => uninstall(namespace));
    const args = ["upgrade", "sms", CHART, flag, "--dry-run=server"];
    return await helm([...args, "--namespace", namespace, "--kubeconfig", kubeconfigPath()]);
  };

  test("fails with --reuse-values, says what to do, and names the keys", async () => {
    const { code, stderr } = await upgrade("--reuse-values");
    expect(code).toBe(1);
    expect(stderr).toContain("upgrade with --reset-then-reuse-values instead");
    for (const path of added) expect(stderr).toContain(`value "${path}" is empty`);
  });

  test("succeeds with --reset-then-reuse-values, which takes the new defaults first", async () => {
    expect(await upgrade("--reset-then-reuse-values")).toMatchObject({ code: 0 });
  });
});

describe("a chart that looks objects up in the cluster", () => {
  test("refuses to install with a watched namespace that does not exist, and names it", async () => {
    const [namespace, team] = [await newNamespace("sms"), await newNamespace("team")];
    const watchNamespaces = [team, "not-there"];
    const install = ["install", "sms", CHART, "--dry-run=server"];
    const { code, stderr } = await helmIn(namespace, install, { watchNamespaces });
    expect(code).toBe(1);
    expect(stderr).toContain('watchNamespaces: there is no namespace "not-there": create it first');
    expect(stderr).not.toContain(team);
    expect(await helmIn(namespace, install, { watchNamespaces: [team] })).toMatchObject({ code: 0 });
    // Without rbac.create the chart looks nothing up, because the installing user may have no right to do so.
    const rbac = { create: false };
    expect(await helmIn(namespace, install, { watchNamespaces, rbac })).toMatchObject({ code: 0 });
  });

  test("replaces pods when the certificates in a ConfigMap or Secret have changed", async () => {
    const namespace = await newNamespace("sms");
    const checksum = async (trustedCertificates: object) =>
      (await rendered(namespace, { trustedCertificates })).one("Deployment", "-receiver").spec.template
        .metadata.annotations["checksum/trusted-certificates"];
    const metadata = { name: "ca", namespace };
    await made({ apiVersion: "v1", kind: "ConfigMap", metadata, data: { "ca.crt": "one" } });
    await made({ apiVersion: "v1", kind: "Secret", metadata, stringData: { "ca.crt": "one", other: "a" } });
    const before = [await checksum({ configMap: "ca" }), await checksum({ secret: "ca" })];
    for (const hash of before) expect(hash).toMatch(/^[0-9a-f]{64}$/);
    // A change of a key that is not mounted replaces no pod.
    const other = [
      "patch",
      "secret",
      "ca",
      "-n",
      namespace,
      "-p",
      JSON.stringify({ stringData: { other: "b" } }),
    ];
    expect(await kubectl(other)).toMatchObject({ code: 0 });
    expect(await checksum({ secret: "ca" })).toBe(before[1]);
    for (const [at, [kind, field]] of [
      ["configmap", "data"],
      ["secret", "stringData"],
    ].entries()) {
      const patch = JSON.stringify({ [field!]: { "ca.crt": "two" } });
      expect(await kubectl(["patch", kind!, "ca", "-n", namespace, "-p", patch])).toMatchObject({ code: 0 });
      expect(await checksum(at === 0 ? { configMap: "ca" } : { secret: "ca" })).not.toBe(before[at]);
    }
    expect(await checksum({ configMap: "not-there" })).toBeUndefined();
  });
});

describe("the evaluation database", () => {
  const on = { database: { existingSecret: "" }, evaluationDatabase: { enabled: true } };
  const withImage = (tag: string) => merge(on, { evaluationDatabase: { image: { tag } } });
  const imageOfPod = async (namespace: string) => {
    const path = "jsonpath={.items[*].spec.containers[*].image}";
    return (await kubectl(["get", "pods", "-n", namespace, "-o", path])).stdout;
  };

  test("is replaced by an upgrade that corrects its image, although the pod was never ready", async () => {
    // There are no nodes, so the pod waits for ever, like one whose image cannot be pulled.
    const namespace = await newNamespace("sms");
    const release = async (command: string, tag: string) =>
      expect(await helmIn(namespace, [command, "sms", CHART], withImage(tag))).toMatchObject({ code: 0 });
    await release("install", "17.wrong");
    open.push(() => uninstall(namespace, "--no-hooks"));
    await eventually("the pod of the wrong image", async () =>
      (await imageOfPod(namespace)).endsWith(":17.wrong") ? true : undefined,
    );
    await release("upgrade", "17.5");
    await eventually("the pod of the right image", async () =>
      (await imageOfPod(namespace)).endsWith(":17.5") ? true : undefined,
    );
  });

  test("of an older chart can be upgraded, and the fields that Kubernetes does not allow to change stay as they are", async () => {
    const namespace = await newNamespace("sms");
    const { metadata, spec } = (await rendered(namespace, on)).one("StatefulSet");
    expect(spec.podManagementPolicy).toBe("Parallel");
    const owner = { "meta.helm.sh/release-name": "sms", "meta.helm.sh/release-namespace": namespace };
    await made({
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { ...metadata, annotations: owner },
      spec: { ...spec, podManagementPolicy: "OrderedReady" },
    });
    const now = (await rendered(namespace, on)).one("StatefulSet");
    expect(now.spec.podManagementPolicy).toBe("OrderedReady");
  });
});

test("the uninstall Job has its rights only while it runs", async () => {
  const [namespace, team] = [await newNamespace("sms"), await newNamespace("team")];
  const account = "sms-sms-channel-operator-release";
  const more = { controller: { lease: { create: false } } };
  expect(await helmIn(namespace, ["install", "sms", CHART], more)).toMatchObject({ code: 0 });
  const may = async (...question: string[]) => {
    const as = `--as=system:serviceaccount:${namespace}:${account}`;
    return (await kubectl(["auth", "can-i", ...question, as])).stdout.trim();
  };
  const answers = async () => [
    await may("list", "secrets", "-n", namespace),
    await may("get", "secrets", "-n", team),
    await may("patch", "smsnumbers", "-n", team),
  ];
  const accountIs = async () =>
    (await kubectl(["get", "serviceaccount", account, "-n", namespace, "--ignore-not-found", "-o", "name"]))
      .stdout;
  expect([await accountIs(), await answers()]).toEqual(["", ["no", "no", "no"]]);

  const uninstalled = uninstall(namespace);
  await eventually("the Job before the uninstall", async () =>
    (await kubectl(["get", "job", account, "-n", namespace])).code === 0 ? true : undefined,
  );
  expect(await accountIs()).not.toBe("");
  expect(await answers()).toEqual(["yes", "yes", "yes"]);
  // There are no nodes, so the test writes the Job's status itself.
  const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
  const condition = (type: string) => ({
    type,
    status: "True",
    reason: "CompletionsReached",
    lastTransitionTime: now,
  });
  const status = {
    startTime: now,
    completionTime: now,
    succeeded: 1,
    conditions: [condition("SuccessCriteriaMet"), condition("Complete")],
  };
  const patch = ["patch", "job", account, "-n", namespace, "--subresource=status", "--type=merge"];
  expect(await kubectl([...patch, "-p", JSON.stringify({ status })])).toMatchObject({ code: 0 });
  expect(await uninstalled).toMatchObject({ code: 0 });
  expect([await accountIs(), await answers()]).toEqual(["", ["no", "no", "no"]]);
  const bindings = await kubectl(["get", "clusterrolebindings,rolebindings", "-A", "-o", "name"]);
  expect(bindings.stdout).not.toContain(`${account.replace("-release", "")}-${namespace}`);
});

test("an editor of a namespace may create a channel there, and a viewer may see it", async () => {
  const [namespace, team] = [await newNamespace("sms"), await newNamespace("team")];
  const { all } = await rendered(namespace, {});
  const roles = all.filter(
    ({ kind, metadata }) => kind === "ClusterRole" && /-(edit|view)$/.test(metadata.name),
  );
  await made({ apiVersion: "v1", kind: "List", items: roles });
  open.push(() => kubectl(["delete", "clusterrole", ...roles.map(({ metadata }) => metadata.name)]));
  for (const role of ["view", "edit", "admin"]) {
    const args = [`--clusterrole=${role}`, `--user=${role}`, "-n", team];
    expect(await kubectl(["create", "rolebinding", role, ...args])).toMatchObject({ code: 0 });
  }
  const may = async (user: string, ...question: string[]) =>
    (await kubectl(["auth", "can-i", ...question, "-n", team, `--as=${user}`])).stdout.trim();
  const answers = async () => ({
    view: [await may("view", "get", "smsnumbers"), await may("view", "create", "smsnumbers")],
    edit: [
      await may("edit", "list", "workstreams"),
      await may("edit", "create", "smsnumbers"),
      await may("edit", "delete", "operatinghours"),
      await may("edit", "patch", "smsnumbers", "--subresource=status"),
    ],
    admin: [
      await may("admin", "create", "smsnumbers"),
      await may("admin", "patch", "workstreams", "--subresource=status"),
    ],
  });
  // Kubernetes adds the rules of these ClusterRoles to its own ClusterRoles view, edit and admin.
  await eventually("the roles are added", async () =>
    (await may("admin", "create", "smsnumbers")) === "yes" &&
    (await may("view", "get", "smsnumbers")) === "yes"
      ? true
      : undefined,
  );
  expect(await answers()).toEqual({
    view: ["yes", "no"],
    edit: ["yes", "yes", "yes", "no"],
    admin: ["yes", "no"],
  });
});
