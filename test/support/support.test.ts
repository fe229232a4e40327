import { CoreV1Api } from "@kubernetes/client-node";
import pg from "pg";
import { describe, expect, test } from "vitest";
import { kubeconfigPath, kubectl, newNamespace } from "./cluster.ts";
import { kubeConfig } from "./crds.ts";
import { newDatabase } from "./database.ts";

describe("the control plane of the tests", () => {
  test("removes a deleted namespace together with its objects", async () => {
    const namespace = await newNamespace("gone");
    const created = await kubectl(["create", "configmap", "settings", "-n", namespace, "--from-literal=a=b"]);
    expect(created).toMatchObject({ code: 0, stdout: "configmap/settings created\n" });
    expect(await kubectl(["delete", "namespace", namespace, "--timeout=50s"])).toMatchObject({ code: 0 });
    expect((await kubectl(["get", "namespace", namespace])).stderr).toContain("NotFound");
  });

  test("removes an object when its owner is deleted", async () => {
    const namespace = await newNamespace("collected");
    const core = kubeConfig(kubeconfigPath()).makeApiClient(CoreV1Api);
    const make = (name: string, owner?: { name: string; uid: string }) =>
      core.createNamespacedConfigMap({
        namespace,
        body: {
          metadata: {
            name,
            ...(owner && { ownerReferences: [{ apiVersion: "v1", kind: "ConfigMap", ...owner }] }),
          },
        },
      });
    const owner = await make("owner");
    await make("dependent", { name: "owner", uid: owner.metadata?.uid ?? "" });
    await core.deleteNamespacedConfigMap({ namespace, name: "owner" });
    const gone = await kubectl([
      "wait",
      "--for=delete",
      "configmap/dependent",
      "-n",
      namespace,
      "--timeout=50s",
    ]);
    expect(gone.code).toBe(0);
  });

  test("does not let a ServiceAccount without a role read Secrets", async () => {
    const namespace = await newNamespace("rights");
    const asNobody = await kubectl([
      "get",
      "secrets",
      "-n",
      namespace,
      `--as=system:serviceaccount:${namespace}:x`,
    ]);
    expect(asNobody.stderr).toContain("forbidden");
  });
});

test("two databases of a test run do not share tables", async () => {
  const [first, second] = await Promise.all([newDatabase(), newDatabase()]);
  expect(first).not.toBe(second);
  const client = new pg.Client({ connectionString: first });
  await client.connect();
  await client.query("create table only_here (id int)");
  await client.end();
  const other = new pg.Client({ connectionString: second });
  await other.connect();
  await expect(other.query("select * from only_here")).rejects.toMatchObject({ code: "42P01" });
  await other.end();
});
