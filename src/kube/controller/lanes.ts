/**
 * Chooses the key to work on next, so that no tenant's objects can keep another tenant's objects waiting.
 *
 * Keys wait in one of three lines: urgent, changes, resyncs. Urgent keys go first, and changes go before resyncs. But every
 * fifth key is a resync while both changes and resyncs wait, because a tenant that changes things all the time must not stop
 * all resyncs.
 *
 * Within a line namespaces take turns (`FairLine`). The number of keys at work at a time is also limited, for each namespace
 * and for each outside system (`Shares`). An attempt lasts as long as the outside system takes to answer. Without a limit,
 * objects whose account hangs would soon hold all workers, and turns would be worth nothing (docs/adr/0029).
 */

import type { Flow } from "../../fairness/flow.ts";
import { FairLine } from "../../fairness/line.ts";
import { Shares } from "../../fairness/shares.ts";

/**
 * `change`: somebody changed the object and waits for the result. `resync`: the object is checked again in case something
 * changed outside.
 */
export type QueueLane = "change" | "resync";
/**
 * Why a key is handed out. When a key was queued for several causes, the strongest counts: `urgent` (the object waits for
 * nothing outside), `change`, `resync` (a scheduled check), `retry` (after a failure).
 */
export type Cause = "urgent" | "change" | "resync" | "retry";

export interface LanesOptions {
  /** How many keys may be handed out at a time, shared among flows. Default: no limit. */
  places?: number;
  /** How many further places only urgent keys may take. Default 16. */
  urgentPlaces?: number;
  /**
   * Returns the flow of a key: for whom work on the key is done, and which outside system it waits for. Default: one flow for
   * all keys.
   */
  flowOf?: (key: string) => Flow;
}

/** A key that was handed out. It holds a place until `giveBack` is called. */
export interface Handed {
  key: string;
  cause: Cause;
  giveBack(): void;
}

/** Few places for urgent keys are enough: an urgent attempt waits for nothing outside, so it soon ends and frees its place. */
const URGENT_PLACES = 16;
/** A flow's resyncs may hold fewer places than its changes (see `Shares`), so that a change finds a free place. */
const RESYNCS_PER_FREE = 2;
/** While both changes and resyncs wait, one resync is handed out after this many changes. */
const CHANGES_PER_RESYNC = 4;
const STRENGTH: Record<Cause, number> = { retry: 0, resync: 1, change: 2, urgent: 3 };
const laneOf = (cause: Cause): QueueLane | "urgent" => (cause === "retry" ? "resync" : cause);

/** The keys in line, each at most once, and the places that are taken. */
export class Lanes {
  readonly #places: number;
  readonly #urgentPlaces: number;
  readonly #flowOf: (key: string) => Flow;
  readonly #shares: Shares;
  readonly #lines = {
    urgent: new FairLine<string>(),
    change: new FairLine<string>(),
    resync: new FairLine<string>(),
  };
  /** The waiting keys. A key keeps the flow that it had when it entered: it must be found in the line where it was put. */
  readonly #waiting = new Map<string, { cause: Cause; flow: Flow }>();
  #urgentHeld = 0;
  #changesInARow = 0;

  constructor(options: LanesOptions) {
    this.#urgentPlaces = options.urgentPlaces ?? URGENT_PLACES;
    this.#flowOf = options.flowOf ?? (() => ({ tenant: "" }));
    this.#places = options.places ?? Number.POSITIVE_INFINITY;
    this.#shares = new Shares(this.#places);
  }

  /** How many keys can be handed out at a time, urgent keys included. */
  get places(): number {
    return this.#places + this.#urgentPlaces;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Puts the key in line, or moves it to a stronger line. A key that moves goes to the end of its new line. */
  enter(key: string, cause: Cause): void {
    const before = this.#waiting.get(key);
    const strongest = stronger(before?.cause, cause);
    const flow = before?.flow ?? this.#flowOf(key);
    if (before !== undefined && laneOf(before.cause) !== laneOf(strongest))
      this.#lines[laneOf(before.cause)].delete(flow, key);
    this.#lines[laneOf(strongest)].add(flow, key);
    this.#waiting.set(key, { cause: strongest, flow });
  }

  /** Hands out the next key; undefined when no key waits, or when no waiting key may have a place now. */
  next(): Handed | undefined {
    const urgent = this.#urgentHeld < this.#urgentPlaces ? this.#lines.urgent.take() : undefined;
    if (urgent !== undefined) {
      this.#urgentHeld += 1;
      const giveBack = () => {
        this.#urgentHeld -= 1;
      };
      return { ...this.#leave(urgent), giveBack };
    }
    const key = this.#take();
    if (key === undefined) return undefined;
    const { cause, flow } = this.#leave(key);
    this.#shares.take(flow);
    return { key, cause, giveBack: () => this.#shares.giveBack(flow) };
  }

  #leave(key: string) {
    const { cause, flow } = this.#waiting.get(key)!;
    this.#waiting.delete(key);
    return { key, cause, flow };
  }

  clear(): void {
    for (const line of Object.values(this.#lines)) line.clear();
    this.#waiting.clear();
  }

  /** Takes a key for one of the shared places. Urgent keys get these places too when all urgent places are taken. */
  #take(): string | undefined {
    const { urgent, change, resync } = this.#lines;
    const resyncFirst = this.#changesInARow >= CHANGES_PER_RESYNC && resync.size > 0;
    for (const line of resyncFirst ? [urgent, resync, change] : [urgent, change, resync]) {
      const key = this.#takeFrom(line);
      if (key === undefined) continue;
      if (line === urgent) return key;
      this.#changesInARow = line === change && resync.size > 0 ? this.#changesInARow + 1 : 0;
      return key;
    }
    return undefined;
  }

  #takeFrom(line: FairLine<string>): string | undefined {
    const shares = this.#shares;
    if (line.size === 0 || shares.free <= 0) return undefined;
    const perFree = line === this.#lines.resync ? RESYNCS_PER_FREE : undefined;
    return line.take({
      admitsTenant: (tenant) => shares.admitsTenant(tenant),
      admits: (flow) => shares.admits(flow, perFree),
    });
  }
}

export function stronger(a: Cause | undefined, b: Cause): Cause {
  return a !== undefined && STRENGTH[a] > STRENGTH[b] ? a : b;
}
