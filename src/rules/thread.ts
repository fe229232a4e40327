import { Worker } from "node:worker_threads";
import { threadFile } from "../assets.ts";
import type { ExpressionCheck } from "./rules.ts";

/** Of what an expression used more than it may. */
export type Overrun = "time" | "memory";

export interface TimedAnswer {
  answer: ExpressionCheck | Overrun;
  /** How long it took, without the start of the thread. */
  ms: number;
}

export interface ThreadLimits {
  /** For one expression. What passes the bounds on patterns takes tens of milliseconds. */
  timeMs: number;
  memoryMb: number;
}

export interface RuleThreadOptions extends ThreadLimits {
  /** Instead of src/rules/worker.ts. */
  file?: URL;
}

/** Loading takes a fraction of a second; a machine under load takes longer. */
const START_MS = 60_000;

/**
 * A thread that judges expressions, one at a time. It is starting, then idle or busy in turns, then gone: after an overrun, an
 * error of its own or `end`. Idle it does not keep the process alive.
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
      // Not this process's: an --import or --input-type of ours is nothing to the thread.
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: memoryMb, maxYoungGenerationSizeMb: 8 },
    });
    this.#worker.on("message", (message) => this.#answered?.(message));
    this.#worker.on("error", (error: Error) => this.#end(error));
    this.#worker.on("exit", () => this.#end(new Error("the thread that judges rules ended")));
    this.#started = this.#message(START_MS, () => {
      throw new Error("the thread that judges rules does not start");
    });
    this.#started.catch(() => undefined);
    this.#worker.unref();
  }

  /** After an overrun the thread is gone. Rejects when the thread has an error of its own, or was ended. */
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

  /** The next message. When none comes in time the thread is ended, and `late` says what to make of it. */
  #message<T>(withinMs: number, late: () => T): Promise<unknown> {
    return new Promise((resolve, reject) => {
      // Real time: whatever a test does to its clock, a thread computes in this one.
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
      // Not at once: while this thread was busy the answer may have come, and has only not been read yet.
      const overdue = () => {
        if (this.#answered === undefined) return;
        settle();
        this.#end(new Error("the thread that judges rules took too long"));
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
