/**
 * Reads the Secrets with Twilio's credentials. The operator watches only metadata of Secrets and fetches those that
 * a WorkStream names: the content of a cluster's Secrets does not belong into an operator's memory, and would not
 * fit there either (ADR 21).
 */

import { orAborted } from "../../aborted.ts";
import { Failure } from "../../errors.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { KubeError } from "../../kube/client/client.ts";
import type { KubeObject, Secret } from "../../kube/resource.ts";
import { secrets } from "../../kube/resource.ts";
import { CREDENTIAL_KEYS } from "../../twilio/credentials.ts";

/**
 * So much of a value is kept, in base64. Far more than a credential may have, and little enough that a Secret of
 * one megabyte does not fill the memory.
 */
const KEPT_BASE64 = 4096;

/** A Secret as far as it matters here. */
export interface SecretContent {
  /** Decoded values of the keys that credentials use. */
  data: Record<string, string>;
  /** The resourceVersion that was read. */
  version: string;
}

/** Reads Secrets by name, and remembers those in use. */
export interface SecretReader {
  /** Throws Failure SecretNotFound or SecretForbidden; a KubeError when the API server did not answer. */
  read(ref: { namespace: string; name: string }, signal: AbortSignal): Promise<SecretContent>;
  /** A stream stopped using the Secret: what is known of it goes with its last user. */
  stoppedUsing(ref: { namespace: string; name: string }): void;
  /** Versions no longer tell contents apart, since a backup of the cluster was restored (ADR 23). */
  clear(): void;
}

/** How Secrets are fetched, and what the watches tell of them. */
export interface SecretReaderOptions {
  client: KubeClient;
  /** Secrets' metadata as watched: existence and version, without content. */
  metadata: { get(namespace: string, name: string): KubeObject | undefined };
  /** Everything there is in the namespace has been listed. */
  knows(namespace: string): boolean;
  /** Does some WorkStream name this Secret? */
  used(namespace: string, name: string): boolean;
}

/** Fetches a Secret only when its metadata says that it changed, or when the watch does not show it. */
export function createSecretReader({ client, metadata, knows, used }: SecretReaderOptions): SecretReader {
  const cache = new Map<string, SecretContent>();
  /** Calls under way: a thousand streams that share a Secret see its change in the same moment. */
  const fetching = new Map<string, Promise<Secret | undefined>>();
  return {
    async read({ namespace, name }, signal) {
      const key = `${namespace}/${name}`;
      const seen = metadata.get(namespace, name);
      const cached = cache.get(key);
      if (seen !== undefined && cached !== undefined && cached.version === seen.metadata.resourceVersion)
        return cached;
      // The watch may be a moment behind, so a Secret that it does not show is asked for before it is said to be
      // missing.
      if (seen === undefined && knows(namespace)) cache.delete(key);
      const flight = `${key} ${seen?.metadata.resourceVersion}`;
      // Without the signal of the caller who happens to ask first: others wait for the same answer.
      const fetched = shared(fetching, flight, () => fetchSecret(client, { namespace, name }));
      const secret = await orAborted(fetched, signal);
      if (secret === undefined) {
        cache.delete(key);
        throw new Failure(
          "SecretNotFound",
          `Secret ${name} does not exist in namespace ${namespace}; create it with the keys accountSid and authToken`,
        );
      }
      const content = { version: secret.metadata.resourceVersion ?? "", data: decode(secret.data) };
      // The last stream may have gone while the Secret was fetched, and then nothing would ever remove it.
      if (used(namespace, name)) cache.set(key, content);
      return content;
    },
    stoppedUsing({ namespace, name }) {
      if (!used(namespace, name)) cache.delete(`${namespace}/${name}`);
    },
    clear: () => cache.clear(),
  };
}

/** The call of this key that is under way, or a new one. */
function shared<T>(calls: Map<string, Promise<T>>, key: string, call: () => Promise<T>): Promise<T> {
  let running = calls.get(key);
  if (running === undefined) {
    running = call().finally(() => calls.delete(key));
    calls.set(key, running);
  }
  return running;
}

async function fetchSecret(
  client: KubeClient,
  ref: { namespace: string; name: string },
): Promise<Secret | undefined> {
  try {
    return await client.get(secrets, ref);
  } catch (error) {
    if (error instanceof KubeError && error.status === 403)
      throw new Failure(
        "SecretForbidden",
        `the operator may not read Secrets in namespace ${ref.namespace}`,
        { cause: error },
      );
    throw error;
  }
}

/**
 * A Secret can have any number of keys; the ones we read have a few. A value that was cut is still too long to be
 * accepted as a credential.
 */
function decode(data: Record<string, string> = {}): Record<string, string> {
  const used = CREDENTIAL_KEYS.filter((key) => Object.hasOwn(data, key));
  return Object.fromEntries(
    used.map((key) => [key, Buffer.from(data[key]!.slice(0, KEPT_BASE64), "base64").toString("utf8")]),
  );
}
