import type { Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import type { Records } from "./records.ts";

/**
 * How long to wait before reading the records again after a failure. Nothing can be reconciled meanwhile, so it is
 * short.
 */
const LOAD_RETRY_MS = 1000;

/**
 * Reads the records at the beginning of each term: a former leader may have written since this process read them
 * last. Nothing is decided before they are read.
 */
export class RecordsOfTerm {
  readonly #records: Records;
  readonly #clock: Clock;
  readonly #log: Log;
  /** Before the first term it stays pending: there is nothing to wait for yet, and nothing that has failed. */
  #loaded: Promise<void> = new Promise(() => {});

  constructor(records: Records, { clock, log }: { clock: Clock; log: Log }) {
    this.#records = records;
    this.#clock = clock;
    this.#log = log;
  }

  /** Resolves when the records of the present term are read; rejects when the term ends before. */
  get loaded(): Promise<void> {
    return this.#loaded;
  }

  /** A new term begins; `signal` aborts at its end. */
  begin(signal: AbortSignal) {
    this.#loaded = this.#load(signal);
    // The end of a term is no error of ours, and nobody may be waiting for it.
    this.#loaded.catch(() => {});
  }

  async #load(signal: AbortSignal) {
    for (;;) {
      try {
        const problems = await this.#records.load({ signal });
        signal.throwIfAborted();
        for (const err of problems)
          this.#log.error({ err }, "one of the operator's own secrets cannot be written, will retry");
        return;
      } catch (error) {
        signal.throwIfAborted();
        this.#log.error({ err: error }, "the operator's own secrets cannot be read, will retry");
        await this.#clock.sleep(LOAD_RETRY_MS, signal);
      }
    }
  }
}
