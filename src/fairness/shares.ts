import type { Flow } from "./flow.ts";
import type { Admission } from "./line.ts";

/**
 * One tenant or upstream may hold this many times the number of free places. A larger factor uses more of the places when few
 * tenants want any; a smaller factor leaves more to the tenants that come next.
 */
const PER_FREE = 4;

/**
 * Says how many of a limited number of places each tenant and each upstream may hold. A place cannot be taken back: the work
 * that holds it lasts as long as an outside system takes to answer. So a place must always stay free for the tenant that comes
 * next.
 *
 * A tenant may hold at most four times as many places as are free, and so may an upstream. An upstream within a tenant may hold
 * at most four times as many places as the tenant may still take.
 *
 * No share has to be configured. A tenant that is alone gets three quarters of all places or a little more. Two tenants that
 * take all they can get leave an eighth free, ten leave a thirtieth. As long as the number of such tenants is below a quarter
 * of the number of places, a tenant that holds nothing finds a free place. Network switches share their buffers in this way
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

  /**
   * Whether the flow may take another place. It may hold `perFree` times as many places as its tenant may still take. Less
   * important work passes a smaller `perFree`, so that it leaves places to other work of the same flow.
   */
  admits({ tenant, upstream }: Flow, perFree: number = PER_FREE): boolean {
    if (!this.admitsTenant(tenant)) return false;
    if (upstream !== undefined && count(this.#byUpstream, upstream) >= PER_FREE * this.free) return false;
    const leftToTenant = PER_FREE * this.free - count(this.#byTenant, tenant);
    return count(this.#byFlow, nameOf(tenant, upstream)) < perFree * leftToTenant;
  }

  /** Takes a place without checking `admits`: the caller must do that first. */
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

/** The key of a flow. No namespace has a blank in its name, so two different flows never get the same key. */
const nameOf = (tenant: string, upstream = "") => `${tenant} ${upstream}`;

const count = (held: Map<string, number>, name: string) => held.get(name) ?? 0;

/** Changes a count, and removes a count of zero: namespaces and accounts come and go, and the maps must not grow for ever. */
function change(held: Map<string, number>, name: string, difference: 1 | -1) {
  const now = count(held, name) + difference;
  if (now === 0) held.delete(name);
  else held.set(name, now);
}
