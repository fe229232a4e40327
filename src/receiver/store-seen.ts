import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";

export interface StoreSeenOptions {
  /** A write that leaves nothing; rejects when the store does not take it. */
  probe: () => Promise<void>;
  /** Gives up on a write that is under way. */
  drop: () => void;
  /** What a text may wait for the store: a write that takes longer counts as refused. */
  budgetMs: number;
  clock: Clock;
  log: Log;
}

/** What is known of the store is good for this long; then a write of our own asks anew, when somebody wants to know. */
const KNOWN_FOR_MS = 10_000;

/**
 * Does the store take texts? The last text tells, and where none came for a while a write of our own, so that a receiver that
 * gets no texts knows as well. For self-checks alone: neither readiness nor the answer to a text depends on it.
 */
export class StoreSeen {
  readonly #options: StoreSeenOptions;
  #last: { takes: boolean; atMs: number } | undefined;
  #asking: Promise<boolean> | undefined;

  constructor(options: StoreSeenOptions) {
    this.#options = options;
  }

  /** A text was stored, or was refused for want of a store. */
  note(takes: boolean): void {
    this.#last = { takes, atMs: this.#options.clock.monotonic() };
  }

  /** Never rejects, and takes no longer than a text may wait. */
  async takes(): Promise<boolean> {
    const last = this.#last;
    if (last !== undefined && this.#options.clock.monotonic() - last.atMs < KNOWN_FOR_MS) return last.takes;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return await this.#asking;
  }

  async #ask(): Promise<boolean> {
    const before = this.#last?.takes ?? true;
    const problem = await this.#problem();
    this.note(problem === undefined);
    if (problem !== undefined && before)
      this.#options.log.error({ code: problem }, "store does not take a write");
    if (problem === undefined && !before) this.#options.log.info("store takes writes again");
    return problem === undefined;
  }

  /** A word for what is wrong: PostgreSQL's messages may tell more than a log should. */
  async #problem(): Promise<string | undefined> {
    const { probe, drop, budgetMs, clock } = this.#options;
    let cancel = () => {};
    const late = new Promise<"late">((resolve) => {
      cancel = clock.after(budgetMs, () => resolve("late"));
    });
    const asked = probe().then(
      () => undefined,
      ({ code, name }: Error & { code?: string }) => code ?? name,
    );
    const problem = await Promise.race([asked, late]);
    cancel();
    // A connection that went silent would hold up the next text for as long.
    if (problem === "late") drop();
    return problem;
  }
}
