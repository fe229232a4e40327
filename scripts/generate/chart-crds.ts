import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Above this `kubectl apply` and Argo CD can no longer keep a copy of the object in an annotation (262,144 bytes). */
const LARGEST_FOR_CLIENT_SIDE_APPLY = 200 * 1024;

/**
 * The CRDs as templates of both charts. Helm installs what lies in a chart's `crds/` once and never upgrades it; templates
 * are upgraded, and `resource-policy: keep` saves them, and with them every object, when the release is uninstalled.
 */
export function chartCrds(root: string): [string, string][] {
  const names = readdirSync(join(root, "crds")).filter((name) => name.endsWith(".yaml"));
  return names.sort().flatMap((name): [string, string][] => {
    const crd = readFileSync(join(root, "crds", name), "utf8");
    if (crd.includes("{{")) throw new Error(`crds/${name} holds {{, which Helm would take for a template`);
    const note = `# Generated from crds/${name} by \`npm run generate\`. Do not edit.\n`;
    return [
      [
        `charts/sms-channel-operator/templates/crds/${name}`,
        `{{- include "smschannel.check" . }}\n{{- if .Values.crds.install }}\n${note}${withMetadata(crd, name, ofTheOperator)}{{- end }}\n`,
      ],
      [`charts/sms-channel-operator-crds/templates/${name}`, `${note}${withMetadata(crd, name, ofTheirOwn)}`],
    ];
  });
}

/** Of an object: its name and what the charts annotate it with, to lines of a template. */
type Metadata = (name: string, annotations: [string, string][]) => string[];

const ofTheOperator: Metadata = (name, annotations) => {
  const own = annotations.map(([key, value]) => `"${key}" "${value}"`).join(" ");
  return [
    `{{- include "smschannel.metadata" (dict "root" . "component" "kinds" "name" "${name}" "clusterWide" true "wave" "crds" "own" (dict ${own})) | nindent 2 }}`,
  ];
};

/** That chart has nothing but the CRDs: what users set is put in where they stand. */
const ofTheirOwn: Metadata = (name, annotations) => [
  `name: ${name}`,
  "{{- with .Values.commonLabels }}",
  "labels:",
  "  {{- toYaml . | nindent 4 }}",
  "{{- end }}",
  "annotations:",
  ...[...annotations, ["argocd.argoproj.io/sync-wave", "-4"]].map(([key, value]) => `  ${key}: "${value}"`),
  "  {{- with .Values.commonAnnotations }}",
  "  {{- toYaml . | nindent 4 }}",
  "  {{- end }}",
];

function withMetadata(crd: string, file: string, metadata: Metadata): string {
  const head = /^metadata:\n {2}name: (.+)\n/m;
  const body = crd.replace(/^(#.*\n)+/, "");
  if (!head.test(body)) throw new Error(`crds/${file}: metadata must begin with its name`);
  const annotations: [string, string][] = [["helm.sh/resource-policy", "keep"]];
  if (Buffer.byteLength(crd) > LARGEST_FOR_CLIENT_SIDE_APPLY)
    annotations.push(["argocd.argoproj.io/sync-options", "ServerSideApply=true"]);
  return body.replace(head, (_, name: string) =>
    ["metadata:", ...metadata(name, annotations).map((line) => `  ${line}`), ""].join("\n"),
  );
}
