import { createHash } from "node:crypto";
import type { KubeClient } from "../../kube/client.ts";
import { type Secret, secrets } from "../../kube/resource.ts";
import type { Route } from "../../routes/route.ts";
import { ShardEncoder, secretName, shardOf } from "../../routes/table.ts";
import { decodeRecords, RecordsEncoder, WorkRoutesEncoder } from "./codec.ts";
import { compileRoute } from "./compile.ts";
import type { RouteRecord } from "./record.ts";
import type { ShardStore } from "./records.ts";

const SHARDS_ANNOTATION = "smschannel.dev/route-shards";

export interface SecretStoreOptions {
  /** One that writes only while this process leads. */
  client: KubeClient;
  /** Where the operator's own Secrets are. */
  namespace: string;
  instance: string;
  shards: number;
  signal: AbortSignal;
  /** A route that belongs to no stream and goes to the receivers with those of its shard. */
  testRoute?: (() => Promise<Route>) | undefined;
}

/** What a Secret was when this process saw it last; of its content, which can be a megabyte, only that it was this. */
interface KnownSecret {
  resourceVersion: string | undefined;
  /** Of how many shards it was one. */
  shards: string | undefined;
  digest: string;
}

/** The `{instance}-controller-N` Secrets, and what is compiled from them: `{instance}-receiver-N` and `{instance}-work-N`. */
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
          // What could not be parsed is quoted in the error, and can be a token.
          cause instanceof SyntaxError ? {} : { cause },
        );
      }
    },
    async save(shard, content) {
      const encode = encoders[shard]!;
      const { instance } = options;
      const put = (part: "controller" | "receiver" | "work", data: Record<string, string>) =>
        write(options, known, secretName(instance, part, shard), data);
      // The receivers' part is what texts wait for: a token may have been promoted already. Nothing relies on it alone, since
      // whoever changes something outside waits for all parts; and what it holds comes from the same records.
      const receiver = await encode.receiver.encode([...content.routes, ...(await testRoutes(shard))]);
      const received = put("receiver", receiver);
      received.catch(() => {});
      const controller = await encode.records.encode(content);
      const recorded = put("controller", controller);
      recorded.catch(() => {});
      const work = await encode.work.encode(content.routes);
      await Promise.all([received, recorded]);
      await put("work", work);
      return Math.max(...[controller, receiver, work].map(bytesOf));
    },
    invalidate: () => known.clear(),
  };
}

/** Made once; a failure is a failed writing, after which it is tried again. */
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

/** One each for every shard: they remember what it was made of. */
const newEncoders = () => ({
  records: new RecordsEncoder(),
  work: new WorkRoutesEncoder(),
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
 * Writes the Secret when it differs. Always against the resourceVersion that this process saw last: whoever else wrote it (a
 * leader that does not know yet that it lost) makes this fail with a conflict instead of being overwritten.
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
        ? await client.create(secrets, secret, signal, { metadataOnly: true })
        : await client.replace(secrets, secret, signal, { metadataOnly: true });
    known.set(name, { resourceVersion: written.metadata.resourceVersion, shards: String(shards), digest });
  } catch (error) {
    // After an answer that was lost the Secret may or may not be ours: look again before the next try.
    known.delete(name);
    throw error;
  }
}

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

function digestOf(data: Record<string, string>): string {
  const hash = createHash("sha256");
  for (const key of Object.keys(data).sort()) hash.update(`${key}\0${data[key]}\0`);
  return hash.digest("base64");
}

/** Of the bytes themselves, as the API server counts them, not of their base64. */
function bytesOf(data: Record<string, string>): number {
  return Object.values(data).reduce((sum, text) => sum + Math.floor((text.length * 3) / 4), 0);
}
