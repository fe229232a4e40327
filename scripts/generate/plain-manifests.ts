import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { helmProgram } from "../../test/chart/tools.ts";

const CHART = "charts/sms-channel-operator";
const VALUES = "deploy/install-values.yaml";
const INSTALL = "deploy/install.yaml";
const BASE = "deploy/kustomize/base";

/**
 * Makes `deploy/install.yaml` and the Kustomize base by rendering the chart. The first line of install.yaml has a hash of the chart and a
 * hash of the text below. These hashes show whether the file is up to date, so that Helm is needed only after a change of the chart.
 */
export async function plainManifests(
  root: string,
  { check }: { check: boolean },
): Promise<[string, string][]> {
  const source = hashOfSource(root);
  const before = textOf(join(root, INSTALL)) ?? "";
  const good = firstLine(before) === headOf(source, bodyOf(before));
  if (!good && check) return [[INSTALL, "stale"]];
  const text = good ? before : withHead(source, await render(root));
  const [crds, operator] = splitCrds(bodyOf(text));
  return [
    [INSTALL, text],
    [`${BASE}/crds.yaml`, crds],
    [`${BASE}/operator.yaml`, operator],
    [`${BASE}/kustomization.yaml`, KUSTOMIZATION],
  ];
}

const NOTE = "# Made of the chart by `npm run generate`. Do not edit.\n";
const KUSTOMIZATION = `${NOTE}apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [crds.yaml, operator.yaml]
`;

/** Renders the chart, and returns the text that install.yaml has after its first line. */
export async function render(root: string): Promise<string> {
  const name = "sms-channel-operator";
  const args = ["template", name, CHART, "--namespace", name, "--values", VALUES, "--no-hooks"];
  const { status, stdout, stderr } = spawnSync(await helmProgram(), args, { cwd: root, encoding: "utf8" });
  if (status !== 0) throw new Error(`helm template failed:\n${stderr}`);
  return plain(stdout);
}

/** Removes what only Helm needs: Helm's labels, the policy for an uninstall, names of templates, and blank lines. */
function plain(rendered: string): string {
  const helms = /^\s*(# Source: .*|helm\.sh\/.*|app\.kubernetes\.io\/managed-by: Helm|)$/;
  const documents = rendered.split(/^---$/m).map((document) =>
    document
      .split("\n")
      .filter((line) => !helms.test(line))
      .join("\n"),
  );
  return `${documents.filter((document) => document.includes("kind:")).join("\n---\n")}\n`;
}

function splitCrds(body: string): [crds: string, operator: string] {
  const documents = body.trimEnd().split("\n---\n");
  const isCrd = (document: string) => /^kind: CustomResourceDefinition$/m.test(document);
  const join = (some: string[]) => `${NOTE}${some.join("\n---\n")}\n`;
  return [join(documents.filter(isCrd)), join(documents.filter((document) => !isCrd(document)))];
}

function hashOfSource(root: string): string {
  const hash = createHash("sha256");
  const files = readdirSync(join(root, CHART), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    // A README is left out of the hash, because it does not change what the chart renders.
    .filter((path) => !path.endsWith(".md"));
  for (const path of [...files, VALUES].sort())
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(root, path)))
      .update("\0");
  return hash.digest("hex").slice(0, 16);
}

const withHead = (source: string, body: string) => `${headOf(source, body)}\n${body}`;
const headOf = (source: string, body: string) =>
  `# Made by \`npm run generate\` of the chart (${source}) with ${VALUES}; do not edit (${createHash("sha256").update(body).digest("hex").slice(0, 16)}). docs/install/install.md says what is yours to change.`;
const firstLine = (text: string) => text.slice(0, text.indexOf("\n"));
const bodyOf = (text: string) => text.slice(text.indexOf("\n") + 1);

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
