import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";

export interface SchemaSeenOptions {
  /** Rejects while the database does not answer or its schema does not fit. */
  store: { connect(): Promise<void> };
  clock: Clock;
  log: Log;
}

/** How soon a database that answers again, or a schema that was just migrated, is noticed. */
const RETRY_MS = 1000;
/** The same trouble is logged again after this. */
const REPEAT_MS = 30_000;

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
    let told = { problem: "", atMs: Number.NEGATIVE_INFINITY };
    while (!stopping.aborted) {
      try {
        await store.connect();
        this.#problem = undefined;
        log.info("store is ready");
        return;
      } catch (error) {
        const { code, problem } = troubleOf(error);
        this.#problem = problem;
        if (problem !== told.problem || clock.monotonic() - told.atMs >= REPEAT_MS) {
          log.warn({ code, problem }, "store is not ready");
          told = { problem, atMs: clock.monotonic() };
        }
        await clock.sleep(RETRY_MS, stopping).catch(() => undefined);
      }
    }
  }
}

/** Of these errors the message is ours; what PostgreSQL or the network says is told by its code alone. */
const OURS = new Set(["SchemaError", "DatabaseUrlError"]);

function troubleOf(error: unknown): { code: string | undefined; problem: string } {
  const { code, message, name } = error as { code?: string; message: string; name: string };
  if (OURS.has(name)) return { code, problem: message };
  // SQLSTATE class 28: authorization; 3D: no such database.
  if (code?.startsWith("28")) return { code, problem: `the database refuses the receiver's role (${code})` };
  if (code?.startsWith("3D")) return { code, problem: `the database is not there (${code})` };
  // Of these the driver says nothing but its own sentence.
  if (code === undefined && /password must be a string/.test(message))
    return { code, problem: "the database asks for a password, and DATABASE_URL has none" };
  if (code === undefined && /does not support SSL/.test(message))
    return { code, problem: "the database does not speak TLS, which sslmode in DATABASE_URL asks for" };
  return { code, problem: `the database does not answer (${code ?? "no answer in time"})` };
}
