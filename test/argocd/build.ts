import { join, resolve } from "node:path";
import { builtProgram, type GoProgram, hasGo, pinnedVersion } from "../support/gomodule/build.ts";
import type { BuildProgress } from "../support/gomodule/progress.ts";

const MODULE = resolve(import.meta.dirname, "go");
const ARGO_CD = "github.com/argoproj/argo-cd/v3";

/** The folder with the program `argocd` and with Argo CD's CRDs and settings; undefined when there is no Go to build the program with. */
export async function builtArgocd(progress: BuildProgress): Promise<string | undefined> {
  if (!(await hasGo())) return undefined;
  const version = await pinnedVersion(MODULE, ARGO_CD);
  const program: GoProgram = {
    name: "argocd",
    what: `Argo CD ${version}`,
    module: MODULE,
    sources: ["main.go", "health.go", "redis.go"],
    stamps: { [`${ARGO_CD}/common.version`]: version.replace("v", "") },
    folders: ["crds", "base/config"].map((path) => ({ module: ARGO_CD, path: join("manifests", path) })),
  };
  return await builtProgram(program, progress);
}
