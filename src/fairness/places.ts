import type { Flow } from "./flow.ts";
import { FairLine } from "./line.ts";
import { Shares } from "./shares.ts";

interface PlaceWaiter {
  flow: Flow;
  start(): void;
}

/**
 * Lets a limited number of calls run at a time, and shares the places fairly. `Shares` says how many places a flow may hold,
 * and `FairLine` says whose turn it is.
 *
 *     const places = new Places(32);
 *     const answer = await places.with({ tenant, upstream }, () => call(), signal);
 */
export class Places {
  readonly #shares: Shares;
  readonly #line = new FairLine<PlaceWaiter>();

  readonly #longestWaitMs: number | undefined;

  /** A call that waits for longer than `longestWaitMs` is refused with a TimeoutError. Default: there is no such limit. */
  constructor(places: number, { longestWaitMs }: { longestWaitMs?: number } = {}) {
    this.#shares = new Shares(places);
    this.#longestWaitMs = longestWaitMs;
  }

  /**
   * Waits for a place and holds it until `run` has ended, however `run` ends. When the signal aborts before `run` has begun,
   * the call rejects with the signal's reason and `run` is never called. An abort during `run` is for `run` itself to handle.
   */
  async with<T>(flow: Flow, run: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#acquire(flow, signal);
    try {
      return await run();
    } finally {
      this.#shares.giveBack(flow);
      this.#serve();
    }
  }

  #acquire(flow: Flow, given: AbortSignal | undefined): Promise<void> | undefined {
    given?.throwIfAborted();
    // A call that gets its place here overtakes no waiting call: the line was served when a place last came free, so no call
    // that still waits is admitted now.
    if (this.#shares.admits(flow)) {
      this.#shares.take(flow);
      return undefined;
    }
    // The timer for the longest wait is made only for a call that has to wait: most calls need not, and need no timer.
    const signal = this.#untilGivenUp(given);
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#line.delete(flow, waiter);
        reject(signal?.reason);
      };
      const waiter: PlaceWaiter = {
        flow,
        start: () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#line.add(flow, waiter);
    });
  }

  #untilGivenUp(given: AbortSignal | undefined): AbortSignal | undefined {
    if (this.#longestWaitMs === undefined) return given;
    const timeout = AbortSignal.timeout(this.#longestWaitMs);
    return given === undefined ? timeout : AbortSignal.any([given, timeout]);
  }

  /**
   * Gives free places to waiting calls. Called when a place comes free. More than one call may start, as each tenant's limit
   * grows with the number of free places.
   */
  #serve() {
    for (;;) {
      const next = this.#line.take(this.#shares);
      if (next === undefined) return;
      this.#shares.take(next.flow);
      next.start();
    }
  }
}
