import type { Clock } from "../clock.ts";
import type { Flow } from "../fairness/flow.ts";
import { type Cause, Lanes, type LanesOptions, stronger } from "./lanes.ts";
import type { KubeObject } from "./resource.ts";
import type { ReadStore } from "./store.ts";

export type { Cause, QueueLane } from "./lanes.ts";

export interface QueueOptions extends LanesOptions {
  clock: Clock;
  /** In [0, 1); default Math.random. */
  random?: () => number;
  /** First delay after a failure; doubled each time. Default 1 s. */
  backoffMs?: number;
  /** No delay is longer. Default 30 s, so that nothing waits longer than that once the other side is back. */
  maxBackoffMs?: number;
}

export interface Item {
  key: string;
  cause: Cause;
}

/** A key that is out. */
interface KeyAtWork {
  giveBack(): void;
  /** Asked for meanwhile. */
  again: Cause | undefined;
}

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
  readonly #lanes: Lanes;
  readonly #working = new Map<string, KeyAtWork>();
  readonly #delayed = new Map<string, { at: number; cause: Cause; cancel: () => void }>();
  readonly #failures = new Map<string, number>();
  readonly #takers: ((item: Item | undefined) => void)[] = [];
  #closed = false;

  constructor(options: QueueOptions) {
    this.#clock = options.clock;
    this.#random = options.random ?? Math.random;
    this.#backoffMs = options.backoffMs ?? 1000;
    this.#maxBackoffMs = options.maxBackoffMs ?? 30_000;
    this.#lanes = new Lanes(options);
  }

  /** Keys that can be out at a time, those that are urgent included: so many takers are never in each other's way. */
  get places(): number {
    return this.#lanes.places;
  }

  /** Keys in line; those delayed or being worked on are not counted. */
  get depth(): number {
    return this.#lanes.size;
  }

  add(key: string, cause: Cause = "change"): void {
    if (this.#closed) return;
    const working = this.#working.get(key);
    if (working !== undefined) working.again = stronger(working.again, cause);
    else this.#lanes.enter(key, cause);
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
  retry(key: string, atLeastMs = 0, cause: Cause = "retry"): void {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    // Past 2^30 doublings add nothing but overflow.
    const delay = Math.min(this.#maxBackoffMs, this.#backoffMs * 2 ** Math.min(failures - 1, 30));
    this.addAfter(key, Math.max(atLeastMs, delay * (1 - this.#random() / 2)), cause);
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
    const working = this.#working.get(key);
    if (working === undefined) return;
    this.#working.delete(key);
    working.giveBack();
    if (working.again !== undefined && !this.#closed) this.#lanes.enter(key, working.again);
    this.#serve();
  }

  /** Nothing is handed out any more, delays included; who waits gets undefined. */
  close(): void {
    this.#closed = true;
    for (const { cancel } of this.#delayed.values()) cancel();
    this.#delayed.clear();
    this.#lanes.clear();
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }

  #serve() {
    while (this.#takers.length > 0) {
      const handed = this.#lanes.next();
      if (handed === undefined) return;
      const { key, cause, giveBack } = handed;
      this.#delayed.get(key)?.cancel();
      this.#delayed.delete(key);
      this.#working.set(key, { giveBack, again: undefined });
      this.#takers.shift()!({ key, cause });
    }
  }
}

/** Objects that a kind's controller works on at a time, urgent ones aside. */
const WORKERS = 8;

/**
 * The queue of a kind's controller. Its workers are shared fairly among namespaces, and among what `upstreamOf` tells apart: the
 * party outside that work on an object waits for, where that is known. One that hangs must not hold up the others.
 */
export function queueOf<T extends KubeObject>(
  informer: { store: ReadStore<T> },
  {
    workers = WORKERS,
    upstreamOf,
    ...options
  }: Omit<QueueOptions, "places" | "flowOf"> & {
    workers?: number | undefined;
    upstreamOf?: (object: T) => string | undefined;
  },
): WorkQueue {
  const flowOf = (key: string): Flow => {
    const object = informer.store.getByKey(key);
    const tenant = key.slice(0, Math.max(0, key.indexOf("/")));
    return { tenant, upstream: object === undefined ? undefined : upstreamOf?.(object) };
  };
  return new WorkQueue({ ...options, places: workers, flowOf });
}
