import type { Flow } from "../fairness/flow.ts";
import { FairLine } from "../fairness/line.ts";
import { Shares } from "../fairness/shares.ts";

/** A user's change goes before what is only looked at again. */
export type QueueLane = "change" | "resync";
/**
 * Why a key is handed out, the strongest of what was asked for: what waits for nobody outside and need wait for nobody here, a
 * change, a scheduled look, or a try after a failure.
 */
export type Cause = "urgent" | "change" | "resync" | "retry";

export interface LanesOptions {
  /** One key of the resync lane for so many of the change lane while both wait. Default 4. */
  changesPerResync?: number;
  /** Keys that are out at a time, shared among flows. Default: no limit. */
  places?: number;
  /** Urgent keys have so many places of their own besides. Default 16. */
  urgentPlaces?: number;
  /** For whom work on a key is done, and what it waits for. Default: one flow for all. */
  flowOf?: (key: string) => Flow;
}

/** A key that was handed out; its place is taken until it is given back. */
export interface Handed {
  key: string;
  cause: Cause;
  giveBack(): void;
}

/** What is urgent waits for nothing outside, and is done in a moment. */
const URGENT_PLACES = 16;
/** Resyncs of a flow leave room for its changes. */
const RESYNCS_PER_FREE = 2;
const STRENGTH: Record<Cause, number> = { retry: 0, resync: 1, change: 2, urgent: 3 };
const laneOf = (cause: Cause): QueueLane | "urgent" => (cause === "retry" ? "resync" : cause);

/**
 * Keys in line, each once. Work on a key takes as long as somebody outside lets it take, so places are shared: how many a flow
 * may hold, and whose turn it is, is as in `Shares` and `FairLine`.
 */
export class Lanes {
  readonly #changesPerResync: number;
  readonly #places: number;
  readonly #urgentPlaces: number;
  readonly #flowOf: (key: string) => Flow;
  readonly #shares: Shares;
  readonly #lines = {
    urgent: new FairLine<string>(),
    change: new FairLine<string>(),
    resync: new FairLine<string>(),
  };
  readonly #waiting = new Map<string, { cause: Cause; flow: Flow }>();
  #urgentHeld = 0;
  #changesInARow = 0;

  constructor(options: LanesOptions) {
    this.#changesPerResync = options.changesPerResync ?? 4;
    this.#urgentPlaces = options.urgentPlaces ?? URGENT_PLACES;
    this.#flowOf = options.flowOf ?? (() => ({ tenant: "" }));
    this.#places = options.places ?? Number.POSITIVE_INFINITY;
    this.#shares = new Shares(this.#places);
  }

  /** Keys that can be out at a time, urgent ones included. */
  get places(): number {
    return this.#places + this.#urgentPlaces;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Puts the key in line, or from a weaker lane into a stronger one. */
  enter(key: string, cause: Cause): void {
    const before = this.#waiting.get(key);
    const strongest = stronger(before?.cause, cause);
    const flow = before?.flow ?? this.#flowOf(key);
    if (before !== undefined && laneOf(before.cause) !== laneOf(strongest))
      this.#lines[laneOf(before.cause)].delete(flow, key);
    this.#lines[laneOf(strongest)].add(flow, key);
    this.#waiting.set(key, { cause: strongest, flow });
  }

  /** Hands out whose turn it is; undefined while all who wait must go on waiting. */
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

  #take(): string | undefined {
    const { urgent, change, resync } = this.#lines;
    const resyncFirst = this.#changesInARow >= this.#changesPerResync && resync.size > 0;
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
