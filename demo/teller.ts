import { NotSeen } from "./expect.ts";
import type { Reporter } from "./reporter.ts";

/** Tells a story step by step: a step is done when its function returns what was seen, as a sentence. */
export class Teller {
  readonly #reporter: Reporter;
  readonly #signal: AbortSignal;
  #steps = 0;

  constructor(reporter: Reporter, signal: AbortSignal) {
    this.#reporter = reporter;
    this.#signal = signal;
  }

  get steps(): number {
    return this.#steps;
  }
  note(line: string): void {
    this.#reporter.note(line);
  }

  /** Runs one step and hands its result on; what it throws is told and thrown again. */
  async step<T>(name: string, title: string, run: () => Promise<{ seen: string; result: T }>): Promise<T> {
    this.#signal.throwIfAborted();
    this.#reporter.begin(title);
    try {
      const { seen, result } = await run();
      this.#steps++;
      this.#reporter.done(name, seen);
      return result;
    } catch (error) {
      // Somebody who ends the demo is not told that the step they interrupted has failed.
      if (!this.#signal.aborted)
        this.#reporter.failed(name, error instanceof NotSeen ? error.message : String(error));
      throw error;
    }
  }
}
