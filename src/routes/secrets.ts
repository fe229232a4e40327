import { createHash } from "node:crypto";

// This file makes the names of the objects that an installation keeps in its own namespace. `instance` is `{namespace}/{release}`. Only
// the release becomes part of a name, since the objects are in that namespace. Two installations in one namespace have different
// releases, so they never share an object.

/**
 * The process that reads a Secret. The `controller` Secrets hold the records, and the `receiver` Secrets hold what is compiled from the
 * records. An earlier version also wrote `work` Secrets.
 */
export type SecretPart = "receiver" | "controller" | "work";

/** The name of a Secret with records or compiled routes. There are several such shards because a Secret holds 1 MiB at most. */
export function secretName(instance: string, part: SecretPart, shard: number): string {
  return `${releasePrefix(instance)}-${part}-${shard}`;
}

/** The name of the Lease that the controllers of an installation compete for. */
export const leaseName = (instance: string): string => `${releasePrefix(instance)}-controller`;

/** The name of the Secret with the account of the test route, which `smschannel test-text` uses. */
export const testSecretName = (instance: string): string => `${releasePrefix(instance)}-test`;

/** The prefix of the names of the Secrets with saved webhooks, before the UID of the SmsNumber or Twilio's SID of the number. */
export const previousPrefix = (instance: string): string => `${releasePrefix(instance)}-previous-`;

/**
 * The number of the shard that holds the routes of a stream. The result must never change between versions: after an upgrade, the
 * controller looks for its records where the previous version wrote them.
 */
export function shardOf(namespace: string, stream: string, shards: number): number {
  return createHash("sha256").update(`${namespace}/${stream}`).digest().readUInt32BE(0) % shards;
}

/**
 * The prefix of all names: the name of the release. A name that Kubernetes would not accept is cleaned, and a hash of the original keeps
 * the names of different releases different.
 */
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
