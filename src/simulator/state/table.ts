/**
 * Resources of one kind, by SID and by account, in the order of their creation. The index by account keeps lists fast when many accounts
 * have many resources, as in the benchmarks.
 */
export class Table<T extends { sid: string; accountSid: string }> implements Iterable<T> {
  readonly #bySid = new Map<string, T>();
  readonly #byAccount = new Map<string, Map<string, T>>();

  add(row: T): T {
    if (this.#bySid.has(row.sid)) throw new Error(`${row.sid} exists already`);
    this.#bySid.set(row.sid, row);
    const rows = this.#byAccount.get(row.accountSid) ?? new Map<string, T>();
    this.#byAccount.set(row.accountSid, rows.set(row.sid, row));
    return row;
  }
  get(sid: string): T | undefined {
    return this.#bySid.get(sid);
  }
  /** The account's resource with this SID. Undefined also when another account owns the resource, since an account sees only its own. */
  of(accountSid: string, sid: string): T | undefined {
    return this.#byAccount.get(accountSid)?.get(sid);
  }
  /** All resources of an account, oldest first. */
  ofAccount(accountSid: string): T[] {
    return [...(this.#byAccount.get(accountSid)?.values() ?? [])];
  }
  remove(sid: string): T | undefined {
    const row = this.#bySid.get(sid);
    this.#bySid.delete(sid);
    if (row !== undefined) this.#byAccount.get(row.accountSid)?.delete(sid);
    return row;
  }
  /** Gives the resource to another account. Its SID stays the same. */
  transfer(sid: string, accountSid: string): void {
    const row = this.remove(sid);
    if (row !== undefined) this.add(Object.assign(row, { accountSid }));
  }
  clear(): void {
    this.#bySid.clear();
    this.#byAccount.clear();
  }
  [Symbol.iterator](): Iterator<T> {
    return this.#bySid.values();
  }
  get size(): number {
    return this.#bySid.size;
  }
}
