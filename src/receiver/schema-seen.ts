import type { Clock } from "../clock.ts";
import { LogFilter } from "../inbox/log-filter.ts";
import { troubleOf } from "../inbox/trouble.ts";
import type { Log } from "../log.ts";

export interface SchemaSeenOptions {
  /** `connect` rejects while the database does not answer or its schema does not fit. */
  store: { connect(): Promise<void> };
  clock: Clock;
  log: Log;
}

/** How soon we notice a database that answers again, or a schema that was just migrated. */
const RETRY_MS = 1000;

/**
 * Whether this process has ever seen a database whose schema fits. Until then it is not ready: after an installation it could
 * store no
 * text at all, and during a rollout the pods before it, which can, must stay. Afterwards an outage of the database does not make it
 * unready: a text then waits in the receiver, while an ingress without ready pods would refuse it at once.
 */
export class SchemaSeen {
  readonly #options: SchemaSeenOptions;
  #problem: string | undefined = "the database has not been asked yet";

  constructor(options: SchemaSeenOptions) {
    this.#options = options;
  }

  /** Why it is not ready, as a sentence; undefined for good once the schema was seen to fit. */
  problem(): string | undefined {
    return this.#problem;
  }

  /** Tries until the schema fits or `stopping` aborts. Logs each new problem, and again from time to time while it lasts. */
  async look(stopping: AbortSignal): Promise<void> {
    const { store, clock, log } = this.#options;
    const filter = new LogFilter(clock);
    while (!stopping.aborted) {
      try {
        await store.connect();
        this.#problem = undefined;
        log.info("store is ready");
        return;
      } catch (error) {
        const { code, problem } = troubleOf(error, "the receiver's role");
        this.#problem = problem;
        if (filter.isNews(problem)) log.warn({ code, problem }, "store is not ready");
        await clock.sleep(RETRY_MS, stopping).catch(() => undefined);
      }
    }
  }
}
