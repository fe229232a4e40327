import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";

export interface StoreSeenOptions {
  /** Makes a write that leaves no row. Rejects when the database does not take the write. */
  probe: () => Promise<void>;
  /** Gives up the write that is under way and drops its connection. */
  drop: () => void;
  /** How long a text may wait for the database. A write that takes longer counts as failed. */
  budgetMs: number;
  clock: Clock;
  log: Log;
}

/** How long the outcome of a text or of a write is used. After this time, the next self-check makes a write of its own. */
const KNOWN_FOR_MS = 10_000;

/**
 * Knows from the outcome of the last text whether the database takes texts. When the last text came more than 10 s ago, a self-check makes
 * a write of its own to find out, so that a receiver that gets no texts knows it as well. Only self-checks report the result. Readiness
 * does not depend on the result: see `SchemaSeen`.
 */
export class StoreSeen {
  readonly #options: StoreSeenOptions;
  #last: { takes: boolean; atMs: number } | undefined;
  #asking: Promise<boolean> | undefined;

  constructor(options: StoreSeenOptions) {
    this.#options = options;
  }

  /** Notes that a text was stored (true) or could not be stored (false). */
  note(takes: boolean): void {
    this.#last = { takes, atMs: this.#options.clock.monotonic() };
  }

  /** Says whether the database takes texts. Never rejects, and takes no longer than a text may wait. */
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

  /**
   * Makes a write and returns the code or name of its error, `late` when it takes too long, and undefined when it succeeds. The error's
   * message is not returned, because PostgreSQL can quote data in it, which does not belong in a log.
   */
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
    // The connection is dropped, because it may be dead without having reported an error. The next text would wait just as long on it.
    if (problem === "late") drop();
    return problem;
  }
}
