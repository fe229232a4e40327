import type { Clock } from "../clock.ts";
import { LogFilter } from "../inbox/log-filter.ts";
import { troubleOf } from "../inbox/trouble.ts";
import type { Log } from "../log.ts";

export interface SchemaSeenOptions {
  /** Rejects while the database does not answer or its schema does not fit. */
  store: { connect(): Promise<void> };
  clock: Clock;
  log: Log;
}

/** How soon a database that answers again, or a schema that was just migrated, is noticed. */
const RETRY_MS = 1000;

/**
 * Has this process ever seen a database whose schema fits? Until then it is not ready: after an install its texts could not
 * be stored at all, and in a rollout its predecessors, which fit, must not go. From then on the database may come and go;
 * a text that finds it away waits in the receiver, which is better than to be turned away by an ingress without pods.
 */
export class SchemaSeen {
  readonly #options: SchemaSeenOptions;
  #problem: string | undefined = "the database was not asked yet";

  constructor(options: SchemaSeenOptions) {
    this.#options = options;
  }

  /** What is in the way, as a sentence; undefined for good once the schema was seen to fit. */
  problem(): string | undefined {
    return this.#problem;
  }

  /** Looks until the schema fits, or `stopping` aborts. Each new trouble is logged once, and again when it lasts. */
  async look(stopping: AbortSignal): Promise<void> {
    const { store, clock, log } = this.#options;
    const told = new LogFilter(clock);
    while (!stopping.aborted) {
      try {
        await store.connect();
        this.#problem = undefined;
        log.info("store is ready");
        return;
      } catch (error) {
        const { code, problem } = troubleOf(error, "the receiver's role");
        this.#problem = problem;
        if (told.isNews(problem)) log.warn({ code, problem }, "store is not ready");
        await clock.sleep(RETRY_MS, stopping).catch(() => undefined);
      }
    }
  }
}
