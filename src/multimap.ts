/**
 * A map from a key to a set of values. The indexes have tens of thousands of keys, and most keys have one value. A single value
 * is stored without a Set, which would take two hundred bytes.
 */
export class MultiMap<K, V extends string> {
  readonly #values = new Map<K, V | Set<V>>();

  add(key: K, value: V): void {
    const known = this.#values.get(key);
    if (known === undefined) this.#values.set(key, value);
    else if (known instanceof Set) known.add(value);
    else if (known !== value) this.#values.set(key, new Set([known, value]));
  }

  delete(key: K, value: V): void {
    const known = this.#values.get(key);
    if (known instanceof Set) {
      known.delete(value);
      if (known.size === 0) this.#values.delete(key);
    } else if (known === value) this.#values.delete(key);
  }

  /** A copy of the key's values, in the order of insertion. */
  get(key: K): V[] {
    const known = this.#values.get(key);
    if (known === undefined) return [];
    return known instanceof Set ? [...known] : [known];
  }

  has(key: K, value: V): boolean {
    const known = this.#values.get(key);
    return known instanceof Set ? known.has(value) : known === value;
  }

  /** How many values the key has. */
  count(key: K): number {
    const known = this.#values.get(key);
    if (known === undefined) return 0;
    return known instanceof Set ? known.size : 1;
  }

  clear(): void {
    this.#values.clear();
  }
}
