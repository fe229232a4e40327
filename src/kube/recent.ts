import type { Clock } from "../clock.ts";

/** The watch brings our own writes back within this time; then the store's word counts again, whatever it is. */
const CATCH_UP_MS = 10_000;

/** What this process just did and the store may not show yet, by key; forgotten by itself when the store must have caught up. */
export class Recent<V> {
  readonly #clock: Clock;
  /** Oldest first. */
  readonly #entries = new Map<string, { value: V; until: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  set(key: string, value: V): void {
    const now = this.#clock.monotonic();
    // Nobody need ask again for a key, nor tell that it is gone: what has had its time must not stay for that.
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

  /** How much longer it is remembered. */
  leftMs(key: string): number {
    const entry = this.#entries.get(key);
    return entry === undefined ? 0 : Math.max(0, entry.until - this.#clock.monotonic());
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}
