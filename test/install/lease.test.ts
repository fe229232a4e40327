import { expect, test } from "vitest";
import { CHART, helm } from "../chart/helm.ts";
import { required } from "../chart/values.ts";
import { kubeconfigPath, kubectl, newNamespace } from "../support/cluster.ts";

// Controllers and `smschannel release` create the Lease when there is none. Such a Lease does not belong to Helm, which would refuse to
// install over it.

const asInstalledNow = async (namespace: string) =>
  await helm(
    [
      "install",
      "sms",
      CHART,
      "--namespace",
      namespace,
      "--values",
      "-",
      "--dry-run=server",
      "--skip-crds",
    ].concat(["--kubeconfig", kubeconfigPath(), "--set", "crds.install=false"]),
    required,
  );

const lease = async (namespace: string, annotations: object) => {
  const metadata = { name: "sms-controller", namespace, annotations };
  const labels = { "app.kubernetes.io/managed-by": "Helm" };
  const spec = { holderIdentity: "nobody", leaseDurationSeconds: 120 };
  const object = {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { ...metadata, labels },
    spec,
  };
  const { code, stderr } = await kubectl(["create", "-f", "-"], { input: JSON.stringify(object) });
  expect([code, stderr]).toEqual([0, ""]);
};

test("an install creates the Lease when there is none", async () => {
  const { code, stdout, stderr } = await asInstalledNow(await newNamespace("sms"));
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toContain("kind: Lease");
});

test("an install succeeds when there already is a Lease, and does not change it", async () => {
  const namespace = await newNamespace("sms");
  await lease(namespace, {});
  const { code, stdout, stderr } = await asInstalledNow(namespace);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).not.toContain("kind: Lease");
});

test("a Lease that belongs to the release is rendered again, so that it stays part of the release", async () => {
  const namespace = await newNamespace("sms");
  await lease(namespace, {
    "meta.helm.sh/release-name": "sms",
    "meta.helm.sh/release-namespace": namespace,
  });
  const { code, stdout, stderr } = await asInstalledNow(namespace);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toContain("kind: Lease");
});
