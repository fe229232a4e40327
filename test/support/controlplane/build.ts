import { resolve } from "node:path";
import { builtProgram, pinnedVersion } from "../gomodule/build.ts";
import type { BuildProgress } from "../gomodule/progress.ts";

const MODULE = resolve(import.meta.dirname, "go");

/**
 * The folder with etcd, kube-apiserver, kube-controller-manager and kubectl. The first call builds them from Go modules. The folder can
 * serve as KUBEBUILDER_ASSETS.
 */
export async function builtPrograms(progress: BuildProgress): Promise<string> {
  const version = await pinnedVersion(MODULE, "k8s.io/kubernetes");
  const [major = "", minor = ""] = version.replace("v", "").split(".");
  const stamp = "k8s.io/component-base/version";
  const program = {
    name: "control-plane",
    what: `a Kubernetes ${version} control plane`,
    module: MODULE,
    sources: ["main.go"],
    // The API server answers GET /version with these values.
    stamps: { [`${stamp}.gitVersion`]: version, [`${stamp}.gitMajor`]: major, [`${stamp}.gitMinor`]: minor },
    links: ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"],
  };
  return await builtProgram(program, progress);
}
