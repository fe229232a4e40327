import type { Clock } from "../clock.ts";

/** After this time a problem that lasts is logged again. */
const REPEAT_MS = 30_000;

/** Decides whether a problem is worth a line in the log: when it begins, when its cause changes, and every 30 s while it lasts. */
export class LogFilter {
  readonly #clock: Clock;
  /** When each cause was logged last. One time for all would let two causes that alternate be logged at every change. */
  readonly #causes = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Should this cause be logged now? After `true` the caller must log it. */
  isNews(cause: string): boolean {
    const now = this.#clock.monotonic();
    if (now - (this.#causes.get(cause) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return false;
    this.#causes.set(cause, now);
    return true;
  }

  /** Call when the problem is over. True when it was logged, so that its end is worth a line as well. */
  isOver(): boolean {
    const wasTold = this.#causes.size > 0;
    this.#causes.clear();
    return wasTold;
  }
}
