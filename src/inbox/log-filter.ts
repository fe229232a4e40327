import type { Clock } from "../clock.ts";

/** A problem that lasts is logged again after this time. */
const REPEAT_MS = 30_000;

/** Decides whether a problem is worth a line in the log: when it begins, when its cause changes, and every 30 s while it lasts. */
export class LogFilter {
  readonly #clock: Clock;
  /** When each cause was last logged. With one time for all causes, two causes that alternate would be logged at every change. */
  readonly #causes = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True when this cause should be logged now. The caller must then log it. */
  isNews(cause: string): boolean {
    const now = this.#clock.monotonic();
    if (now - (this.#causes.get(cause) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return false;
    this.#causes.set(cause, now);
    return true;
  }

  /** Notes that the problem is over. Returns true when the problem was logged, so that its end should be logged as well. */
  isOver(): boolean {
    const wasLogged = this.#causes.size > 0;
    this.#causes.clear();
    return wasLogged;
  }
}
