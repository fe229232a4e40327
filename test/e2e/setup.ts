import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";
import { CHART } from "../chart/helm.ts";
import { helmProgram } from "../chart/tools.ts";

declare module "vitest" {
  interface ProvidedContext {
    helm: string;
    kubeconfig: string;
    /** The start of the name of every namespace of this run. */
    runId: string;
    image: string;
    /** The image of the older version, from which the tests upgrade and to which they roll back. */
    olderImage: string;
    olderChart: string;
    simulatorImage: string;
    postgresImage: string;
    postgresUser: number;
    /** Whether the cluster enforces NetworkPolicies. */
    enforcesPolicies: boolean;
    /** A command that restarts the cluster's only node and returns when the node is Ready again. Empty when there is no such command. */
    restartNode: string;
  }
}

const CRDS = resolve(import.meta.dirname, "../../crds");

/** Checks that the run has everything it needs, before minutes are spent. An error says what is missing and what to do. */
export default async function setup(project: TestProject) {
  const { E2E_IMAGE: image, E2E_POSTGRES_IMAGE: postgresImage } = process.env;
  if (image === undefined || postgresImage === undefined)
    throw new Error(
      "npm run test:e2e needs E2E_IMAGE and E2E_POSTGRES_IMAGE, images that the cluster's nodes have or can pull: see test/e2e/README.md.",
    );
  const kubeconfig = process.env.KUBECONFIG ?? join(homedir(), ".kube/config");
  const kubectl = async (...args: string[]) => {
    const env = { ...process.env, KUBECONFIG: kubeconfig };
    return (await promisify(execFile)("kubectl", args, { env })).stdout.trim();
  };
  const hadKinds = await kindsIn(kubectl, kubeconfig);
  project.provide("helm", await helmProgram());
  project.provide("kubeconfig", kubeconfig);
  project.provide("runId", `e2e-${randomBytes(2).toString("hex")}`);
  project.provide("image", image);
  project.provide("olderImage", process.env.E2E_OLDER_IMAGE ?? image);
  project.provide("olderChart", process.env.E2E_OLDER_CHART ?? CHART);
  project.provide("simulatorImage", process.env.E2E_SIMULATOR_IMAGE ?? image);
  project.provide("postgresImage", postgresImage);
  project.provide("enforcesPolicies", process.env.E2E_NETWORK_POLICIES === "enforced");
  project.provide("restartNode", process.env.E2E_RESTART_NODE ?? "");
  project.provide("postgresUser", Number(process.env.E2E_POSTGRES_USER ?? "999"));
  // The chart keeps the kinds when it is uninstalled. So the run removes the kinds from a cluster that did not have them before.
  return () => (hadKinds ? undefined : kubectl("delete", "--ignore-not-found", "--timeout=60s", "-f", CRDS));
}

/**
 * Whether the cluster has the kinds. The tests delete the kinds, and every object with them, so this throws when somebody may be
 * using them.
 */
async function kindsIn(
  kubectl: (...args: string[]) => Promise<string>,
  kubeconfig: string,
): Promise<boolean> {
  const owner = "{.metadata.annotations.meta\\.helm\\.sh/release-namespace}";
  const template = `{range .items[?(@.spec.group=="smschannel.dev")]}{.metadata.name} ${owner}{"\\n"}{end}`;
  const lines = await kubectl("get", "crd", "-o", `jsonpath=${template}`).catch((cause: Error) => {
    throw new Error(`npm run test:e2e needs a cluster, and kubectl reaches none with ${kubeconfig}`, {
      cause,
    });
  });
  const kinds = lines
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split(" ") as [name: string, owner?: string]);
  if (process.env.E2E_USED_CLUSTER === "1") return kinds.length > 0;
  for (const [name, owner = ""] of kinds) {
    if (owner !== "" && !owner.startsWith("e2e-"))
      throw new Error(
        `this cluster has the kinds from the release in namespace ${owner}, and these tests would remove them with every object: use a separate cluster for the tests, or set E2E_USED_CLUSTER=1 when nobody needs that release.`,
      );
    if ((await kubectl("get", name, "--all-namespaces", "-o", "name")) !== "")
      throw new Error(
        `this cluster has objects of ${name}, and these tests would remove them: use a separate cluster for the tests, or set E2E_USED_CLUSTER=1 when nobody needs them.`,
      );
  }
  return kinds.length > 0;
}
