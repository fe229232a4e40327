import { createHash } from "node:crypto";

// Names of the objects that an installation keeps in its own namespace. `instance` is `{namespace}/{release}`; only the release
// becomes part of a name, since the objects are in that namespace. Two installations in one namespace must not share an object.

/** Who reads a Secret. `controller` holds the records, `receiver` what is compiled from them. An earlier version wrote `work` too. */
export type SecretPart = "receiver" | "controller" | "work";

/** Name of one of the Secrets with records or compiled routes. Shards exist because a Secret holds 1 MiB at most. */
export function secretName(instance: string, part: SecretPart, shard: number): string {
  return `${releasePrefix(instance)}-${part}-${shard}`;
}

/** The Lease that the installation's controllers compete for. */
export const leaseName = (instance: string): string => `${releasePrefix(instance)}-controller`;

/** The Secret with the account of the route for `smschannel test-text`. */
export const testSecretName = (instance: string): string => `${releasePrefix(instance)}-test`;

/** How the names of the Secrets with saved webhooks begin. The SmsNumber's UID follows, or Twilio's SID of the number. */
export const previousPrefix = (instance: string): string => `${releasePrefix(instance)}-previous-`;

/**
 * The number of the Secret that holds a stream's routes. It must never come out differently: after an upgrade the controller
 * looks for its records where the version before wrote them.
 */
export function shardOf(namespace: string, stream: string, shards: number): number {
  return createHash("sha256").update(`${namespace}/${stream}`).digest().readUInt32BE(0) % shards;
}

/** The release's name. One that Kubernetes would not take for a name is cleaned, and a hash keeps different releases different. */
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
