import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CoreV1Api, KubeConfig } from "@kubernetes/client-node";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { KubeClient } from "../../src/kube/client/client.ts";
import { KubeConnection, loadConfig } from "../../src/kube/client/connection.ts";
import type { KubeObject, ResourceType } from "../../src/kube/resource.ts";
import { kubeconfigPath, newNamespace } from "../support/cluster.ts";
import { temporaryDirectory } from "../support/controlplane/directory.ts";
import { kubeConfig } from "../support/crds.ts";
import { until } from "./widgets.ts";

const core = () => kubeConfig(kubeconfigPath()).makeApiClient(CoreV1Api);
let namespace: string;
let folder: string;
let client: KubeClient;
/** The time of the connection's clock, which decides when credentials are read again. */
let now: number;

beforeEach(async () => {
  namespace = await newNamespace("login");
  folder = await temporaryDirectory("sms-login");
  now = 0;
});
afterEach(async () => {
  vi.useRealTimers();
  await client?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Creates a ServiceAccount for one test, with a token and a function that revokes the token. */
async function account(name: string) {
  await core().createNamespacedServiceAccount({ namespace, body: { metadata: { name } } });
  const { status } = await core().createNamespacedServiceAccountToken({
    namespace,
    name,
    body: { spec: { audiences: [], expirationSeconds: 600 } },
  });
  const token = status?.token ?? "";
  return {
    token,
    user: `system:serviceaccount:${namespace}:${name}`,
    /** Resolves when the API server refuses the token. The server remembers for ten seconds that it accepted a token. */
    async revoke() {
      await core().deleteNamespacedServiceAccount({ namespace, name });
      const config = kubeConfig(kubeconfigPath());
      config.loadFromClusterAndUser(cluster(), { name, token });
      const other = new KubeClient(
        new KubeConnection(
          () => config,
          () => 0,
        ),
        { userAgent: "login-test" },
      );
      await until("the token is refused", async () => (await failure(whoAmI(other))) !== undefined);
      await other.close();
    },
  };
}

const reviews: ResourceType<KubeObject> = {
  group: "authentication.k8s.io",
  version: "v1",
  plural: "selfsubjectreviews",
  kind: "SelfSubjectReview",
  namespaced: false,
};
/** The user name under which the API server knows this client. */
async function whoAmI(as = client): Promise<string> {
  const { status } = await as.create(reviews, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "SelfSubjectReview",
    metadata: { name: "" },
  });
  return (status as { userInfo: { username: string } }).userInfo.username;
}
const connect = (load: () => KubeConfig, requestTimeoutMs = 10_000) => {
  client = new KubeClient(new KubeConnection(load, () => now), { userAgent: "login-test", requestTimeoutMs });
};
const failure = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );
const cluster = () => kubeConfig(kubeconfigPath()).getCurrentCluster()!;

describe("a client in a pod", () => {
  const mount = (name: string) => join(folder, "var/run/secrets/kubernetes.io/serviceaccount", name);

  beforeEach(async () => {
    const { hostname, port } = new URL(cluster().server);
    vi.stubEnv("KUBERNETES_SERVICE_HOST", hostname);
    vi.stubEnv("KUBERNETES_SERVICE_PORT", port);
    await mkdir(mount(""), { recursive: true });
    const authority = cluster().caData ?? (await readFile(cluster().caFile!)).toString("base64");
    await writeFile(mount("ca.crt"), Buffer.from(authority, "base64"));
    await writeFile(mount("namespace"), namespace);
    connect(() => {
      const config = new KubeConfig();
      config.loadFromCluster(folder);
      return config;
    });
  });
  afterEach(() => vi.unstubAllEnvs());

  test("uses the mounted token, certificate and namespace", async () => {
    const pod = await account("pod");
    await writeFile(mount("token"), pod.token);
    expect(await whoAmI()).toBe(pod.user);
    expect(client.namespace).toBe(namespace);
  });

  test("reads a replaced token again after a while", async () => {
    const [first, second] = [await account("first"), await account("second")];
    await writeFile(mount("token"), first.token);
    expect(await whoAmI()).toBe(first.user);
    await writeFile(mount("token"), second.token);
    expect(await whoAmI(), "not at each request").toBe(first.user);
    now += 10_000;
    // The official client reads a token file at most once a minute.
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 61_000 });
    expect(await whoAmI()).toBe(second.user);
  });

  test("reads the token again immediately when the server refuses it, and the request succeeds", async () => {
    const [first, second] = [await account("first"), await account("second")];
    await writeFile(mount("token"), first.token);
    expect(await whoAmI()).toBe(first.user);
    await writeFile(mount("token"), second.token);
    await first.revoke();
    expect(await whoAmI()).toBe(second.user);
  });

  test("uses the pod's account unless a kubeconfig is given", () => {
    const { users } = loadConfig(undefined);
    expect(users.map(({ authProvider }) => authProvider?.config?.tokenFile)).toEqual([
      "/var/run/secrets/kubernetes.io/serviceaccount/token",
    ]);
    expect(loadConfig(undefined).getCurrentCluster()?.server).toBe(cluster().server);
    expect(loadConfig(kubeconfigPath()).getCurrentUser()?.authProvider).toBeUndefined();
  });
});

describe("an exec plugin", () => {
  const answer = () => join(folder, "answer.json");
  const runs = async () => (await readFile(join(folder, "runs"), "utf8").catch(() => "")).length;

  /** The program of a plugin that prints the content of the answer file and counts its runs. */
  const plugin = (body = "") => `
    import { appendFileSync, readFileSync } from "node:fs";
    appendFileSync(${JSON.stringify(join(folder, "runs"))}, "x");
    ${body}
    process.stdout.write(readFileSync(${JSON.stringify(answer())}));`;
  const says = (token: string, expirationTimestamp?: string) =>
    writeFile(
      answer(),
      JSON.stringify({
        apiVersion: "client.authentication.k8s.io/v1",
        kind: "ExecCredential",
        status: { token, ...(expirationTimestamp === undefined ? {} : { expirationTimestamp }) },
      }),
    );
  const install = (text: string) => writeFile(join(folder, "plugin.mjs"), text);

  beforeEach(async () => {
    await install(plugin());
    const kubeconfig = join(folder, "kubeconfig");
    const { name, server, caData, caFile } = cluster();
    const exec = {
      apiVersion: "client.authentication.k8s.io/v1",
      command: process.execPath,
      args: [join(folder, "plugin.mjs")],
      interactiveMode: "Never",
    };
    await writeFile(
      kubeconfig,
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        clusters: [
          {
            name,
            cluster: { server, "certificate-authority-data": caData, "certificate-authority": caFile },
          },
        ],
        users: [{ name: "laptop", user: { exec } }],
        contexts: [{ name: "laptop", context: { cluster: name, user: "laptop" } }],
        "current-context": "laptop",
      }),
    );
    connect(() => loadConfig(kubeconfig), 3000);
  });

  test("is run once for many requests", async () => {
    const user = await account("laptop");
    await says(user.token);
    const names = await Promise.all(Array.from({ length: 20 }, () => whoAmI()));
    expect(new Set(names)).toEqual(new Set([user.user]));
    now += 60_000;
    expect(await whoAmI()).toBe(user.user);
    expect(await runs()).toBe(1);
  });

  test("is run again when its credential has expired", async () => {
    const [first, second] = [await account("first"), await account("second")];
    await says(first.token, new Date(Date.now() - 1000).toISOString());
    expect(await whoAmI()).toBe(first.user);
    await says(second.token);
    now += 10_000;
    expect(await whoAmI()).toBe(second.user);
    expect(await runs()).toBe(2);
  });

  test("is run again when the server refuses its credential, and the request succeeds", async () => {
    const [first, second] = [await account("first"), await account("second")];
    await says(first.token);
    expect(await whoAmI()).toBe(first.user);
    await first.revoke();
    await says(second.token);
    expect(await whoAmI()).toBe(second.user);
    expect(await runs()).toBe(2);
  });

  test("is not run for each request while the server refuses every credential from it", async () => {
    await says("nonsense");
    for (let i = 0; i < 10; i++)
      expect(await failure(whoAmI())).toMatchObject({ status: 401, reason: "Unauthorized" });
    expect(await runs()).toBe(2);
  });

  test("that fails gives an error with the plugin's own message, and the next request runs it again", async () => {
    const user = await account("laptop");
    await install(plugin(`console.error("please log in first"); process.exit(1);`));
    expect(await failure(whoAmI())).toMatchObject({
      name: "KubeError",
      status: 0,
      message: expect.stringContaining("please log in first"),
    });
    await install(plugin());
    await says(user.token);
    expect(await whoAmI()).toBe(user.user);
  });

  test("that hangs does not delay a request beyond its time-out", async () => {
    await says("nonsense");
    await install(plugin("await new Promise((resolve) => setTimeout(resolve, 8000));"));
    expect(await failure(whoAmI())).toMatchObject({ status: 0, reason: "Timeout" });
    const stopped = new AbortController();
    const watching = client
      .watch(reviews, { resourceVersion: "0", timeoutSeconds: 1 }, stopped.signal)
      .next();
    stopped.abort(new Error("we stop"));
    expect(await failure(watching)).toMatchObject({ message: "we stop" });
    expect(await runs()).toBe(1);
  });
});
