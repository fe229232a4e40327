/**
 * The pace of one Secret's writes. A thousand streams that appear at once make a thousand changes to a few Secrets
 * of several hundred kilobytes, and each write costs the API server and etcd as much as its whole size. So changes
 * are gathered, and writes pause in between; a change on its own is written at once.
 */

import type { Clock } from "../../clock.ts";

/**
 * Changes within this time of the beginning of a write share the next one. A quarter of a second is not felt by a
 * person and gathers hundreds of changes.
 */
const COALESCE_MS = 250;
/**
 * A write that took longer than this was not slow but stuck (a frozen process, a lost answer), and says nothing
 * about how busy the API server is.
 */
const LONGEST_PAUSE_MS = 2000;

/**
 * Writes one thing whenever it changed, one write at a time. What failed stays to be written, by the next change or
 * by the next caller who waits.
 */
export class PacedWrite {
  readonly #write: () => Promise<void>;
  readonly #clock: Clock;
  #dirty = false;
  #running: Promise<void> | undefined;
  #scheduled: Promise<void> | undefined;
  /** No write begins before this, unless one is urgent. */
  #nextMs = Number.NEGATIVE_INFINITY;
  #urgent = new AbortController();

  /** `write` takes what there is to write when it is called, not later. */
  constructor(write: () => Promise<void>, clock: Clock) {
    this.#write = write;
    this.#clock = clock;
  }

  /** It differs from what was written last. */
  get dirty(): boolean {
    return this.#dirty;
  }

  /** Nothing is to be written, and nothing is being written. */
  get idle(): boolean {
    return !this.#dirty && this.#running === undefined;
  }

  /**
   * Resolves when what there is now is written; rejects when the next write fails. `urgent` skips the pause: it is
   * written as soon as the write before it ends.
   */
  changed({ urgent = false }: { urgent?: boolean } = {}): Promise<void> {
    this.#dirty = true;
    if (urgent) this.#urgent.abort();
    return this.#schedule();
  }

  /** Like `changed` for a caller who changed nothing: resolves at once when all is written. */
  async durable(): Promise<void> {
    if (this.#dirty) await this.#schedule();
    else await this.#running;
  }

  /** Every change until the write begins shares its promise. */
  #schedule(): Promise<void> {
    this.#scheduled ??= this.#next();
    return this.#scheduled;
  }

  async #next() {
    // The write under way has its own callers, who are told how it ended.
    await this.#running?.catch(() => {});
    const waitMs = Math.max(0, this.#nextMs - this.#clock.monotonic());
    await this.#clock.sleep(waitMs, this.#urgent.signal).catch(() => {});
    this.#urgent = new AbortController();
    // From here on changes need another write: `#write` takes its content in the same turn.
    this.#scheduled = undefined;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  async #run() {
    const began = this.#clock.monotonic();
    this.#nextMs = began + COALESCE_MS;
    this.#dirty = false;
    try {
      await this.#write();
    } catch (error) {
      this.#dirty = true;
      throw error;
    } finally {
      // A busy API server must not be asked to write whole shards back to back: pause as long as the write took, so
      // that at least half of the time belongs to others.
      const took = Math.min(this.#clock.monotonic() - began, LONGEST_PAUSE_MS);
      this.#nextMs = Math.max(this.#nextMs, this.#clock.monotonic() + took);
    }
  }
}
