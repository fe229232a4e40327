import type { Flow } from "./flow.ts";

/** Says who may be served now. It may change between two calls of `take`. */
export interface Admission {
  /** False: no flow of this tenant is admitted. It saves a look at each of them. */
  admitsTenant(tenant: string): boolean;
  admits(flow: Flow): boolean;
}

/**
 * A line in which tenants take turns, within a tenant its upstreams, and within an upstream whoever came first. However
 * many items of one tenant wait, the first of another waits for one turn of each tenant only.
 *
 * A Map keeps the order in which its keys were set, so it is the line: the first key is next, and to be served means to be
 * moved to the end.
 */
export class FairLine<T> {
  readonly #tenants = new Map<string, Map<string | undefined, Set<T>>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add({ tenant, upstream }: Flow, item: T): void {
    const upstreams = getOrSet(this.#tenants, tenant, () => new Map<string | undefined, Set<T>>());
    const items = getOrSet(upstreams, upstream, () => new Set<T>());
    if (items.has(item)) return;
    items.add(item);
    this.#size += 1;
  }

  /** Does nothing when the item does not wait. */
  delete({ tenant, upstream }: Flow, item: T): void {
    const upstreams = this.#tenants.get(tenant);
    const items = upstreams?.get(upstream);
    if (upstreams === undefined || items === undefined || !items.delete(item)) return;
    this.#size -= 1;
    if (items.size === 0) upstreams.delete(upstream);
    if (upstreams.size === 0) this.#tenants.delete(tenant);
  }

  /** Removes and returns the next item; undefined when none is admitted. An item that is passed over keeps its place. */
  take(admission: Admission = ANYBODY): T | undefined {
    for (const [tenant, upstreams] of this.#tenants) {
      if (!admission.admitsTenant(tenant)) continue;
      for (const [upstream, items] of upstreams) {
        if (!admission.admits({ tenant, upstream })) continue;
        const [item] = items;
        // Both go to the end of their lines: the next turn is somebody else's.
        upstreams.delete(upstream);
        upstreams.set(upstream, items);
        this.#tenants.delete(tenant);
        this.#tenants.set(tenant, upstreams);
        this.delete({ tenant, upstream }, item!);
        return item;
      }
    }
    return undefined;
  }

  /** All items that wait, in no particular order. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (const upstreams of this.#tenants.values()) for (const items of upstreams.values()) yield* items;
  }

  clear(): void {
    this.#tenants.clear();
    this.#size = 0;
  }
}

const ANYBODY: Admission = { admitsTenant: () => true, admits: () => true };

function getOrSet<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
