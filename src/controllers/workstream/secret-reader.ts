import { orAborted } from "../../aborted.ts";
import { Failure } from "../../errors.ts";
import type { KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/client.ts";
import type { KubeObject, Secret } from "../../kube/resource.ts";
import { secrets } from "../../kube/resource.ts";
import { CREDENTIAL_KEYS } from "../../twilio/credentials.ts";

/** Of a value, in base64: far more than a credential may have, and less than would fill the memory. */
const KEPT_BASE64 = 4096;

export interface SecretContent {
  /** Decoded values of the keys that credentials use. */
  data: Record<string, string>;
  /** The resourceVersion that was read. */
  version: string;
}

export interface SecretReader {
  /** Throws Failure SecretNotFound or SecretForbidden; a KubeError when the API server did not answer. */
  read(ref: { namespace: string; name: string }, signal: AbortSignal): Promise<SecretContent>;
  /** Somebody stopped using the Secret: what is known of it goes with its last user. */
  released(ref: { namespace: string; name: string }): void;
  /** Versions no longer tell contents apart: a backup of the cluster was restored. */
  clear(): void;
}

export interface SecretReaderOptions {
  client: KubeClient;
  /** Secrets' metadata as watched: tells existence and version without their content. */
  metadata: { get(namespace: string, name: string): KubeObject | undefined };
  /** Everything there is in the namespace has been listed. */
  knows(namespace: string): boolean;
  /** Does some WorkStream name this Secret? */
  used(namespace: string, name: string): boolean;
}

/** Fetches a Secret by name, and only when its metadata says that it changed. */
export function createSecretReader({ client, metadata, knows, used }: SecretReaderOptions): SecretReader {
  const cache = new Map<string, SecretContent>();
  /** A thousand streams that share a Secret see its change in the same moment. */
  const fetching = new Map<string, Promise<Secret | undefined>>();
  return {
    async read({ namespace, name }, signal) {
      const key = `${namespace}/${name}`;
      const seen = metadata.get(namespace, name);
      const cached = cache.get(key);
      if (seen !== undefined && cached !== undefined && cached.version === seen.metadata.resourceVersion)
        return cached;
      // No word of it from a watch that has everything is not taken for absence: the watch may be a moment behind.
      if (seen === undefined && knows(namespace)) cache.delete(key);
      const flight = `${key} ${seen?.metadata.resourceVersion}`;
      // Not under the signal of who happens to ask first: others wait for the same answer.
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
      // Its stream may have gone while the Secret was fetched.
      if (used(namespace, name)) cache.set(key, content);
      return content;
    },
    released({ namespace, name }) {
      if (!used(namespace, name)) cache.delete(`${namespace}/${name}`);
    },
    clear: () => cache.clear(),
  };
}

/** The call under way, or a new one. */
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

/** Whatever else is in the Secret is of no use here; a value that is cut is still too long to be taken. */
function decode(data: Record<string, string> = {}): Record<string, string> {
  const used = CREDENTIAL_KEYS.filter((key) => Object.hasOwn(data, key));
  return Object.fromEntries(
    used.map((key) => [key, Buffer.from(data[key]!.slice(0, KEPT_BASE64), "base64").toString("utf8")]),
  );
}
