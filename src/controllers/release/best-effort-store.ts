import { type KubeClient, KubeError } from "../../kube/client/client.ts";
import { namespaces } from "../../kube/resource.ts";
import type { Log } from "../../log.ts";
import type { ShardStore } from "../records/records.ts";

/** What the store needs to find out whether the operator's namespace is being deleted, and to log that. */
export interface BestEffortStoreOptions {
  client: KubeClient;
  /** The operator's own namespace. */
  namespace: string;
  log: Log;
  signal: AbortSignal;
}

/**
 * Wraps the store of the records for an uninstallation, during which the operator's namespace may be deleted
 * (`kubectl delete namespace`). If a record cannot be written for that reason, `smschannel release` goes on,
 * because the webhooks can be given back without the record. Any other failed write is an error.
 */
export function bestEffortStore(store: ShardStore, options: BestEffortStoreOptions): ShardStore {
  let warned = false;
  return {
    ...store,
    async save(shard, content) {
      try {
        return await store.save(shard, content);
      } catch (error) {
        if (!isRefused(error) || !(await isGoing(options))) throw error;
        if (!warned)
          options.log.warn(
            { namespace: options.namespace },
            "the operator's namespace is gone or being deleted, so numbers whose former webhook was not put back are not recorded",
          );
        warned = true;
        return 0;
      }
    },
  };
}

/**
 * True for the API server's answers to a write into a namespace that does not exist (404) or is being deleted
 * (403).
 */
const isRefused = (error: unknown) =>
  error instanceof KubeError && (error.status === 404 || error.status === 403);

async function isGoing({ client, namespace, signal }: BestEffortStoreOptions): Promise<boolean> {
  const found = await client.get(namespaces, { name: namespace }, signal);
  return found === undefined || found.metadata.deletionTimestamp !== undefined;
}
