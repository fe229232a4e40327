import type { Registry } from "@prometheus-io/client";
import type { Clock } from "../clock.ts";
import type { KubeClient } from "../kube/client/client.ts";
import { type Secret, secrets } from "../kube/resource.ts";
import { Informer } from "../kube/watch/informer.ts";
import type { Log } from "../log.ts";
import { secretName } from "../routes/secrets.ts";
import type { RouteTable } from "./route-table.ts";

export interface RouteWatchOptions {
  client: KubeClient;
  routes: RouteTable;
  /** The namespace of the compiled Secrets. */
  namespace: string;
  /** The name of the installation, as `{namespace}/{release}`. */
  instance: string;
  shards: number;
  clock: Clock;
  log: Log;
  metrics?: Registry;
}

/**
 * Keeps the route table up to date with the compiled Secrets. Each Secret is watched by its name, because the RBAC role of the receiver
 * allows it to read only Secrets with these names. While the Kubernetes API does not answer, the routes that were read last stay in use.
 */
export class RouteWatch {
  readonly #options: RouteWatchOptions;
  readonly #informers: Informer<Secret>[];

  constructor(options: RouteWatchOptions) {
    this.#options = options;
    this.#informers = Array.from({ length: options.shards }, (_, shard) => this.#informerOf(shard));
  }

  start(): void {
    for (const informer of this.#informers) informer.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#informers.map((informer) => informer.stop()));
  }

  /** Says in a sentence why routes may be missing or outdated. Undefined when all is well. */
  problem(): string | undefined {
    const [missing, ...more] = this.#options.routes.missing;
    const watching = this.#informers
      .map((informer) => informer.problem())
      .find((problem) => problem !== undefined);
    if (watching !== undefined) return watching;
    if (missing === undefined) return undefined;
    const others = more.length === 0 ? "" : ` and ${more.length} more`;
    return `the controller has not written Secret ${this.#nameOf(missing)}${others} yet`;
  }

  #nameOf(shard: number): string {
    return secretName(this.#options.instance, "receiver", shard);
  }

  #informerOf(shard: number): Informer<Secret> {
    const { client, namespace, clock, log, metrics } = this.#options;
    const name = this.#nameOf(shard);
    const informer = new Informer<Secret>({
      client,
      type: secrets,
      namespaces: [namespace],
      fieldSelector: `metadata.name=${name}`,
      clock,
      log,
      ...(metrics === undefined ? {} : { registry: metrics }),
    });
    informer.onChange(({ type, object }) => {
      if (type === "deleted") log.warn({ secret: name }, "routing secret deleted, its last routes stay");
      else this.#take(shard, object);
    });
    return informer;
  }

  #take(shard: number, { metadata, data }: Secret) {
    const { routes, log } = this.#options;
    try {
      routes.replaceShard(shard, data ?? {});
      log.info({ secret: metadata.name, routes: routes.size, missing: routes.missing.length }, "routes read");
    } catch (error) {
      log.error({ err: error, secret: metadata.name }, "routing secret cannot be read, its last routes stay");
    }
  }
}
