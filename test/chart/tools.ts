import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { builtProgram, pinnedVersion } from "../support/gomodule/build.ts";
import { progressOn } from "../support/gomodule/progress.ts";

// The programs that check the chart. Each is pinned by a Go module of its own, as their dependencies need different versions.

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
    // Leaves out service discovery for twenty clouds, which these checks do not use.
    tags: ["remove_all_sd"],
  },
} as const;

export type Tool = keyof typeof tools;

/** Path of the program, built from Go modules where this was not done before. */
export async function builtTool(name: Tool): Promise<string> {
  const folder = resolve(import.meta.dirname, "tools", name);
  const { module, tags, package: main } = tools[name];
  const what = `${name} ${await pinnedVersion(folder, module)}`;
  const program = { name, what, module: folder, sources: [], stamps: {}, package: main, tags };
  return join(await builtProgram(program, progressOn(process.stderr)), name);
}

/** Helm 4: `HELM_BIN`, else one in PATH or beside the given control plane, else built. */
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

/** Helm 3 renders the same, but words its errors differently. */
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
