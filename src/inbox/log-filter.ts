import type { Clock } from "../clock.ts";

/** The same trouble is told again after this. */
const REPEAT_MS = 30_000;

/** Whether a trouble is worth a line in the log: when it begins, when its cause changes, and now and then while it lasts. */
export class LogFilter {
  readonly #clock: Clock;
  /** When each cause was told last: two that take turns are not told at each turn. */
  readonly #causes = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Is this news? Whoever asks is taken to tell it. */
  isNews(cause: string): boolean {
    const now = this.#clock.monotonic();
    if (now - (this.#causes.get(cause) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return false;
    this.#causes.set(cause, now);
    return true;
  }

  /** The trouble is over; was there one that was told? */
  isOver(): boolean {
    const wasTold = this.#causes.size > 0;
    this.#causes.clear();
    return wasTold;
  }
}
