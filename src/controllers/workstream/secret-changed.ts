import type { WorkStream } from "../../api/index.ts";
import type { Secret } from "../../kube/resource.ts";
import type { ReadStore } from "../../kube/watch/store.ts";

/** Has the WorkStream's Secret changed since the attempt that its status reports? */
export function secretChangedWhileAway(
  secrets: Pick<ReadStore<Secret>, "get">,
  { metadata, spec, status }: WorkStream,
): boolean {
  const secret = secrets.get(metadata.namespace, spec.sms.twilio.credentialsSecretRef.name);
  // Kubernetes allows clients to compare resourceVersions only for equality.
  return secret?.metadata.resourceVersion !== status?.lastValidation?.secretResourceVersion;
}
