import type { Clock } from "../clock.ts";

export interface RefusalPaceOptions {
  clock: Clock;
  /** Refusals that leave in a second, after as many at once. */
  perSecond?: number;
  /** How many may wait; beyond that the one that has waited longest leaves. */
  mostWaiting?: number;
}

/** A number set up wrongly is refused as often as texts come to it; a hundred a second are many of those. */
const PER_SECOND = 100;
/** Each keeps its connection: far fewer than there may be, so that no text is turned away for them. */
const MOST_WAITING = 512;
const TICK_MS = 10;

/**
 * Lets refusals leave no faster than at a fixed rate. Whoever waits for an answer before it sends the next request, on however
 * many connections, cannot take more of this process than so many requests a second cost; whoever does not wait gains nothing,
 * since its connections are cut, and end in their turn here (see `http-server.ts`).
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

  /** Calls `refuse` now, or in its turn. */
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

  /** Everybody who waits may leave, and nobody waits from now on. */
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
