import type { Clock } from "../clock.ts";
import { FairLine } from "../fairness/line.ts";

/**
 * The kind of a call. `change` means that a user waits for it. `resync` means that the operator checks whether the settings at Twilio are
 * still as they should be.
 */
export type Lane = "change" | "resync";

/** The bounds on the calls of one account. */
export interface BudgetOptions {
  clock: Clock;
  /** How many calls may be under way at a time. */
  concurrency: number;
  requestsPerSecond: number;
  /** Returns a number between 0 and 1; tests make it constant. */
  random?: () => number;
}

/** The right to make one request. It is given back with the outcome of the request. */
export interface Permit {
  readonly lane: Lane;
  /** How many times 429s had slowed the account down before the call began. */
  readonly epoch: number;
}

/**
 * The outcome of a request. `answered`: Twilio processed it, even if Twilio refused it. `failed`: there was no answer. `abandoned`: the
 * caller ended it, which says nothing about Twilio. `throttled`: Twilio answered 429, perhaps with the time that it asks us to wait.
 */
export type CallOutcome = "answered" | "failed" | "abandoned" | { throttled: number | undefined };

/** A caller that waits for a permit. */
interface BudgetWaiter {
  tenant: string;
  sinceMs: number;
  start(permit: Permit): void;
  sendAway(): void;
}

/** Half of the longest first pause after a 429. Each further 429 in a row doubles the longest pause. */
const FIRST_BACKOFF_MS = 100;
/** The longest pause, whatever Twilio asks for: we must still notice when Twilio has recovered. */
export const LONGEST_PAUSE_MS = 30_000;
/** A caller that has waited longer than this gets an error when the next call of the account fails. */
const LONGEST_WAIT_MS = 30_000;
/** How many changes go before a waiting resync while only one call may be under way at a time. */
const CHANGES_PER_RESYNC = 4;

/**
 * The budget of one account: how many calls may be under way at a time (the window), and how many may start in a second. Twilio limits
 * accounts by calls in flight and does not publish the limit. So the window is found as TCP finds the capacity of a line. A 429 halves the
 * window and pauses the whole account, for a random time of up to 200 ms unless Twilio names a time. Each further 429 in a row doubles this
 * bound, up to 30 s. Each good answer widens the window a little.
 *
 * Changes go first, and a quarter of the window is kept free for them. A resync that waits gets one place in the window. When the window
 * has a single place, a waiting resync gets every fifth turn. Tenants that share the account take turns (ADR 29).
 *
 * While the account fails, a caller soon gets an error instead of waiting for long, so that it can report why, and try again.
 */
export class Budget {
  readonly #options: BudgetOptions;
  readonly #waiting = { change: new FairLine<BudgetWaiter>(), resync: new FairLine<BudgetWaiter>() };
  readonly #running: Record<Lane, number> = { change: 0, resync: 0 };
  #window: number;
  /** How many 429s came in a row. All 429s of calls that were in flight together are counted as a single 429. */
  #throttles = 0;
  #pausedUntilMs = 0;
  #epoch = 0;
  /** The time at which the rate alone would allow the next request if there were no burst (generic cell rate algorithm). */
  #rateMs = 0;
  #cancelWake: (() => void) | undefined;
  /** Number of changes that began one after another while a resync waited. */
  #changesInARow = 0;

  constructor(options: BudgetOptions) {
    this.#options = options;
    this.#window = options.concurrency;
  }

  /** How long the account is still paused. */
  get pauseMs(): number {
    return Math.max(0, this.#pausedUntilMs - this.#options.clock.monotonic());
  }

  /** How many calls may be under way at a time now. */
  get window(): number {
    return Math.floor(this.#window);
  }

  /** Waits until a call may be made. Rejects with the reason of the signal, or with a TimeoutError when the account keeps failing. */
  acquire({ lane, tenant = "" }: { lane: Lane; tenant?: string }, signal: AbortSignal): Promise<Permit> {
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

  /** Gives a permit back with the outcome of its call. */
  finish(permit: Permit, outcome: CallOutcome): void {
    this.#running[permit.lane] -= 1;
    // A call that began before a 429 slowed the account down does not show whether Twilio accepts the smaller number of calls.
    const isNews = permit.epoch === this.#epoch;
    if (typeof outcome === "object") this.#throttled(outcome.throttled, isNews);
    else if (outcome === "answered" && isNews) this.#answered();
    if (outcome === "failed" || typeof outcome === "object") this.#sendAway();
    this.#pump();
  }

  /** Gives an error to all callers that have waited too long. It is called after each failed call of the account. */
  #sendAway() {
    const latest = this.#options.clock.monotonic() - LONGEST_WAIT_MS;
    const all = Object.values(this.#waiting).flatMap((line) => [...line]);
    for (const waiter of all) if (waiter.sinceMs <= latest) waiter.sendAway();
  }

  /** Widens the window as TCP does: after as many good answers as calls may be under way, one more call may be under way. */
  #answered() {
    this.#throttles = 0;
    this.#window = Math.min(this.#options.concurrency, this.#window + 1 / this.#window);
  }

  /** Handles a 429. Of all calls that were in flight together, only the first 429 halves the window. */
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

  /** Starts all calls that may start now. */
  #pump() {
    for (;;) {
      const lane = this.#next();
      if (lane === undefined) return;
      const waitMs = this.#waitMs();
      if (waitMs > 0) return this.#wakeAfter(waitMs);
      this.#start(lane);
    }
  }

  /** The lane from which the next call starts. Undefined when none of the waiting calls may start now. */
  #next(): Lane | undefined {
    const limit = this.window;
    const { change, resync } = this.#running;
    if (change + resync >= limit) return undefined;
    const keptForChanges = limit < 2 ? 0 : Math.max(1, Math.floor(limit / 4));
    const resyncMayStart = this.#waiting.resync.size > 0 && resync < limit - keptForChanges;
    if (this.#waiting.change.size === 0) return resyncMayStart ? "resync" : undefined;
    return resyncMayStart && this.#resyncStarves(limit) ? "resync" : "change";
  }

  /** True when a waiting resync must go before the changes, because changes that keep coming would let it wait for ever. */
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

  /** Time until the account's pause and rate allow the next request. A burst of `concurrency` requests may start at once. */
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
