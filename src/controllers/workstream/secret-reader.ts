import { Failure } from "../../errors.ts";
import type { KubeClient } from "../../kube/client.ts";
import { KubeError } from "../../kube/client.ts";
import type { KubeObject, Secret } from "../../kube/resource.ts";
import { secrets } from "../../kube/resource.ts";

export interface SecretReader {
  /** Decoded data. Throws Failure SecretNotFound or SecretForbidden; a KubeError when the API server did not answer. */
  read(ref: { namespace: string; name: string }, signal: AbortSignal): Promise<Record<string, string>>;
}

export interface SecretReaderOptions {
  client: KubeClient;
  /** Secrets' metadata as watched: tells existence and version without their content. */
  metadata: { get(namespace: string, name: string): KubeObject | undefined };
  /** Everything there is in the namespace has been listed. */
  knows(namespace: string): boolean;
}

/** Fetches a Secret by name, and only when its metadata says that it changed. */
export function createSecretReader({ client, metadata, knows }: SecretReaderOptions): SecretReader {
  const cache = new Map<string, { version: string; data: Record<string, string> }>();
  /** A thousand streams that share a Secret see its change in the same moment. */
  const fetching = new Map<string, Promise<Secret | undefined>>();
  return {
    async read({ namespace, name }, signal) {
      const key = `${namespace}/${name}`;
      const seen = metadata.get(namespace, name);
      const cached = cache.get(key);
      if (seen !== undefined && cached !== undefined && cached.version === seen.metadata.resourceVersion)
        return cached.data;
      // No word of it from a watch that has everything is not taken for absence: the watch may be a moment behind.
      if (seen === undefined && knows(namespace)) cache.delete(key);
      const flight = `${key} ${seen?.metadata.resourceVersion}`;
      const secret = await shared(fetching, flight, () => fetchSecret(client, { namespace, name }, signal));
      if (secret === undefined) {
        cache.delete(key);
        throw new Failure(
          "SecretNotFound",
          `Secret ${name} does not exist in namespace ${namespace}; create it with the keys accountSid and authToken`,
        );
      }
      const data = decode(secret.data);
      cache.set(key, { version: secret.metadata.resourceVersion ?? "", data });
      return data;
    },
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
  signal: AbortSignal,
): Promise<Secret | undefined> {
  try {
    return await client.get(secrets, ref, signal);
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

function decode(data: Record<string, string> | undefined): Record<string, string> {
  return Object.fromEntries(
    Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value, "base64").toString("utf8")]),
  );
}
