import type { Clock } from "../../clock.ts";

/**
 * How long our own write counts for more than the store. A watch that works brings it back in well under a second. After
 * ten the store counts again, whatever it shows: somebody may have undone the write since.
 */
const CATCH_UP_MS = 10_000;

/**
 * Remembers by key what this process just did and the store may not show yet.
 *
 * A controller reads from its informer's store, not from the API server, and the store follows the server with a delay. An
 * attempt that begins right after the last one would see the object as it was before the last one's writes, and do them
 * again. Go controllers meet the same problem with "expectations", or by a read from the server.
 *
 * Entries end by themselves, so what was written for an object that is gone needs no cleaning up.
 */
export class Recent<V> {
  readonly #clock: Clock;
  /** Oldest first: `set` moves a key to the end, and a Map keeps that order. */
  readonly #entries = new Map<string, { value: V; until: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  set(key: string, value: V): void {
    const now = this.#clock.monotonic();
    // Drops what has expired here, since nothing may ever ask again for the key of a deleted object. One look at the
    // oldest is enough in most calls.
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

  /** For how much longer the key is remembered; 0 when it is not. */
  leftMs(key: string): number {
    const entry = this.#entries.get(key);
    return entry === undefined ? 0 : Math.max(0, entry.until - this.#clock.monotonic());
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}
