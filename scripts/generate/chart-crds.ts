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
    const text = `# Generated from crds/${name} by \`npm run generate\`. Do not edit.\n${annotated(crd, name)}`;
    return [
      [
        `charts/sms-channel-operator/templates/crds/${name}`,
        `{{- if .Values.crds.install }}\n${text}{{- end }}\n`,
      ],
      [`charts/sms-channel-operator-crds/templates/${name}`, text],
    ];
  });
}

function annotated(crd: string, name: string): string {
  if (crd.includes("{{")) throw new Error(`crds/${name} holds {{, which Helm would take for a template`);
  const annotations = [
    "helm.sh/resource-policy: keep",
    'argocd.argoproj.io/sync-wave: "-4"',
    ...(Buffer.byteLength(crd) > LARGEST_FOR_CLIENT_SIDE_APPLY
      ? ["argocd.argoproj.io/sync-options: ServerSideApply=true"]
      : []),
  ];
  const head = /^metadata:\n {2}name: .+\n/m;
  const body = crd.replace(/^(#.*\n)+/, "");
  if (!head.test(body)) throw new Error(`crds/${name}: metadata must begin with its name`);
  return body.replace(head, (found) => `${found}  annotations:\n    ${annotations.join("\n    ")}\n`);
}
