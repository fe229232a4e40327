/** Time as a dependency, so that tests own it. Production code takes a Clock and never calls Date.now or setTimeout itself. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds of a clock that never jumps: for measuring how long something took, and for leases. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. Never keeps the process alive by itself. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `run` once after `ms`; returns a function that cancels it. */
  after(ms: number, run: () => void): () => void;
}

/** Node's timers overflow beyond this many milliseconds (24.8 days) and would fire at once; longer waits are chained. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, run) {
    let timer: NodeJS.Timeout;
    const arm = (left: number) => {
      const step = Math.min(left, LONGEST_TIMER_MS);
      timer = setTimeout(() => (left > step ? arm(left - step) : run()), Math.max(0, step));
    };
    arm(ms);
    return () => clearTimeout(timer);
  },
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
};

/**
 * A clock that stands still until told to move. `advance` fires what falls due in order of its time, one after another,
 * and lets promises settle between two of them, so that work which re-arms itself is seen.
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
  /** The wall clock jumps (NTP, a suspended machine) without any time passing for timers. */
  jump(ms: number) {
    this.#now += ms;
  }
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/** `Clock.sleep` for any clock that has timers. */
export function sleepOn(clock: Pick<Clock, "after">, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
