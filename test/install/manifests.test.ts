import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { type Manifest, Rendered, render } from "../chart/helm.ts";
import { scenarios } from "../chart/scenarios.ts";
import { kubectl, newNamespace } from "../support/cluster.ts";

// A real API server accepts every field of the rendered objects, and no pod violates the restricted Pod Security Standard.

const root = resolve(import.meta.dirname, "../..");
const others = /^(monitoring\.coreos\.com|gateway\.networking\.k8s\.io)\//;

/** A namespace that enforces the restricted standard, and warns about pod templates that violate it. */
async function restrictedNamespace(): Promise<string> {
  const namespace = await newNamespace("sms");
  const labels = ["enforce", "warn"].map((mode) => `pod-security.kubernetes.io/${mode}=restricted`);
  expect(await kubectl(["label", "namespace", namespace, ...labels])).toMatchObject({ code: 0 });
  return namespace;
}

async function applied(manifests: Manifest[]) {
  // kubeconform checks the kinds that this API server does not have. The CRDs are left out: they are installed for all tests together.
  const known = manifests.filter(
    ({ apiVersion, kind }) => !others.test(apiVersion) && kind !== "CustomResourceDefinition",
  );
  const input = known.map((manifest) => stringify(asTemplate(manifest))).join("---\n");
  return await kubectl(["apply", "--dry-run=server", "--server-side", "--validate=strict", "-f", "-"], {
    input,
  });
}

/** Wraps a bare Pod into a Job. A bare Pod needs an existing ServiceAccount, and the API server checks a Job's pod template as well. */
function asTemplate(manifest: Manifest): Manifest {
  if (manifest.kind !== "Pod") return manifest;
  const { metadata, spec } = manifest;
  return { apiVersion: "batch/v1", kind: "Job", metadata, spec: { template: { spec } } };
}

describe("the chart", () => {
  test.each(
    Object.entries(scenarios),
  )("is accepted by the API server with these values: %s", async (_, values) => {
    const namespace = await restrictedNamespace();
    const watched = "watchNamespaces" in values ? { watchNamespaces: [await newNamespace("team")] } : {};
    const rendered = await render({ ...values, ...watched }, { namespace });
    const { code, stderr } = await applied(rendered.all);
    expect([code, stderr]).toEqual([0, ""]);
  });

  test("makes the API server warn when its values let a pod violate the restricted Pod Security Standard", async () => {
    const namespace = await restrictedNamespace();
    const rendered = await render({ podSecurityContext: { runAsNonRoot: false } }, { namespace });
    expect((await applied(rendered.all)).stderr).toContain("would violate PodSecurity");
  });
});

describe("plain manifests", () => {
  const manifestsIn = (text: string) => new Rendered(text).all;
  const moved = async (manifests: Manifest[]) => {
    const namespace = await restrictedNamespace();
    return manifests.map((manifest) =>
      manifest.metadata.namespace === undefined
        ? manifest
        : { ...manifest, metadata: { ...manifest.metadata, namespace } },
    );
  };
  const install = readFileSync(join(root, "deploy/install.yaml"), "utf8");

  test("are accepted by the API server, and do not mention Helm", async () => {
    const { code, stderr } = await applied(await moved(manifestsIn(install)));
    expect([code, stderr]).toEqual([0, ""]);
    expect(install).not.toMatch(/helm/i);
    expect(new Rendered(install).of("CustomResourceDefinition")).toHaveLength(
      new Rendered((await render()).text).of("CustomResourceDefinition").length,
    );
  });

  test("are the same as Kustomize's base", async () => {
    const { code, stdout } = await kubectl(["kustomize", join(root, "deploy/kustomize/base")]);
    expect(code).toBe(0);
    const byName = (text: string) =>
      new Map(manifestsIn(text).map((each) => [`${each.kind}/${each.metadata.name}`, each]));
    expect(byName(stdout)).toEqual(byName(install));
  });

  test("of the simulator make a restricted pod that only the operator's pods can reach", async () => {
    const simulator = manifestsIn(readFileSync(join(root, "deploy/simulator.yaml"), "utf8"));
    const namespace = await restrictedNamespace();
    const placed = simulator.map((each) => ({ ...each, metadata: { ...each.metadata, namespace } }));
    const { code, stderr } = await applied(placed);
    expect([code, stderr]).toEqual([0, ""]);
    const policy = simulator.find(({ kind }) => kind === "NetworkPolicy");
    const [{ podSelector }] = policy!.spec.ingress[0].from;
    for (const { labels } of (await render()).pods()) expect(labels).toMatchObject(podSelector.matchLabels);
  });

  test("can be adapted as in the Kustomize example, also in another namespace", async () => {
    const { code, stdout, stderr } = await kubectl(["kustomize", join(root, "deploy/kustomize/example")]);
    expect([code, stderr]).toEqual([0, ""]);
    const built = new Rendered(stdout);
    const env = built.env("Deployment", "-controller");
    expect(env).toMatchObject({
      PUBLIC_URL: "https://texts.example.org",
      OPERATOR_NAMESPACE: "(metadata.namespace)",
    });
    expect(built.files("-controller")).toEqual({
      "/etc/smschannel/database/url": "sms-channel-operator-database/controller-url",
    });
    for (const { spec } of built.pods())
      expect(spec.containers[0].image).toMatch(/^registry\.example\.com\/sms-channel-operator:/);
    expect(Object.keys(built.one("Secret").data)).toEqual(["controller-url", "owner-url", "receiver-url"]);
    const { code: taken, stderr: said } = await applied(
      (await moved(built.all)).filter(({ kind }) => kind !== "Namespace"),
    );
    expect([taken, said]).toEqual([0, ""]);
  });
});
