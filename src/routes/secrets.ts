import { createHash } from "node:crypto";

// Names of what an installation keeps in its own namespace, and how its routes are spread over Secrets. `instance` is
// `{namespace}/{release}`. The namespace is not part of a name, as the objects are in it.

/** What a compiled Secret is for: `controller` has everything, `receiver` and `work` what those processes need of it. */
export type SecretPart = "receiver" | "work" | "controller";

/** Name of a compiled Secret. */
export function secretName(instance: string, part: SecretPart, shard: number): string {
  return `${releasePrefix(instance)}-${part}-${shard}`;
}

/** The Lease of the controllers. */
export const leaseName = (instance: string): string => `${releasePrefix(instance)}-controller`;

/** The Secret with the account of the route for `smschannel test-text`. */
export const testSecretName = (instance: string): string => `${releasePrefix(instance)}-test`;

/** What the names of all Secrets with former webhooks begin with; the SmsNumber's UID follows, or the number's SID. */
export const previousPrefix = (instance: string): string => `${releasePrefix(instance)}-previous-`;

/**
 * Which of the Secrets holds a stream's routes. Controllers and receivers must agree on it, and a new version with the one before
 * it, so it depends on nothing but its arguments.
 */
export function shardOf(namespace: string, stream: string, shards: number): number {
  return createHash("sha256").update(`${namespace}/${stream}`).digest().readUInt32BE(0) % shards;
}

/** The release's name; one that is no DNS name gets a hash, so that two which differ stay different. */
function releasePrefix(instance: string): string {
  const release = instance.slice(instance.indexOf("/") + 1);
  if (/^[a-z0-9]([a-z0-9.-]{0,198}[a-z0-9])?$/.test(release)) return release;
  const safe = release
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 180)
    .replace(/-+$/, "");
  return `${safe === "" ? "r" : safe}-${createHash("sha256").update(release).digest("hex").slice(0, 8)}`;
}
