import type { Clock } from "../clock.ts";

export interface RefusalPaceOptions {
  clock: Clock;
  /** Number of refusals that are sent per second. After a second without refusals, this many may be sent immediately. */
  perSecond?: number;
  /** Number of refusals that may wait. When one more comes, the refusal that has waited longest is sent immediately. */
  mostWaiting?: number;
}

/**
 * The default limit of refusals per second. Without an attack, refusals come from numbers that are set up wrongly, as often as these
 * numbers get texts. That is far less than the limit.
 */
const PER_SECOND = 100;
/**
 * The default limit of waiting refusals. Each of them keeps its connection open, so the limit is far below that of connections: no text
 * may be turned away because of waiting refusals.
 */
const MOST_WAITING = 512;
/**
 * Waiting refusals are sent at this interval. At the default limit of 100 refusals per second, one refusal is sent per interval.
 */
const TICK_MS = 10;

/**
 * Limits the rate at which refusals are sent. Clients that wait for each answer before their next request can then send no more requests
 * per second than this rate, on however many connections. A client that does not wait gains nothing: its connections are cut, and a cut
 * connection is closed only when its turn comes, like a refusal (see `http-server.ts`).
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

  /** Calls `refuse` now or when its turn comes. `refuse` sends a refusal or closes a cut connection. */
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

  /** Sends all refusals that wait. From now on no refusal waits, so that refusals do not hold up a shutdown. */
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
