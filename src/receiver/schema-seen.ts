import type { Clock } from "../clock.ts";
import { LogFilter } from "../inbox/log-filter.ts";
import { troubleOf } from "../inbox/trouble.ts";
import type { Log } from "../log.ts";

export interface SchemaSeenOptions {
  /** The store. `connect` rejects while the database does not answer or its schema does not fit. */
  store: { connect(): Promise<void> };
  clock: Clock;
  log: Log;
}

/** Pause between tries to connect, so that a database that answers again, or a schema that was just migrated, is noticed soon. */
const RETRY_MS = 1000;

/**
 * Knows whether this process has ever seen a database whose schema fits. Until then the process is not ready, since it could store no text.
 * So during a rollout Kubernetes keeps the older pods, which can store texts. Once such a database was seen, an outage of the database does
 * not make the process unready: a text then waits in the receiver, while an ingress without ready pods would refuse it immediately.
 */
export class SchemaSeen {
  readonly #options: SchemaSeenOptions;
  #problem: string | undefined = "the receiver has not tried the database yet";

  constructor(options: SchemaSeenOptions) {
    this.#options = options;
  }

  /** Says in a sentence why this process is not ready. Stays undefined once the schema was seen to fit. */
  problem(): string | undefined {
    return this.#problem;
  }

  /** Tries to connect until the schema fits or `stopping` aborts. Logs each new problem, and again from time to time while it lasts. */
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
