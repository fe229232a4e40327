import { Worker } from "node:worker_threads";
import { threadFile } from "../assets.ts";
import type { ExpressionCheck } from "./rules.ts";

/** The limit that an expression exceeded. */
export type Overrun = "time" | "memory";

export interface TimedAnswer {
  answer: ExpressionCheck | Overrun;
  /** How long the check took, not counting the start of the thread. */
  ms: number;
}

export interface ThreadLimits {
  /** How long one expression may take. An expression within the limits on patterns takes tens of milliseconds. */
  timeMs: number;
  memoryMb: number;
}

export interface RuleThreadOptions extends ThreadLimits {
  /** The program that the thread runs. Default: src/rules/worker.ts. */
  file?: URL;
}

/** How long a thread may take to start. A fraction of a second is usual, but a busy machine may need much longer. */
const START_MS = 60_000;

/**
 * A thread that checks expressions, one at a time.
 * States: starting → idle ⇄ busy → gone (after an overrun, an error of the thread, or `end`). An idle thread does not keep the
 * process alive.
 */
export class RuleThread {
  readonly #worker: Worker;
  readonly #timeMs: number;
  readonly #started: Promise<unknown>;
  #answered: ((message: unknown) => void) | undefined;
  #failed: ((error: Error) => void) | undefined;
  #gone: Error | undefined;

  constructor({ timeMs, memoryMb, file = threadFile("rules") }: RuleThreadOptions) {
    this.#timeMs = timeMs;
    this.#worker = new Worker(file, {
      // Node flags of this process, such as --import or --input-type, must not apply to the thread.
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: memoryMb, maxYoungGenerationSizeMb: 8 },
    });
    this.#worker.on("message", (message) => this.#answered?.(message));
    this.#worker.on("error", (error: Error) => this.#end(error));
    this.#worker.on("exit", () => this.#end(new Error("the thread that checks rules ended")));
    this.#started = this.#message(START_MS, () => {
      throw new Error("the thread that checks rules does not start");
    });
    this.#started.catch(() => undefined);
    this.#worker.unref();
  }

  /** Checks one expression. After an overrun the thread is gone. Rejects when the thread fails or was ended. */
  async judge(when: string): Promise<TimedAnswer> {
    this.#worker.ref();
    try {
      await this.#started;
      const start = performance.now();
      const answer = await this.#ask(when);
      return { answer, ms: performance.now() - start };
    } finally {
      if (this.#gone === undefined) this.#worker.unref();
    }
  }

  async #ask(when: string): Promise<ExpressionCheck | Overrun> {
    if (this.#gone !== undefined) throw this.#gone;
    const answer = this.#message(this.#timeMs, () => "time" as const);
    this.#worker.postMessage(when);
    try {
      return (await answer) as ExpressionCheck | "time";
    } catch (error) {
      if ((error as { code?: string }).code === "ERR_WORKER_OUT_OF_MEMORY") return "memory";
      throw error;
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  /**
   * The thread's next message. When no message comes in time, the thread is ended, and the promise settles with the result of
   * `late`.
   */
  #message<T>(withinMs: number, late: () => T): Promise<unknown> {
    return new Promise((resolve, reject) => {
      // This is a real timer and not a Clock, because a thread computes in real time, also in tests.
      const timer = setTimeout(() => setImmediate(overdue), withinMs);
      const settle = () => {
        clearTimeout(timer);
        this.#answered = undefined;
        this.#failed = undefined;
      };
      this.#answered = (message) => {
        settle();
        resolve(message);
      };
      this.#failed = (error) => {
        settle();
        reject(error);
      };
      // The check is put off by setImmediate: an answer that arrived while the main thread was busy is then read first.
      const overdue = () => {
        if (this.#answered === undefined) return;
        settle();
        this.#end(new Error("the thread that checks rules took too long"));
        void this.#worker.terminate();
        Promise.resolve().then(late).then(resolve, reject);
      };
    });
  }

  #end(error: Error): void {
    this.#gone ??= error;
    this.#failed?.(error);
  }
}
