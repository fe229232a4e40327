import type { Flow } from "./flow.ts";

/** Says which flows may be served now. The answer may change between two calls of `take`. */
export interface Admission {
  /** False when no flow of this tenant is admitted; `take` then skips the tenant without asking for each flow. */
  admitsTenant(tenant: string): boolean;
  admits(flow: Flow): boolean;
}

/**
 * A line in which tenants take turns. Within a tenant its upstreams take turns, and within an upstream the first item to come
 * is the first to go. However many items of one tenant wait, another tenant's first item waits for at most one turn of each
 * tenant.
 *
 * A Map keeps the order in which its keys were set, so the Map is the line: its first key is next, and a key that is served
 * moves to the end.
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

  /** Removes the item from the line. Does nothing when the line does not have the item. */
  delete({ tenant, upstream }: Flow, item: T): void {
    const upstreams = this.#tenants.get(tenant);
    const items = upstreams?.get(upstream);
    if (upstreams === undefined || items === undefined || !items.delete(item)) return;
    this.#size -= 1;
    if (items.size === 0) upstreams.delete(upstream);
    if (upstreams.size === 0) this.#tenants.delete(tenant);
  }

  /**
   * Removes and returns the next item; undefined when no flow is admitted. An item whose flow is not admitted keeps its place.
   */
  take(admission: Admission = ANYBODY): T | undefined {
    for (const [tenant, upstreams] of this.#tenants) {
      if (!admission.admitsTenant(tenant)) continue;
      for (const [upstream, items] of upstreams) {
        if (!admission.admits({ tenant, upstream })) continue;
        const [item] = items;
        // After each item, its tenant and its upstream go to the end of their lines, so the next turn belongs to another tenant
        // or upstream.
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
