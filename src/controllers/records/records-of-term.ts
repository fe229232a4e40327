import type { Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import type { Records } from "./records.ts";

/** How long the next try to read the records waits. */
const LOAD_RETRY_MS = 1000;

/** Reads the records at the beginning of each term: whoever led before may have written, and nothing is decided before. */
export class RecordsOfTerm {
  readonly #records: Records;
  readonly #clock: Clock;
  readonly #log: Log;
  #loaded: Promise<void> = new Promise(() => {});

  constructor(records: Records, { clock, log }: { clock: Clock; log: Log }) {
    this.#records = records;
    this.#clock = clock;
    this.#log = log;
  }

  /** Resolves when the records of the term under way are read; rejects when it ends before. */
  get loaded(): Promise<void> {
    return this.#loaded;
  }

  begin(signal: AbortSignal) {
    this.#loaded = this.#load(signal);
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
