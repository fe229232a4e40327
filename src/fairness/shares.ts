import type { Flow } from "./flow.ts";
import type { Admission } from "./line.ts";

/** So many times as many places as are free may be one's own. */
const PER_FREE = 4;

/**
 * A limited number of places, each held for as long as somebody else lets it last. A tenant, and an upstream, may hold at most
 * four times as many as are free; an upstream within a tenant at most four times as many as that leaves the tenant.
 *
 * So whoever comes alone gets three quarters of all places, and nobody's share must be known beforehand: two who take all they
 * can get leave an eighth free, ten a thirtieth. Whoever holds nothing finds a free place, as long as those who take all they can
 * get are fewer than a quarter of the places. Switches share their buffers like this (Choudhury and Hahne, "Dynamic queue length
 * thresholds for shared-memory packet switches", 1998).
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

  get held(): number {
    return this.#held;
  }

  get free(): number {
    return this.#places - this.#held;
  }

  admitsTenant(tenant: string): boolean {
    return count(this.#byTenant, tenant) < PER_FREE * this.free;
  }

  /** `perFree`: a smaller one for what must leave room for others of the same flow. */
  admits({ tenant, upstream }: Flow, perFree: number = PER_FREE): boolean {
    if (!this.admitsTenant(tenant)) return false;
    if (upstream !== undefined && count(this.#byUpstream, upstream) >= PER_FREE * this.free) return false;
    const leftToTenant = PER_FREE * this.free - count(this.#byTenant, tenant);
    return count(this.#byFlow, nameOf(tenant, upstream)) < perFree * leftToTenant;
  }

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

/** No namespace has a blank. */
const nameOf = (tenant: string, upstream = "") => `${tenant} ${upstream}`;

const count = (held: Map<string, number>, name: string) => held.get(name) ?? 0;

function change(held: Map<string, number>, name: string, difference: 1 | -1) {
  const now = count(held, name) + difference;
  if (now === 0) held.delete(name);
  else held.set(name, now);
}
