import type { WorkStream } from "../../api/index.ts";
import type { Secret } from "../../kube/resource.ts";
import type { ReadStore } from "../../kube/watch/store.ts";

/** Has the stream's Secret changed since the last attempt that its status tells of? */
export function secretChangedWhileAway(
  secrets: Pick<ReadStore<Secret>, "get">,
  { metadata, spec, status }: WorkStream,
): boolean {
  const secret = secrets.get(metadata.namespace, spec.sms.twilio.credentialsSecretRef.name);
  // Versions may only be compared for equality.
  return secret?.metadata.resourceVersion !== status?.lastValidation?.secretResourceVersion;
}
