/**
 * Stores the records in Secrets. `{instance}-controller-N` holds the records, and `{instance}-receiver-N` holds what
 * is compiled from them for the receivers. There are two kinds of Secrets because each reader may only have what it
 * needs: the receiver, which faces the internet, gets no credentials (ADR 8).
 */

import { createHash } from "node:crypto";
import type { KubeClient } from "../../kube/client/client.ts";
import { type Secret, secrets } from "../../kube/resource.ts";
import { ShardEncoder } from "../../routes/codec.ts";
import type { Route } from "../../routes/route.ts";
import { type SecretPart, secretName, shardOf } from "../../routes/secrets.ts";
import { decodeRecords, RecordsEncoder } from "./codec.ts";
import { compileRoute } from "./compile.ts";
import type { RouteRecord } from "./record.ts";
import type { ShardStore } from "./records.ts";

/** This annotation says how many shards the routes were spread over when the Secret was written. */
const SHARDS_ANNOTATION = "smschannel.dev/route-shards";

/** Where the Secrets are, and the client that writes them. */
export interface SecretStoreOptions {
  /** A client that writes only while this process leads. */
  client: KubeClient;
  /** The namespace of the operator's own Secrets. */
  namespace: string;
  instance: string;
  shards: number;
  /**
   * Stops reads, and writes that have not begun. A write that was sent is not aborted, because the API server may do it
   * all the same, and callers must be able to wait until it has ended.
   */
  signal: AbortSignal;
  /**
   * Makes the installation's own route for `helm test` (ADR 19). This route belongs to no stream; the receivers get
   * it with the routes of its shard.
   */
  testRoute?: (() => Promise<Route>) | undefined;
}

/**
 * The version and content of a Secret when this process last read or wrote it. The content can be a megabyte, so only
 * a digest of it is kept (ADR 21).
 */
interface KnownSecret {
  resourceVersion: string | undefined;
  /** The value of SHARDS_ANNOTATION: how many shards there were when the Secret was written. */
  shards: string | undefined;
  digest: string;
}

/**
 * Keeps the records in Secrets. A damaged Secret stops the operator with an error; otherwise the operator would
 * forget claims.
 */
export function createSecretStore(options: SecretStoreOptions): ShardStore {
  const known = new Map<string, KnownSecret>();
  const encoders = Array.from({ length: options.shards }, newEncoders);
  const testRoutes = testRoutesOf(options);
  return {
    async load(shard) {
      const name = secretName(options.instance, "controller", shard);
      const secret = await read(options, known, name);
      refuseFewerShards(secret, options.shards);
      try {
        return decodeRecords(secret?.data);
      } catch (cause) {
        throw new Error(
          `Secret ${options.namespace}/${name} is damaged; restore it, or delete it to begin without its records`,
          // The error of a JSON parser is not passed on: it quotes the text that it could not parse, which can hold a
          // token.
          cause instanceof SyntaxError ? {} : { cause },
        );
      }
    },
    async save(shard, content) {
      const encode = encoders[shard]!;
      const { instance } = options;
      const put = (part: SecretPart, data: Record<string, string>) =>
        write(options, known, secretName(instance, part, shard), data);
      // The receivers' Secret is written first. A token may have been promoted at Twilio already, and the receivers
      // refuse texts signed with it until they know it. This order is safe: callers wait for both Secrets before they
      // act, and the receivers' Secret can be compiled again from the records.
      const receiver = await encode.receiver.encode([...content.routes, ...(await testRoutes(shard))]);
      const received = put("receiver", receiver);
      // `received` is awaited below. If the write fails before that, this handler keeps the failure from being an
      // unhandled rejection, which would end the process.
      received.catch(() => {});
      const controller = await encode.records.encode(content);
      const recorded = put("controller", controller);
      // Both are waited for also when one fails: a save has ended only when no request of it is under way.
      await Promise.allSettled([received, recorded]);
      await Promise.all([received, recorded]);
      return Math.max(bytesOf(controller), bytesOf(receiver));
    },
    invalidate: () => known.clear(),
  };
}

/**
 * Returns a function that lists the test routes of a shard: the one test route for the shard that it belongs to, and
 * none for any other shard. The test route is made once; if that fails, the write of the shard fails, and the next
 * write tries again.
 */
function testRoutesOf({ testRoute, shards }: SecretStoreOptions) {
  let made: Promise<Route> | undefined;
  return async (shard: number): Promise<Route[]> => {
    if (testRoute === undefined) return [];
    made ??= testRoute().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    const route = await made;
    return shardOf(route.namespace, route.stream, shards) === shard ? [route] : [];
  };
}

/**
 * The encoders of one shard. Each shard needs its own, because encoders remember what they have packed, and after a
 * change pack only the changed part again.
 */
const newEncoders = () => ({
  records: new RecordsEncoder(),
  receiver: new ShardEncoder<RouteRecord | Route>((source) =>
    "tokens" in source ? compileRoute(source) : source,
  ),
});

async function read(
  { client, namespace, signal }: SecretStoreOptions,
  known: Map<string, KnownSecret>,
  name: string,
) {
  const secret = await client.get(secrets, { namespace, name }, signal);
  if (secret === undefined) known.delete(name);
  else known.set(name, knownOf(secret));
  return secret;
}

/**
 * Writes the Secret if it differs from what this process saw last. The write has the resourceVersion that the Secret
 * had at that time: if another process wrote the Secret since, this write fails with a conflict and overwrites nothing.
 * Such a process can be a former leader that does not know yet that it lost the Lease.
 */
async function write(
  options: SecretStoreOptions,
  known: Map<string, KnownSecret>,
  name: string,
  data: Record<string, string>,
) {
  const { client, namespace, instance, shards, signal } = options;
  if (!known.has(name)) await read(options, known, name);
  const before = known.get(name);
  signal.throwIfAborted();
  const digest = digestOf(data);
  const annotations = { "smschannel.dev/instance": instance, [SHARDS_ANNOTATION]: String(shards) };
  if (before?.digest === digest && before.shards === String(shards)) return;
  const secret: Secret = {
    apiVersion: "v1",
    kind: "Secret",
    type: "smschannel.dev/compiled",
    metadata: {
      name,
      namespace,
      labels: { "app.kubernetes.io/managed-by": "sms-channel-operator" },
      annotations,
      ...(before?.resourceVersion === undefined ? {} : { resourceVersion: before.resourceVersion }),
    },
    data,
  };
  try {
    const written =
      before === undefined
        ? await client.create(secrets, secret, { metadataOnly: true })
        : await client.replace(secrets, secret, { metadataOnly: true });
    known.set(name, { resourceVersion: written.metadata.resourceVersion, shards: String(shards), digest });
  } catch (error) {
    // The write may have been done although its answer was lost. So the Secret is read before the next write.
    known.delete(name);
    throw error;
  }
}

/**
 * Throws if ROUTE_SHARDS was lowered. The shards beyond the new number would never be read again, and their claims
 * would be forgotten.
 */
function refuseFewerShards(secret: Secret | undefined, shards: number) {
  const before = Number(secret?.metadata.annotations?.[SHARDS_ANNOTATION] ?? shards);
  if (before > shards)
    throw new Error(
      `ROUTE_SHARDS was lowered from ${before} to ${shards}, which would forget the routes in the other Secrets; raise it to ${before} again`,
    );
}

function knownOf({ metadata, data = {} }: Secret): KnownSecret {
  const { resourceVersion, annotations } = metadata;
  return { resourceVersion, shards: annotations?.[SHARDS_ANNOTATION], digest: digestOf(data) };
}

/** A digest of keys and values. They are separated by a byte that base64 does not contain. */
function digestOf(data: Record<string, string>): string {
  const hash = createHash("sha256");
  for (const key of Object.keys(data).sort()) hash.update(key).update("\0").update(data[key]!).update("\0");
  return hash.digest("base64");
}

/** The size as the API server counts it against 1 MiB: the bytes themselves, not their base64. */
function bytesOf(data: Record<string, string>): number {
  return Object.values(data).reduce((sum, text) => sum + Math.floor((text.length * 3) / 4), 0);
}
