import type { Clock } from "../../clock.ts";

/**
 * How long our own write is trusted more than the store. A watch that works brings the write back in well under a second. After
 * ten seconds the store is trusted again, whatever it shows, because somebody may have undone the write.
 */
const CATCH_UP_MS = 10_000;

/**
 * Remembers, by key, what this process just did, because the store may not show it yet.
 *
 * A controller reads from its informer's store and not from the API server, and the store follows the server with a delay. An
 * attempt that begins right after the last one could see the object without the last attempt's writes, and repeat them. Go
 * controllers solve the same problem with "expectations", or with a read from the server.
 *
 * Entries expire, so nothing has to be removed when an object is gone.
 */
export class Recent<V> {
  readonly #clock: Clock;
  /** The entries, oldest first: `set` moves a key to the end, and a Map keeps that order. */
  readonly #entries = new Map<string, { value: V; until: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  set(key: string, value: V): void {
    const now = this.#clock.monotonic();
    // Each `set` drops the expired entries, since the key of a deleted object may never be read again. Usually only the oldest
    // entry has to be checked.
    for (const [each, { until }] of this.#entries) {
      if (until > now) break;
      this.#entries.delete(each);
    }
    this.#entries.delete(key);
    this.#entries.set(key, { value, until: now + CATCH_UP_MS });
  }

  get(key: string): V | undefined {
    return this.leftMs(key) > 0 ? this.#entries.get(key)?.value : undefined;
  }

  /** For how many more milliseconds the key is remembered; 0 when it is not. */
  leftMs(key: string): number {
    const entry = this.#entries.get(key);
    return entry === undefined ? 0 : Math.max(0, entry.until - this.#clock.monotonic());
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}
