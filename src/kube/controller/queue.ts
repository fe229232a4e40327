/**
 * The work queue of a controller. It holds keys of objects (`namespace/name`), not the objects. A worker that takes a key then
 * reads the object, so ten changes of an object in a second cost one attempt, on the object's newest state.
 *
 *     const item = await queue.take();      // undefined: the queue is closed
 *     …                                     // no other worker gets this key meanwhile
 *     queue.retry(item.key);                // or forget(key): the next failure's delay is the shortest again
 *     queue.done(item.key);
 *
 * It does what client-go's workqueue does, and also shares the workers fairly (see `Lanes`).
 */

import type { Clock } from "../../clock.ts";
import type { Flow } from "../../fairness/flow.ts";
import type { KubeObject } from "../resource.ts";
import type { ReadStore } from "../watch/store.ts";
import { type Cause, Lanes, type LanesOptions, stronger } from "./lanes.ts";

export type { Cause, QueueLane } from "./lanes.ts";

export interface QueueOptions extends LanesOptions {
  clock: Clock;
  /** Returns a number in [0, 1); default Math.random. */
  random?: () => number;
  /** The delay after a key's first failure. The delay doubles with each further failure. Default 1 s. */
  backoffMs?: number;
  /**
   * The longest delay, and so the longest time that an object still waits after the outside system works again. Default 30 s.
   */
  maxBackoffMs?: number;
}

export interface Item {
  key: string;
  cause: Cause;
}

/** A key that a worker holds. */
interface KeyAtWork {
  giveBack(): void;
  /**
   * The strongest cause with which the key was added again while the worker has it. The key then goes in line when the worker
   * is done. Undefined when it was not added again.
   */
  again: Cause | undefined;
}

/**
 * A key is with a worker, in line, delayed, or nowhere. It is with one worker at most, and in line once at most. A key that is
 * added while a worker has it goes in line when the worker is done, because the change may have come after the worker read the
 * object.
 *
 * A key has one delay at most; of two delays the earlier one stays. The delay ends when the key is handed out, since the
 * attempt decides anew when the next one follows.
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

  /** How many keys can be handed out at a time, urgent keys included. With that many workers no place stays unused. */
  get places(): number {
    return this.#lanes.places;
  }

  /** How many keys are in line. Keys that are delayed or with a worker are not counted. */
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

  /** Adds the key after `ms`. An earlier delay of the same key stays; a later one is replaced. */
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

  /**
   * Adds the key after a delay that grows with its failures, but not before `atLeastMs`. The delay is shortened at random by up
   * to a half: objects that failed together, as in an outage, must not all come back together.
   */
  retry(key: string, atLeastMs = 0, cause: Cause = "retry"): void {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    // The longest delay is reached long before the 30th doubling; unlimited doubling would end in Infinity.
    const delay = Math.min(this.#maxBackoffMs, this.#backoffMs * 2 ** Math.min(failures - 1, 30));
    this.addAfter(key, Math.max(atLeastMs, delay * (1 - this.#random() / 2)), cause);
  }

  /** Forgets the key's failures after a success: its next failure gets the shortest delay again. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** Forgets the key's failures and its delay, because the object is gone. */
  drop(key: string): void {
    this.#failures.delete(key);
    this.#delayed.get(key)?.cancel();
    this.#delayed.delete(key);
  }

  /** Waits for the next key, which no other caller gets until `done`. Undefined when the queue is closed. */
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

  /** Closes the queue: no key is handed out any more, delayed keys included. Callers that wait in `take` get undefined. */
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

/** How many objects a kind's controller works on at a time by default, not counting urgent objects. */
const WORKERS = 8;

/**
 * Makes the queue of a kind's controller. Namespaces share its workers fairly, and so do the outside systems that `upstreamOf`
 * names. The work on an object waits for its outside system, and a system that hangs must not hold up the others. `upstreamOf`
 * returns undefined when the system is not known yet.
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
