import type { Registry } from "@prometheus-io/client";
import type { Clock } from "../clock.ts";
import type { InboxStore } from "../inbox/store.ts";
import { InboxWriter } from "../inbox/writer.ts";
import type { Log } from "../log.ts";
import { EvidenceRecorder } from "./evidence.ts";
import { createHandler } from "./handler.ts";
import { HTTP_LIMITS, type HttpLimits, HttpServer } from "./http-server.ts";
import { receiverMetrics } from "./metrics.ts";
import { RefusalPace } from "./refusal-pace.ts";
import type { RouteTable } from "./route-table.ts";
import { SlowLane } from "./slow-lane.ts";
import { StoreSeen } from "./store-seen.ts";

export interface ReceiverOptions {
  /** The port to listen on. 0 means any free port. */
  port: number;
  /** The name of this process in `route_activity`. */
  replica: string;
  routes: RouteTable;
  store: InboxStore;
  clock: Clock;
  log: Log;
  metrics: Registry;
  /** How long a text may wait for the database. */
  storeBudgetMs?: number;
  limits?: Partial<HttpLimits>;
}

/**
 * How long a text may wait for the database. Our URLs tell Twilio to wait 4.5 s (`rt`), so this leaves time for the network and one retry.
 */
export const STORE_BUDGET_MS = 3000;

/**
 * The HTTP server that faces the internet. `stop` keeps accepting requests for `delayMs`, because load balancers need time to notice that
 * this process is no longer ready. Then it finishes the requests under way. No text that was acknowledged is lost.
 */
export class Receiver {
  readonly #options: ReceiverOptions;
  readonly #http: HttpServer;
  readonly #pace: RefusalPace;
  readonly #writer: InboxWriter;
  readonly #evidence: EvidenceRecorder;
  #draining = false;
  #stopping: Promise<void> | undefined;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    const { store, routes, clock, log, replica } = options;
    const metrics = receiverMetrics(options.metrics, {
      routes: () => routes.size,
      connections: () => this.#http.open,
    });
    this.#writer = new InboxWriter({
      store,
      clock,
      log,
      budgetMs: options.storeBudgetMs ?? STORE_BUDGET_MS,
      onStored: metrics.batch,
    });
    this.#evidence = new EvidenceRecorder({
      replica,
      clock,
      log,
      insert: (rows) => store.insertEvidence(rows),
    });
    const storeSeen = new StoreSeen({
      probe: () => store.probe(),
      drop: () => store.drop(),
      budgetMs: options.storeBudgetMs ?? STORE_BUDGET_MS,
      clock,
      log,
    });
    const limits = { ...HTTP_LIMITS, ...options.limits };
    const budget = { bytes: 0, most: limits.bodiesBytes };
    this.#pace = new RefusalPace({ clock });
    const handle = createHandler({
      routes,
      writer: this.#writer,
      storeSeen,
      evidence: this.#evidence,
      metrics,
      clock,
      budget,
      pace: this.#pace,
      cut: (reason, socket) => this.#http.cut(reason, socket),
      lane: new SlowLane({ clock }),
    });
    this.#http = new HttpServer({
      limits,
      clock,
      onCut: metrics.cut,
      pace: this.#pace,
      handle: (request, response) => {
        if (this.#draining) response.shouldKeepAlive = false;
        handle(request, response);
      },
    });
  }

  async start(): Promise<{ port: number }> {
    const port = await this.#http.listen(this.#options.port);
    this.#evidence.start();
    return { port };
  }

  /** Stops the server. It may be called twice: both calls resolve when the server has stopped. */
  stop(delayMs = 0): Promise<void> {
    this.#stopping ??= this.#stop(delayMs);
    return this.#stopping;
  }

  get draining(): boolean {
    return this.#draining;
  }

  async #stop(delayMs: number): Promise<void> {
    const { clock, storeBudgetMs = STORE_BUDGET_MS } = this.#options;
    this.#draining = true;
    if (delayMs > 0) await clock.sleep(delayMs);
    const closed = this.#http.close();
    // Sends the refusals that wait for their turn, since they would hold up the shutdown.
    this.#pace.end();
    // A second after the time that a text may wait for the database, all connections are ended: no answer takes longer, and a request that
    // is still incomplete then will never be complete.
    const cancel = clock.after(storeBudgetMs + 1000, () => this.#http.cutAll());
    await closed;
    cancel();
    // The evidence recorder must stop before the writer, because the writer closes the store, into which the last evidence is written.
    await this.#evidence.stop();
    await this.#writer.stop();
  }
}
