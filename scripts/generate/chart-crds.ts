import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Argo CD applies a larger CRD on the server's side. In a client-side apply, kubectl and Argo CD keep a copy of the object in an
 * annotation, which may have 262,144 bytes; the size here leaves a margin.
 */
const LARGEST_FOR_CLIENT_SIDE_APPLY = 200 * 1024;

/**
 * The CRDs as templates of both charts. They are templates because Helm installs a chart's `crds/` folder once and never upgrades it. The
 * annotation `resource-policy: keep` leaves the CRDs in the cluster when the release is uninstalled: deleting a CRD deletes every object of
 * its kind.
 */
export function chartCrds(root: string): [string, string][] {
  const names = readdirSync(join(root, "crds")).filter((name) => name.endsWith(".yaml"));
  return names.sort().flatMap((name): [string, string][] => {
    const crd = readFileSync(join(root, "crds", name), "utf8");
    if (crd.includes("{{")) throw new Error(`crds/${name} contains {{, which Helm would take for a template`);
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

/** Returns the template lines that give an object its name and its annotations. */
type Metadata = (name: string, annotations: [string, string][]) => string[];

const ofTheOperator: Metadata = (name, annotations) => {
  const own = annotations.map(([key, value]) => `"${key}" "${value}"`).join(" ");
  return [
    `{{- include "smschannel.metadata" (dict "root" . "component" "kinds" "name" "${name}" "clusterWide" true "wave" "crds" "own" (dict ${own})) | nindent 2 }}`,
  ];
};

/**
 * The metadata of a CRD in the chart that has only the CRDs. This chart has no helper templates, so labels and annotations of users are
 * inserted here.
 */
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
