import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseAllDocuments } from "yaml";

/** A namespace that refuses every pod which does not meet the restricted Pod Security Standard. */
export function restrictedNamespace(name: string) {
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name, labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
  };
}

/** The settings that the restricted Pod Security Standard requires, for the pods that the tests create. */
export const podSecurity = {
  pod: (runAsUser?: number) => ({
    automountServiceAccountToken: false,
    securityContext: {
      runAsNonRoot: true,
      seccompProfile: { type: "RuntimeDefault" },
      ...(runAsUser === undefined ? {} : { runAsUser, runAsGroup: runAsUser, fsGroup: runAsUser }),
    },
  }),
  container: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
};

export interface TeamCredentials {
  accountSid: string;
  authToken: string;
}

/** Secret, WorkStream and SmsNumber of one team, with the fewest fields that a user must write. */
export function team(
  namespace: string,
  number: string,
  { accountSid, authToken }: TeamCredentials,
): object[] {
  const apiVersion = "smschannel.dev/v1alpha1";
  return [
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "twilio", namespace },
      stringData: { accountSid, authToken },
    },
    {
      apiVersion,
      kind: "WorkStream",
      metadata: { name: "support", namespace },
      spec: {
        autoCloseAfterInactivity: "48h",
        sms: { twilio: { credentialsSecretRef: { name: "twilio" } } },
      },
    },
    {
      apiVersion,
      kind: "SmsNumber",
      metadata: { name: "line", namespace },
      spec: { workStreamRef: { name: "support" }, number },
    },
  ];
}

/** The objects in the folder examples/, moved into a namespace. */
export function examples(namespace: string): { kind: string; metadata: { name: string } }[] {
  const folder = resolve(import.meta.dirname, "../../examples");
  const documents = readdirSync(folder)
    .filter((name) => name.endsWith(".yaml"))
    .sort()
    .flatMap((name) => parseAllDocuments(readFileSync(join(folder, name), "utf8")));
  return documents.map((document) => {
    const object = document.toJS() as { kind: string; metadata: { name: string } };
    return { ...object, metadata: { ...object.metadata, namespace } };
  });
}
