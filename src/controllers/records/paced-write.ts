/**
 * Limits how often one Secret is written. A thousand streams that appear at the same time make a thousand changes to a
 * few Secrets of several hundred kilobytes. Each write costs the API server and etcd as much as the whole Secret. So
 * changes are gathered, with pauses between the writes. A single change is written immediately.
 */

import type { Clock } from "../../clock.ts";

/**
 * Changes within this time after the beginning of a write share the next write. A person does not notice a quarter of a
 * second, and in that time hundreds of changes can be gathered.
 */
const COALESCE_MS = 250;
/**
 * The longest pause after a write. A write that took longer than this was stuck (a frozen process, a lost answer), so
 * its duration does not show how busy the API server is.
 */
const LONGEST_PAUSE_MS = 2000;

/**
 * Calls `write` after each change, one call at a time. After a failed write the content still counts as unwritten; it
 * is written again after the next change, or when `durable` is called.
 */
export class PacedWrite {
  readonly #write: () => Promise<void>;
  readonly #clock: Clock;
  #dirty = false;
  #running: Promise<void> | undefined;
  #scheduled: Promise<void> | undefined;
  /** No write begins before this time, unless a change is urgent. */
  #nextMs = Number.NEGATIVE_INFINITY;
  #urgent = new AbortController();

  /**
   * `write` must read the content before it waits for anything, because a change that comes later belongs to the next
   * write.
   */
  constructor(write: () => Promise<void>, clock: Clock) {
    this.#write = write;
    this.#clock = clock;
  }

  /** Whether the content differs from what was written last. */
  get dirty(): boolean {
    return this.#dirty;
  }

  /** Whether there is nothing to write and no write under way. */
  get idle(): boolean {
    return !this.#dirty && this.#running === undefined;
  }

  /**
   * Notes that the content has changed, and schedules a write. The promise resolves when the present content is
   * written, and rejects when the next write fails. `urgent` skips the pause: the next write begins as soon as the
   * present write ends.
   */
  changed({ urgent = false }: { urgent?: boolean } = {}): Promise<void> {
    this.#dirty = true;
    if (urgent) this.#urgent.abort();
    return this.#schedule();
  }

  /**
   * Resolves when all changes so far are written, which can be immediately, and rejects when their write fails. If an
   * earlier write failed, another write is scheduled.
   */
  async durable(): Promise<void> {
    if (this.#dirty) await this.#schedule();
    else await this.#running;
  }

  /** Resolves when no write is under way, whether the last one worked or failed. Starts no write. */
  async settled(): Promise<void> {
    await this.#running?.catch(() => {});
  }

  /** Schedules the next write. All changes until that write begins get the same promise. */
  #schedule(): Promise<void> {
    this.#scheduled ??= this.#next();
    return this.#scheduled;
  }

  async #next() {
    // If the write under way fails, the callers that wait for it get the error, so the error is ignored here.
    await this.#running?.catch(() => {});
    const waitMs = Math.max(0, this.#nextMs - this.#clock.monotonic());
    await this.#clock.sleep(waitMs, this.#urgent.signal).catch(() => {});
    this.#urgent = new AbortController();
    // Changes from here on need another write, because `#write` now reads the content before it waits for anything.
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
      // A busy API server must not get writes of whole shards back to back. So the pause after a write is as long as
      // the write took, and at least half of the time is left for other requests.
      const took = Math.min(this.#clock.monotonic() - began, LONGEST_PAUSE_MS);
      this.#nextMs = Math.max(this.#nextMs, this.#clock.monotonic() + took);
    }
  }
}
