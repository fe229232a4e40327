import { decodeShard } from "../routes/codec.ts";
import { type Route, routeKey } from "../routes/route.ts";
import { streamPath } from "../routes/urls.ts";
import { decoyFor } from "./decoy.ts";
import type { Routes } from "./judge.ts";

/** The routes of one stream. There are several while its namespace or its account is being replaced. */
export type RoutesOfPath = readonly Route[];

/**
 * The routes as they were last read from the compiled Secrets, one shard at a time. When a Secret is deleted, its routes stay: numbers may
 * still point here, and an outdated route does less harm than a refused text.
 */
export class RouteTable implements Routes {
  readonly #shards: (Route[] | undefined)[];
  #byPath: ReadonlyMap<string, RoutesOfPath> = new Map();
  #accounts: ReadonlySet<string> = new Set();
  #decoy = decoyFor([]);

  constructor(shards: number) {
    this.#shards = new Array(shards).fill(undefined);
  }

  /**
   * Replaces the routes of a shard by the routes in the `data` of a Secret. When it cannot read the data, it throws and keeps the routes
   * that the shard had.
   */
  replaceShard(shard: number, data: Record<string, string>): void {
    if (!(shard in this.#shards)) throw new Error(`there is no shard ${shard}`);
    this.#shards[shard] = decodeShard(data);
    const routes = this.#shards.flatMap((routes) => routes ?? []);
    this.#byPath = byPath(routes);
    this.#accounts = new Set(routes.map(({ accountSid }) => accountSid));
    this.#decoy = decoyFor(this.#byPath.values());
  }

  /** The shards that were never read. Until this list is empty, a path that is not found may still belong to a route. */
  get missing(): number[] {
    return this.#shards.flatMap((routes, shard) => (routes === undefined ? [shard] : []));
  }

  get loaded(): boolean {
    return !this.#shards.includes(undefined);
  }

  /** Finds the routes of a stream by its path, as `streamPath` makes it. */
  find(path: string): RoutesOfPath {
    return this.#byPath.get(path) ?? NONE;
  }

  hasAccount(accountSid: string): boolean {
    return this.#accounts.has(accountSid);
  }

  get decoy(): Route {
    return this.#decoy;
  }

  get size(): number {
    let size = 0;
    for (const routes of this.#byPath.values()) size += routes.length;
    return size;
  }
}

const NONE: RoutesOfPath = [];

function byPath(routes: Route[]): Map<string, RoutesOfPath> {
  const newest = new Map<string, Route>();
  for (const route of routes) {
    // While ROUTE_SHARDS changes, a route can be in its old shard and in its new shard. The route with the higher generation is newer.
    const key = routeKey(route);
    const other = newest.get(key);
    if (other === undefined || other.generation < route.generation) newest.set(key, route);
  }
  const paths = new Map<string, Route[]>();
  for (const route of newest.values()) {
    const path = streamPath(route.namespace, route.stream);
    const others = paths.get(path);
    if (others === undefined) paths.set(path, [route]);
    else others.push(route);
  }
  return paths;
}
