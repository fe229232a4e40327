import type { Clock } from "../../clock.ts";

/** Changes within this time of a writing's beginning share the next one. */
const COALESCE_MS = 250;
/** A write that took longer than this was not slow but stuck: a process that was frozen, an answer that never came. */
const LONGEST_PAUSE_MS = 2000;

/**
 * Writes one thing whenever it changed, one write at a time. What failed stays to be written: by the next change of it, or by
 * whoever waits for it.
 */
export class PacedWrite {
  readonly #write: () => Promise<void>;
  readonly #clock: Clock;
  #dirty = false;
  #running: Promise<void> | undefined;
  #scheduled: Promise<void> | undefined;
  /** Before this no write begins, unless one is urgent. */
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

  /** Neither is there something to write, nor is it being written. */
  get idle(): boolean {
    return !this.#dirty && this.#running === undefined;
  }

  /** Resolves when what there is now is written; rejects when the next write fails. `urgent`: as soon as the one before ends. */
  changed({ urgent = false }: { urgent?: boolean } = {}): Promise<void> {
    this.#dirty = true;
    if (urgent) this.#urgent.abort();
    return this.#schedule();
  }

  /** As `changed`, for who changed nothing: resolves at once when all is written. */
  async durable(): Promise<void> {
    if (this.#dirty) await this.#schedule();
    else await this.#running;
  }

  /** At once after a quiet time; all changes until it begins share it. */
  #schedule(): Promise<void> {
    this.#scheduled ??= this.#next();
    return this.#scheduled;
  }

  async #next() {
    // Whoever waits for the write under way is told how it ended; this one has its own end.
    await this.#running?.catch(() => {});
    const waitMs = Math.max(0, this.#nextMs - this.#clock.monotonic());
    await this.#clock.sleep(waitMs, this.#urgent.signal).catch(() => {});
    this.#urgent = new AbortController();
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
      // A busy API server is not asked to write whole shards back to back: at least half of the time is somebody else's.
      const took = Math.min(this.#clock.monotonic() - began, LONGEST_PAUSE_MS);
      this.#nextMs = Math.max(this.#nextMs, this.#clock.monotonic() + took);
    }
  }
}
