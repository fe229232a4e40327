import { type Clock, sleepOn, systemClock } from "../../src/clock.ts";

interface Due {
  at: number;
  run: () => void;
  disarm: () => void;
}

/** A clock that runs as usual and can also skip time: an hour of resyncs passes without an hour of waiting. */
export class SkippingClock implements Clock {
  #skipped = 0;
  readonly #due = new Set<Due>();

  now() {
    return systemClock.now() + this.#skipped;
  }
  monotonic() {
    return systemClock.monotonic() + this.#skipped;
  }
  after(ms: number, run: () => void) {
    const due: Due = { at: this.monotonic() + ms, run: () => {}, disarm: () => {} };
    due.run = () => {
      this.#due.delete(due);
      run();
    };
    due.disarm = systemClock.after(ms, due.run);
    this.#due.add(due);
    return () => {
      due.disarm();
      this.#due.delete(due);
    };
  }
  sleep(ms: number, signal?: AbortSignal) {
    return sleepOn(this, ms, signal);
  }
  /** Skips this time at once. Timers that become due fire in the order of their times. */
  skip(ms: number) {
    this.#skipped += ms;
    const now = this.monotonic();
    const all = [...this.#due].sort((a, b) => a.at - b.at);
    // All timers are armed again before any of them runs. Otherwise a timer that a callback starts would be armed twice.
    for (const due of all) {
      due.disarm();
      if (due.at > now) due.disarm = systemClock.after(due.at - now, due.run);
    }
    for (const due of all) if (due.at <= now && this.#due.has(due)) due.run();
  }
}
