import type { Flow } from "./flow.ts";
import { FairLine } from "./line.ts";
import { Shares } from "./shares.ts";

interface PlaceWaiter {
  flow: Flow;
  start(): void;
}

/** So many at a time, shared fairly: see `Shares` for how many one flow may hold, and `FairLine` for whose turn it is. */
export class Places {
  readonly #shares: Shares;
  readonly #line = new FairLine<PlaceWaiter>();

  constructor(places: number) {
    this.#shares = new Shares(places);
  }

  /** Waits for a place and holds it while `run` is under way; rejects with the signal's reason when that aborts before. */
  async with<T>(flow: Flow, run: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#acquire(flow, signal);
    try {
      return await run();
    } finally {
      this.#shares.giveBack(flow);
      this.#serve();
    }
  }

  #acquire(flow: Flow, signal: AbortSignal | undefined): Promise<void> | undefined {
    signal?.throwIfAborted();
    // Nobody who waits is admitted as long as nothing changes: whoever is may go at once.
    if (this.#shares.admits(flow)) {
      this.#shares.take(flow);
      return undefined;
    }
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

  #serve() {
    for (;;) {
      const next = this.#line.take(this.#shares);
      if (next === undefined) return;
      this.#shares.take(next.flow);
      next.start();
    }
  }
}
