/**
 * Reads the Secrets with Twilio's credentials. The operator watches only the metadata of Secrets, and fetches only
 * the Secrets that a WorkStream names. The content of all Secrets of a cluster does not belong in an operator's
 * memory, and would not fit into it either (ADR 21).
 */

import { orAborted } from "../../aborted.ts";
import { Failure } from "../../errors.ts";
import type { KubeClient } from "../../kube/client/client.ts";
import { KubeError } from "../../kube/client/client.ts";
import type { KubeObject, Secret } from "../../kube/resource.ts";
import { secrets } from "../../kube/resource.ts";
import { CREDENTIAL_KEYS } from "../../twilio/credentials.ts";

/**
 * How many base64 characters of a value are kept. That is far more than a credential may have, and so little that a
 * Secret of one megabyte does not fill the memory.
 */
const KEPT_BASE64 = 4096;

/** The part of a Secret that the operator uses. */
export interface SecretContent {
  /** The decoded values of the keys that credentials use. */
  data: Record<string, string>;
  /** The resourceVersion of the Secret that was read. */
  version: string;
}

/** Reads Secrets by name, and remembers those that a WorkStream uses. */
export interface SecretReader {
  /**
   * Reads a Secret. Throws the Failure SecretNotFound or SecretForbidden, or a KubeError when the API server did
   * not answer.
   */
  read(ref: { namespace: string; name: string }, signal: AbortSignal): Promise<SecretContent>;
  /**
   * Reports that a WorkStream stopped using the Secret. The remembered content is forgotten with the last
   * WorkStream that uses it.
   */
  stoppedUsing(ref: { namespace: string; name: string }): void;
  /**
   * Forgets the content of every Secret. After a backup of the cluster was restored, the same resourceVersion may
   * stand for another content (ADR 23).
   */
  clear(): void;
}

/** The client that fetches Secrets, and what the watches know about them. */
export interface SecretReaderOptions {
  client: KubeClient;
  /** The watched metadata of Secrets: existence and version, without content. */
  metadata: { get(namespace: string, name: string): KubeObject | undefined };
  /** True when all Secrets of the namespace have been listed. */
  knows(namespace: string): boolean;
  /** Is there a WorkStream that names this Secret? */
  used(namespace: string, name: string): boolean;
}

/**
 * Creates a reader that fetches a Secret only when its metadata shows a change, or when the watch does not show the
 * Secret.
 */
export function createSecretReader({ client, metadata, knows, used }: SecretReaderOptions): SecretReader {
  const cache = new Map<string, SecretContent>();
  /**
   * The calls in progress: a thousand WorkStreams that share a Secret notice its change in the same moment, and
   * share one call.
   */
  const fetching = new Map<string, Promise<Secret | undefined>>();
  return {
    async read({ namespace, name }, signal) {
      const key = `${namespace}/${name}`;
      const seen = metadata.get(namespace, name);
      const cached = cache.get(key);
      if (seen !== undefined && cached !== undefined && cached.version === seen.metadata.resourceVersion)
        return cached;
      // The watch may be a moment behind. So a Secret that the watch does not show is fetched before it is reported
      // as missing.
      if (seen === undefined && knows(namespace)) cache.delete(key);
      // The version is part of the key of the call, so that a read after a change does not share a call from before
      // the change.
      const flight = `${key} ${seen?.metadata.resourceVersion}`;
      // The call does not use the signal of the attempt that asked first, because other attempts wait for the same
      // answer.
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
      // Keep the content only while a WorkStream uses the Secret. If the last one went during the fetch, nothing
      // would ever remove the content from the cache.
      if (used(namespace, name)) cache.set(key, content);
      return content;
    },
    stoppedUsing({ namespace, name }) {
      if (!used(namespace, name)) cache.delete(`${namespace}/${name}`);
    },
    clear: () => cache.clear(),
  };
}

/** Returns the call for this key that is in progress, or starts one. */
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
 * Decodes the keys that credentials use and ignores all others, since a Secret can have any number of keys. A value
 * that was cut off is still too long to be accepted as a credential.
 */
function decode(data: Record<string, string> = {}): Record<string, string> {
  const used = CREDENTIAL_KEYS.filter((key) => Object.hasOwn(data, key));
  return Object.fromEntries(
    used.map((key) => [key, Buffer.from(data[key]!.slice(0, KEPT_BASE64), "base64").toString("utf8")]),
  );
}
