import type { Clock } from "../clock.ts";

/** The same trouble is told again after this. */
const REPEAT_MS = 30_000;

/** Whether a trouble is worth a line in the log: when it begins, when its cause changes, and now and then while it lasts. */
export class Told {
  readonly #clock: Clock;
  #cause: string | undefined;
  #atMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Is this news? Whoever asks is taken to tell it. */
  isNews(cause: string): boolean {
    const now = this.#clock.monotonic();
    if (cause === this.#cause && now - this.#atMs < REPEAT_MS) return false;
    this.#cause = cause;
    this.#atMs = now;
    return true;
  }

  /** The trouble is over; was there one that was told? */
  isOver(): boolean {
    const wasTold = this.#cause !== undefined;
    this.#cause = undefined;
    return wasTold;
  }
}
