import type { WorkStream } from "../../api/index.ts";
import type { Secret } from "../../kube/resource.ts";
import type { ReadStore } from "../../kube/store.ts";

/** Is the stream's Secret, as watched, another than the one that its status tells of? */
export function secretChangedWhileAway(
  secrets: Pick<ReadStore<Secret>, "get">,
  { metadata, spec, status }: WorkStream,
): boolean {
  const secret = secrets.get(metadata.namespace, spec.sms.twilio.credentialsSecretRef.name);
  return secret?.metadata.resourceVersion !== status?.lastValidation?.secretResourceVersion;
}
