import { type Clock, sleepOn } from "../../src/clock.ts";

/**
 * A clock that stands still until a test moves it. `advance` fires the due timers one after another in the order of their times. In between
 * it lets promises settle, so that a timer that a callback starts is fired too.
 */
export class ManualClock implements Clock {
  #now: number;
  #elapsed = 0;
  #next = 0;
  readonly #due = new Map<number, { at: number; run: () => void }>();

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#now = startMs;
  }
  now() {
    return this.#now;
  }
  monotonic() {
    return this.#elapsed;
  }
  after(ms: number, run: () => void) {
    const id = this.#next++;
    this.#due.set(id, { at: this.#elapsed + Math.max(0, ms), run });
    return () => void this.#due.delete(id);
  }
  sleep(ms: number, signal?: AbortSignal) {
    return sleepOn(this, ms, signal);
  }
  async advance(ms: number) {
    const until = this.#elapsed + ms;
    for (;;) {
      await settle();
      const first = [...this.#due].filter(([, { at }]) => at <= until).sort((a, b) => a[1].at - b[1].at)[0];
      if (first === undefined) break;
      const [id, { at, run }] = first;
      this.#due.delete(id);
      this.#now += at - this.#elapsed;
      this.#elapsed = at;
      run();
    }
    this.#now += until - this.#elapsed;
    this.#elapsed = until;
    await settle();
  }
  /** Moves the wall clock, as NTP or a suspended machine does. No time passes for timers. */
  jump(ms: number) {
    this.#now += ms;
  }
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
