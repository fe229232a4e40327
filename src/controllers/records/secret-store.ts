/**
 * The records as Secrets: `{instance}-controller-N`, and what is compiled from them for the receivers,
 * `{instance}-receiver-N`. Two Secrets, because each reader may only have what it needs: the receiver, which faces
 * the internet, gets no credentials (ADR 8).
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

/** Into how many shards the routes were spread when this Secret was written. */
const SHARDS_ANNOTATION = "smschannel.dev/route-shards";

/** Where the Secrets are, and how to write them. */
export interface SecretStoreOptions {
  /** A client that writes only while this process leads. */
  client: KubeClient;
  /** Where the operator's own Secrets are. */
  namespace: string;
  instance: string;
  shards: number;
  signal: AbortSignal;
  /**
   * The installation's own route for `helm test` (ADR 19). It belongs to no stream and goes to the receivers with
   * those of its shard.
   */
  testRoute?: (() => Promise<Route>) | undefined;
}

/**
 * What a Secret was when this process saw it last. Its content can be a megabyte, so only a digest of it is kept
 * (ADR 21).
 */
interface KnownSecret {
  resourceVersion: string | undefined;
  /** The value of the annotation: of how many shards it was one. */
  shards: string | undefined;
  digest: string;
}

/**
 * Keeps the records in Secrets. A damaged Secret stops the operator with a sentence instead of making it forget
 * claims.
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
          // A JSON error quotes the text that it could not parse, which can hold a token.
          cause instanceof SyntaxError ? {} : { cause },
        );
      }
    },
    async save(shard, content) {
      const encode = encoders[shard]!;
      const { instance } = options;
      const put = (part: SecretPart, data: Record<string, string>) =>
        write(options, known, secretName(instance, part, shard), data);
      // The receivers' Secret is written first: a token may have been promoted at Twilio already, and texts signed
      // with it are refused until the receivers know it. Nothing relies on this Secret alone: callers wait for both
      // before they act, and it can be compiled again from the records.
      const receiver = await encode.receiver.encode([...content.routes, ...(await testRoutes(shard))]);
      const received = put("receiver", receiver);
      // Awaited below; without this a failure before then would be an unhandled rejection, which ends the process.
      received.catch(() => {});
      const controller = await encode.records.encode(content);
      const recorded = put("controller", controller);
      await Promise.all([received, recorded]);
      return Math.max(bytesOf(controller), bytesOf(receiver));
    },
    invalidate: () => known.clear(),
  };
}

/** The test route is made once. A failure fails the write, after which it is tried again. */
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

/** One set for each shard: encoders remember what they have packed, so that a change packs only its own part anew. */
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
 * Writes the Secret when it differs, always against the resourceVersion that this process saw last. If anybody else
 * wrote it meanwhile (a former leader that does not know yet that it lost) this fails with a conflict instead of
 * overwriting.
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
        ? await client.create(secrets, secret, { metadataOnly: true }, signal)
        : await client.replace(secrets, secret, { metadataOnly: true }, signal);
    known.set(name, { resourceVersion: written.metadata.resourceVersion, shards: String(shards), digest });
  } catch (error) {
    // A write whose answer was lost may have been done. Read the Secret before the next attempt.
    known.delete(name);
    throw error;
  }
}

/** Shards beyond the new number would never be read again, and their claims would be forgotten. */
function refuseFewerShards(secret: Secret | undefined, shards: number) {
  const before = Number(secret?.metadata.annotations?.[SHARDS_ANNOTATION] ?? shards);
  if (before > shards)
    throw new Error(
      `ROUTE_SHARDS was lowered from ${before} to ${shards}, which would forget the routes in the Secrets beyond; raise it back`,
    );
}

function knownOf({ metadata, data = {} }: Secret): KnownSecret {
  const { resourceVersion, annotations } = metadata;
  return { resourceVersion, shards: annotations?.[SHARDS_ANNOTATION], digest: digestOf(data) };
}

/** A digest of keys and values, separated by a byte that base64 does not have. */
function digestOf(data: Record<string, string>): string {
  const hash = createHash("sha256");
  for (const key of Object.keys(data).sort()) hash.update(`${key}\0${data[key]}\0`);
  return hash.digest("base64");
}

/** The size as the API server counts it against 1 MiB: the bytes themselves, not their base64. */
function bytesOf(data: Record<string, string>): number {
  return Object.values(data).reduce((sum, text) => sum + Math.floor((text.length * 3) / 4), 0);
}
