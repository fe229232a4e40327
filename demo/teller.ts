import { NotSeen } from "./expect.ts";
import type { Reporter } from "./reporter.ts";

/** Runs the demo step by step. The function of a step returns a sentence about what it saw, and throws when it saw something unexpected. */
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

  /** Runs one step and returns its result. An error that the step throws is reported, and thrown again. */
  async step<T>(name: string, title: string, run: () => Promise<{ seen: string; result: T }>): Promise<T> {
    this.#signal.throwIfAborted();
    this.#reporter.begin(title);
    try {
      const { seen, result } = await run();
      this.#steps++;
      this.#reporter.done(name, seen);
      return result;
    } catch (error) {
      // A step that a person interrupts has not failed.
      if (!this.#signal.aborted)
        this.#reporter.failed(name, error instanceof NotSeen ? error.message : String(error));
      throw error;
    }
  }
}
