import type { Flow } from "./flow.ts";
import type { Admission } from "./line.ts";

/**
 * How many times as many places as are free one may hold. A larger number uses more of the places when few want any; a
 * smaller one leaves more for whoever comes next.
 */
const PER_FREE = 4;

/**
 * Says how many of a limited number of places each may hold. Nobody can be made to give a place back: work that holds one
 * lasts for as long as an outside system takes to answer. So there must always be a free one for whoever comes next.
 *
 * A tenant may hold at most four times as many places as are free, and so may an upstream. An upstream within a tenant may
 * hold at most four times what that leaves the tenant.
 *
 * With this no share has to be configured. A tenant that is alone gets three quarters of all places or a little more; two
 * that take all they can get leave an eighth free, ten leave a thirtieth. Whoever holds nothing finds a free place as long
 * as those who take all they can are fewer than a quarter of the places. Network switches share their buffers in this way
 * (Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998).
 *
 * The API server's own Priority and Fairness solves the same problem with shares that must be known beforehand:
 * https://kubernetes.io/docs/concepts/cluster-administration/flow-control/
 */
export class Shares implements Admission {
  readonly #places: number;
  readonly #byTenant = new Map<string, number>();
  readonly #byUpstream = new Map<string, number>();
  readonly #byFlow = new Map<string, number>();
  #held = 0;

  constructor(places: number) {
    this.#places = places;
  }

  get free(): number {
    return this.#places - this.#held;
  }

  admitsTenant(tenant: string): boolean {
    return count(this.#byTenant, tenant) < PER_FREE * this.free;
  }

  /** Whether the flow may take another place. A smaller `perFree` is for work that must leave room for other work of its flow. */
  admits({ tenant, upstream }: Flow, perFree: number = PER_FREE): boolean {
    if (!this.admitsTenant(tenant)) return false;
    if (upstream !== undefined && count(this.#byUpstream, upstream) >= PER_FREE * this.free) return false;
    const leftToTenant = PER_FREE * this.free - count(this.#byTenant, tenant);
    return count(this.#byFlow, nameOf(tenant, upstream)) < perFree * leftToTenant;
  }

  /** Takes a place without asking `admits`, which is for the caller to do. */
  take({ tenant, upstream }: Flow): void {
    this.#add(tenant, upstream, 1);
  }

  giveBack({ tenant, upstream }: Flow): void {
    this.#add(tenant, upstream, -1);
  }

  #add(tenant: string, upstream: string | undefined, difference: 1 | -1) {
    this.#held += difference;
    change(this.#byTenant, tenant, difference);
    if (upstream !== undefined) change(this.#byUpstream, upstream, difference);
    change(this.#byFlow, nameOf(tenant, upstream), difference);
  }
}

/** No namespace has a blank in its name, so the two cannot run together. */
const nameOf = (tenant: string, upstream = "") => `${tenant} ${upstream}`;

const count = (held: Map<string, number>, name: string) => held.get(name) ?? 0;

/** Counts of zero are removed: namespaces and accounts come and go, and the maps must not keep them all. */
function change(held: Map<string, number>, name: string, difference: 1 | -1) {
  const now = count(held, name) + difference;
  if (now === 0) held.delete(name);
  else held.set(name, now);
}
