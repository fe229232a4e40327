import type { Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import type { Records } from "./records.ts";

/**
 * The pause between a failed reading of the records and the next one. It is short, because no object can be reconciled
 * before the records are read.
 */
const LOAD_RETRY_MS = 1000;

/**
 * Reads the records at the beginning of each term: another leader may have written them since this process read them
 * last. The operator decides nothing before the records are read.
 */
export class RecordsOfTerm {
  readonly #records: Records;
  readonly #clock: Clock;
  readonly #log: Log;
  /**
   * This promise settles when the reading of the records ends. It stays pending until the first term begins, because
   * until then nothing is being read and nothing has failed.
   */
  #loaded: Promise<void> = new Promise(() => {});

  constructor(records: Records, { clock, log }: { clock: Clock; log: Log }) {
    this.#records = records;
    this.#clock = clock;
    this.#log = log;
  }

  /** Resolves when the records of the present term are read; rejects when the term ends before that. */
  get loaded(): Promise<void> {
    return this.#loaded;
  }

  /** Starts to read the records for a new term. `signal` aborts at the end of the term. */
  begin(signal: AbortSignal) {
    this.#loaded = this.#load(signal);
    // The end of a term is not an error, and there may be nobody who waits for the promise. Without this handler the
    // end of a term would be an unhandled rejection, which ends the process.
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
