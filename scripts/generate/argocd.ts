import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readCrds } from "../../src/api/crds.ts";

const FOLDER = "deploy/argocd";
const SOURCE = `${FOLDER}/health.lua`;

/**
 * The files of `deploy/argocd/`. All kinds share one health check, which is written in each form that Argo CD takes. A new kind in crds/
 * gets its copies without further work, and the tests then require its `health_test.yaml`.
 */
export async function argocdFiles(root: string): Promise<[string, string][]> {
  const lua = await readFile(join(root, SOURCE), "utf8");
  const kinds = readCrds(join(root, "crds"));
  return [
    ...kinds.map(({ group, kind }): [string, string] => [
      `${FOLDER}/resource_customizations/${group}/${kind}/health.lua`,
      lua,
    ]),
    [`${FOLDER}/argocd-cm.yaml`, [...configMap, ...kinds.map((kind) => setting(kind, lua, 2))].join("\n")],
    [`${FOLDER}/values.yaml`, [...chartValues, ...kinds.map((kind) => setting(kind, lua, 4))].join("\n")],
  ];
}

/** The lines that give Argo CD one kind's health check. They end with a line break. */
function setting({ group, kind }: { group: string; kind: string }, lua: string, indent: number): string {
  const lines = [
    `resource.customizations.health.${group}_${kind}: |`,
    ...lua.trimEnd().split("\n").map(indented),
  ];
  return `${lines.map((line) => (line === "" ? line : " ".repeat(indent) + line)).join("\n")}\n`;
}

const indented = (line: string) => (line === "" ? line : `  ${line}`);

const generated = "Generated from deploy/argocd/health.lua by `npm run generate`. Do not edit.";

const configMap = [
  `# ${generated}`,
  "# The health checks of the kinds of smschannel.dev, to be merged into Argo CD's settings:",
  "#   kubectl -n argocd patch configmap argocd-cm --patch-file deploy/argocd/argocd-cm.yaml",
  "# or, where kustomize installs Argo CD, as one of its patches. Other keys stay as they are.",
  "apiVersion: v1",
  "kind: ConfigMap",
  "metadata:",
  "  name: argocd-cm",
  "  namespace: argocd",
  "  labels:",
  "    app.kubernetes.io/name: argocd-cm",
  "    app.kubernetes.io/part-of: argocd",
  "data:",
];

const chartValues = [
  `# ${generated}`,
  "# The same health checks as values of the Helm chart argo-cd:",
  "#   helm upgrade argocd argo/argo-cd --namespace argocd --reuse-values --values deploy/argocd/values.yaml",
  "configs:",
  "  cm:",
];
