import type { Clock } from "../clock.ts";

export interface RefusalPaceOptions {
  clock: Clock;
  /** Refusals per second. As many may leave at once after a quiet second. */
  perSecond?: number;
  /** How many may wait. When one more comes, the one that has waited longest leaves. */
  mostWaiting?: number;
}

/** Refusals that are not attacks come from numbers that are set up wrongly, as often as those get texts: far less than this. */
const PER_SECOND = 100;
/** Each keeps its connection, so this is far below the number of connections: no text may be turned away for them. */
const MOST_WAITING = 512;
const TICK_MS = 10;

/**
 * Limits the rate at which refusals leave. A stranger that waits for each answer before its next request can then cause no more than
 * this many requests a second, on however many connections. One that does not wait gains nothing: its connections are cut, and wait
 * here for their end (see `http-server.ts`).
 */
export class RefusalPace {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #mostWaiting: number;
  #waiting: (() => void)[] = [];
  #credit: number;
  #creditAtMs: number;
  #ticking = false;
  #ended = false;

  constructor({ clock, perSecond = PER_SECOND, mostWaiting = MOST_WAITING }: RefusalPaceOptions) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#mostWaiting = mostWaiting;
    this.#credit = perSecond;
    this.#creditAtMs = clock.monotonic();
  }

  /** Calls `refuse` now, or when its turn comes. */
  pass(refuse: () => void): void {
    if (this.#ended) {
      refuse();
      return;
    }
    this.#waiting.push(refuse);
    this.#earn();
    this.#release();
    if (this.#waiting.length > this.#mostWaiting) this.#waiting.shift()!();
    this.#tick();
  }

  /** Sends all that wait. From now on nothing waits, so that a shutdown is not held up. */
  end(): void {
    this.#ended = true;
    for (const refuse of this.#waiting.splice(0)) refuse();
  }

  #earn(): void {
    const now = this.#clock.monotonic();
    const earned = ((now - this.#creditAtMs) * this.#perSecond) / 1000;
    this.#credit = Math.min(this.#perSecond, this.#credit + earned);
    this.#creditAtMs = now;
  }

  #release(): void {
    const count = Math.min(Math.floor(this.#credit), this.#waiting.length);
    this.#credit -= count;
    for (const refuse of this.#waiting.splice(0, count)) refuse();
  }

  #tick(): void {
    if (this.#ticking || this.#waiting.length === 0) return;
    this.#ticking = true;
    this.#clock.after(TICK_MS, () => {
      this.#ticking = false;
      this.#earn();
      this.#release();
      this.#tick();
    });
  }
}
