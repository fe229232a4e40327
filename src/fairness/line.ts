import type { Flow } from "./flow.ts";

/** Who may be served now. */
export interface Admission {
  admitsTenant(tenant: string): boolean;
  admits(flow: Flow): boolean;
}

/**
 * A line in which tenants are served by turns, within a tenant its upstreams by turns, and within an upstream who came first.
 * However many wait for one tenant, another's first waits for one turn of each.
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

  /** Nothing happens when it is not there. */
  delete({ tenant, upstream }: Flow, item: T): void {
    const upstreams = this.#tenants.get(tenant);
    const items = upstreams?.get(upstream);
    if (upstreams === undefined || items === undefined || !items.delete(item)) return;
    this.#size -= 1;
    if (items.size === 0) upstreams.delete(upstream);
    if (upstreams.size === 0) this.#tenants.delete(tenant);
  }

  /** Takes out whose turn it is; undefined when nobody who waits is admitted. */
  take(admission: Admission = ANYBODY): T | undefined {
    for (const [tenant, upstreams] of this.#tenants) {
      if (!admission.admitsTenant(tenant)) continue;
      for (const [upstream, items] of upstreams) {
        if (!admission.admits({ tenant, upstream })) continue;
        const [item] = items;
        // To the end of the line, both: the next turn is somebody else's.
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

  /** All that wait, in no particular order. */
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
