import type { Clock } from "../clock.ts";
import { FairLine } from "../fairness/line.ts";

/** `change`: a user waits for it. `resync`: looking whether things are still as they should be. */
export type Lane = "change" | "resync";

/** The bounds of one account. */
export interface BudgetOptions {
  clock: Clock;
  /** Calls at once. */
  concurrency: number;
  requestsPerSecond: number;
  /** Between 0 and 1; tests make it constant. */
  random?: () => number;
}

/** The right to make one request, to be given back with what came of it. */
export interface Permit {
  readonly lane: Lane;
  /** How often the account had been slowed down when the call began. */
  readonly epoch: number;
}

/**
 * `answered`: Twilio dealt with it, even if it refused. `failed`: no answer. `abandoned`: its caller ended it,
 * which says nothing. `throttled`: 429, with how long Twilio asks to wait, where it does.
 */
export type CallOutcome = "answered" | "failed" | "abandoned" | { throttled: number | undefined };

/** A caller who waits for a permit. */
interface BudgetWaiter {
  tenant: string;
  sinceMs: number;
  start(permit: Permit): void;
  sendAway(): void;
}

/** The first pause after a 429; doubled by each further one. */
const FIRST_BACKOFF_MS = 100;
/** No pause is longer, whatever Twilio asks for: it must still be noticed when Twilio has recovered. */
export const LONGEST_PAUSE_MS = 30_000;
/** A caller who has waited longer than this is sent away with the account's next failure. */
const LONGEST_WAIT_MS = 30_000;
/** With a window of one call: so many changes, then one resync that waits. */
const CHANGES_PER_RESYNC = 4;

/**
 * What one account may ask of Twilio: so many calls at once, so many per second. Twilio limits accounts by calls in
 * flight and does not publish the limit, so it is found as TCP finds a line's capacity: a 429 halves the window and
 * pauses the whole account (full jitter from 100 ms, doubling up to 30 s), each good answer widens the window a
 * little.
 *
 * Changes go first, and a quarter of the window is kept free for them. A resync that waits gets one place of the
 * window; where the window is a single place, it gets every fifth turn. Tenants that share the account take turns
 * (ADR 29).
 *
 * While the account fails nobody waits for long: the caller can then say why, and try again.
 */
export class Budget {
  readonly #options: BudgetOptions;
  readonly #waiting = { change: new FairLine<BudgetWaiter>(), resync: new FairLine<BudgetWaiter>() };
  readonly #running: Record<Lane, number> = { change: 0, resync: 0 };
  #window: number;
  /** 429s in a row, those of calls in flight together counted once. */
  #throttles = 0;
  #pausedUntilMs = 0;
  #epoch = 0;
  /** When the rate alone would allow the next request if there were no burst (generic cell rate algorithm). */
  #rateMs = 0;
  #cancelWake: (() => void) | undefined;
  /** Changes that began one after another while a resync waited. */
  #changesInARow = 0;

  constructor(options: BudgetOptions) {
    this.#options = options;
    this.#window = options.concurrency;
  }

  /** How long the account is still paused. */
  get pauseMs(): number {
    return Math.max(0, this.#pausedUntilMs - this.#options.clock.monotonic());
  }

  /** How many calls at once are allowed now. */
  get window(): number {
    return Math.floor(this.#window);
  }

  /** Waits for its turn. Rejects with the signal's reason, or with a TimeoutError when the account fails for long. */
  acquire(lane: Lane, signal: AbortSignal, tenant = ""): Promise<Permit> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const leave = (reason: unknown) => {
        signal.removeEventListener("abort", onAbort);
        this.#waiting[lane].delete(waiter, waiter);
        reject(reason);
      };
      const onAbort = () => {
        leave(signal.reason);
        this.#pump();
      };
      const waiter: BudgetWaiter = {
        tenant,
        sinceMs: this.#options.clock.monotonic(),
        start(permit) {
          signal.removeEventListener("abort", onAbort);
          resolve(permit);
        },
        sendAway: () => leave(new DOMException("the account fails", "TimeoutError")),
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting[lane].add(waiter, waiter);
      this.#pump();
    });
  }

  /** The call is over: gives the permit back with what came of it. */
  finish(permit: Permit, outcome: CallOutcome): void {
    this.#running[permit.lane] -= 1;
    // Calls that began before the account was slowed down say nothing about the new pace.
    const isNews = permit.epoch === this.#epoch;
    if (typeof outcome === "object") this.#throttled(outcome.throttled, isNews);
    else if (outcome === "answered" && isNews) this.#answered();
    if (outcome === "failed" || typeof outcome === "object") this.#sendAway();
    this.#pump();
  }

  /** Called after a failure: callers who have waited too long get it as their answer. */
  #sendAway() {
    const latest = this.#options.clock.monotonic() - LONGEST_WAIT_MS;
    const all = Object.values(this.#waiting).flatMap((line) => [...line]);
    for (const waiter of all) if (waiter.sinceMs <= latest) waiter.sendAway();
  }

  /** Adds one call to the window for each whole window of good answers, as TCP does. */
  #answered() {
    this.#throttles = 0;
    this.#window = Math.min(this.#options.concurrency, this.#window + 1 / this.#window);
  }

  /** A 429: of all calls that were in flight together only the first one halves the window. */
  #throttled(retryAfterMs: number | undefined, isNews: boolean) {
    const { clock, random = Math.random } = this.#options;
    const now = clock.monotonic();
    if (isNews) {
      this.#throttles += 1;
      this.#window = Math.max(1, this.#window / 2);
      this.#epoch += 1;
    }
    const backoffMs = random() * FIRST_BACKOFF_MS * 2 ** Math.min(this.#throttles, 20);
    const pauseMs = Math.min(LONGEST_PAUSE_MS, retryAfterMs ?? backoffMs);
    if (isNews || retryAfterMs !== undefined)
      this.#pausedUntilMs = Math.max(this.#pausedUntilMs, now + pauseMs);
  }

  /** Starts whatever may start now. */
  #pump() {
    for (;;) {
      const lane = this.#next();
      if (lane === undefined) return;
      const waitMs = this.#waitMs();
      if (waitMs > 0) return this.#wakeAfter(waitMs);
      this.#start(lane);
    }
  }

  /** Whose turn it is, as far as the window goes. */
  #next(): Lane | undefined {
    const limit = this.window;
    const { change, resync } = this.#running;
    if (change + resync >= limit) return undefined;
    const keptForChanges = limit < 2 ? 0 : Math.max(1, Math.floor(limit / 4));
    const resyncMayStart = this.#waiting.resync.size > 0 && resync < limit - keptForChanges;
    if (this.#waiting.change.size === 0) return resyncMayStart ? "resync" : undefined;
    return resyncMayStart && this.#resyncStarves(limit) ? "resync" : "change";
  }

  /** Would changes without end keep a waiting resync out? */
  #resyncStarves(limit: number): boolean {
    if (limit < 2) return this.#changesInARow >= CHANGES_PER_RESYNC;
    return this.#running.resync === 0 && this.#running.change >= limit - 1;
  }

  #start(lane: Lane) {
    const { clock, requestsPerSecond } = this.#options;
    const now = clock.monotonic();
    this.#rateMs = Math.max(this.#rateMs, now) + 1000 / requestsPerSecond;
    const passedResync = lane === "change" && this.#waiting.resync.size > 0;
    this.#changesInARow = passedResync ? this.#changesInARow + 1 : 0;
    this.#running[lane] += 1;
    this.#waiting[lane].take()?.start({ lane, epoch: this.#epoch });
  }

  /** Until pause and rate allow the next request; a full window may start at once. */
  #waitMs(): number {
    const { clock, concurrency, requestsPerSecond } = this.#options;
    const burstMs = ((concurrency - 1) * 1000) / requestsPerSecond;
    return Math.max(this.pauseMs, this.#rateMs - burstMs - clock.monotonic());
  }

  #wakeAfter(ms: number) {
    this.#cancelWake?.();
    this.#cancelWake = this.#options.clock.after(Math.ceil(ms), () => {
      this.#cancelWake = undefined;
      this.#pump();
    });
  }
}
