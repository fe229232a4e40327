import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { builtProgram, pinnedVersion } from "../support/gomodule/build.ts";
import { progressOn } from "../support/gomodule/progress.ts";

// The programs that check the chart. A separate Go module pins each program, because they need different versions of the same packages.

const tools = {
  helm: { module: "helm.sh/helm/v4", package: "helm.sh/helm/v4/cmd/helm", tags: [] },
  kubeconform: {
    module: "github.com/yannh/kubeconform",
    package: "github.com/yannh/kubeconform/cmd/kubeconform",
    tags: [],
  },
  "kube-score": {
    module: "github.com/zegl/kube-score",
    package: "github.com/zegl/kube-score/cmd/kube-score",
    tags: [],
  },
  promtool: {
    module: "github.com/prometheus/prometheus",
    package: "github.com/prometheus/prometheus/cmd/promtool",
    // This build tag leaves out service discovery for twenty clouds, which the checks of the chart do not use.
    tags: ["remove_all_sd"],
  },
} as const;

export type Tool = keyof typeof tools;

/** Path of the program. It is built from Go modules, unless an earlier run has built it. */
export async function builtTool(name: Tool): Promise<string> {
  const folder = resolve(import.meta.dirname, "tools", name);
  const { module, tags, package: main } = tools[name];
  const what = `${name} ${await pinnedVersion(folder, module)}`;
  const program = { name, what, module: folder, sources: [], stamps: {}, package: main, tags };
  return join(await builtProgram(program, progressOn(process.stderr)), name);
}

/** Path of Helm 4: `HELM_BIN`, else a Helm 4 in PATH or in the folder KUBEBUILDER_ASSETS, else one that is built. */
export async function helmProgram(): Promise<string> {
  const given = process.env.HELM_BIN;
  if (given !== undefined && given !== "") return given;
  const folders = [...(process.env.PATH ?? "").split(delimiter), process.env.KUBEBUILDER_ASSETS ?? ""];
  for (const folder of folders) {
    const helm = join(folder, "helm");
    if (folder !== "" && existsSync(helm) && (await isHelm4(helm))) return helm;
  }
  return await builtTool("helm");
}

/** Is this program Helm 4? Helm 3 renders the same objects, but words its errors differently, and tests quote these errors. */
function isHelm4(program: string): Promise<boolean> {
  const child = spawn(program, ["version", "--template", "{{.Version}}"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  return new Promise((answer) =>
    child.once("error", () => answer(false)).once("close", () => answer(text.startsWith("v4."))),
  );
}
