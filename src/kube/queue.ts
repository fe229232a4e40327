import type { Clock } from "../clock.ts";

/** A user's change goes before what is only looked at again. */
export type Lane = "change" | "resync";
/** Why a key is handed out, the strongest of what was asked for: a change, a scheduled look, or a try after a failure. */
export type Cause = "change" | "resync" | "retry";

export interface QueueOptions {
  clock: Clock;
  /** In [0, 1); default Math.random. */
  random?: () => number;
  /** First delay after a failure; doubled each time. Default 1 s. */
  backoffMs?: number;
  /** No delay is longer. Default 30 s, so that nothing waits longer than that once the other side is back. */
  maxBackoffMs?: number;
  /** One key of the resync lane for so many of the change lane while both wait. Default 4. */
  changesPerResync?: number;
}

export interface Item {
  key: string;
  cause: Cause;
}

const STRENGTH: Record<Cause, number> = { retry: 0, resync: 1, change: 2 };
const laneOf = (cause: Cause): Lane => (cause === "change" ? "change" : "resync");

/**
 * Keys to be worked on, each at most once at a time and once in line. A key is in line, delayed, being worked on, or nowhere;
 * while it is being worked on it can be asked for again, and is then put in line when done. Delays: the earliest wins, and
 * being handed out ends it, since whoever works on the key then decides anew.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #backoffMs: number;
  readonly #maxBackoffMs: number;
  readonly #changesPerResync: number;
  readonly #lanes: Record<Lane, Map<string, Cause>> = { change: new Map(), resync: new Map() };
  readonly #working = new Map<string, Cause | undefined>();
  readonly #delayed = new Map<string, { at: number; cause: Cause; cancel: () => void }>();
  readonly #failures = new Map<string, number>();
  readonly #takers: ((item: Item | undefined) => void)[] = [];
  #changesInARow = 0;
  #closed = false;

  constructor(options: QueueOptions) {
    this.#clock = options.clock;
    this.#random = options.random ?? Math.random;
    this.#backoffMs = options.backoffMs ?? 1000;
    this.#maxBackoffMs = options.maxBackoffMs ?? 30_000;
    this.#changesPerResync = options.changesPerResync ?? 4;
  }

  /** Keys in line; those delayed or being worked on are not counted. */
  get depth(): number {
    return this.#lanes.change.size + this.#lanes.resync.size;
  }

  add(key: string, cause: Cause = "change"): void {
    if (this.#closed) return;
    if (this.#working.has(key)) {
      this.#working.set(key, stronger(this.#working.get(key), cause));
      return;
    }
    const waiting = this.#lanes.change.get(key) ?? this.#lanes.resync.get(key);
    const strongest = stronger(waiting, cause);
    if (waiting !== undefined && laneOf(waiting) !== laneOf(strongest))
      this.#lanes[laneOf(waiting)].delete(key);
    this.#lanes[laneOf(strongest)].set(key, strongest);
    this.#serve();
  }

  /** Adds the key after `ms`. An earlier delay of the same key stays, a later one is replaced. */
  addAfter(key: string, ms: number, cause: Cause = "retry"): void {
    if (this.#closed) return;
    const at = this.#clock.monotonic() + ms;
    const before = this.#delayed.get(key);
    if (before !== undefined && before.at <= at) {
      before.cause = stronger(before.cause, cause);
      return;
    }
    before?.cancel();
    const entry = { at, cause: stronger(before?.cause, cause), cancel: () => {} };
    entry.cancel = this.#clock.after(ms, () => {
      this.#delayed.delete(key);
      this.add(key, entry.cause);
    });
    this.#delayed.set(key, entry);
  }

  /** Adds the key after its own growing delay, jittered downwards by up to a half, and not before `atLeastMs`. */
  retry(key: string, atLeastMs = 0): void {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    // Past 2^30 doublings add nothing but overflow.
    const delay = Math.min(this.#maxBackoffMs, this.#backoffMs * 2 ** Math.min(failures - 1, 30));
    this.addAfter(key, Math.max(atLeastMs, delay * (1 - this.#random() / 2)), "retry");
  }

  /** The key's next delay is the shortest again. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** Nothing is left of the key: for objects that are gone. */
  drop(key: string): void {
    this.#failures.delete(key);
    this.#delayed.get(key)?.cancel();
    this.#delayed.delete(key);
  }

  /** The next key, which is this caller's alone until `done`; undefined once the queue is closed. */
  take(): Promise<Item | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#takers.push(resolve);
      this.#serve();
    });
  }

  done(key: string): void {
    const again = this.#working.get(key);
    this.#working.delete(key);
    if (again !== undefined) this.add(key, again);
  }

  /** Nothing is handed out any more, delays included; who waits gets undefined. */
  close(): void {
    this.#closed = true;
    for (const { cancel } of this.#delayed.values()) cancel();
    this.#delayed.clear();
    for (const lane of Object.values(this.#lanes)) lane.clear();
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }

  #serve() {
    while (this.#takers.length > 0 && this.depth > 0) {
      const item = this.#next();
      this.#delayed.get(item.key)?.cancel();
      this.#delayed.delete(item.key);
      this.#working.set(item.key, undefined);
      this.#takers.shift()!(item);
    }
  }

  #next(): Item {
    const { change, resync } = this.#lanes;
    const turn = this.#changesInARow >= this.#changesPerResync && resync.size > 0;
    const lane = turn || change.size === 0 ? resync : change;
    this.#changesInARow = lane === change && resync.size > 0 ? this.#changesInARow + 1 : 0;
    const [key, cause] = lane.entries().next().value!;
    lane.delete(key);
    return { key, cause };
  }
}

function stronger(a: Cause | undefined, b: Cause): Cause {
  return a !== undefined && STRENGTH[a] > STRENGTH[b] ? a : b;
}
