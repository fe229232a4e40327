import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Registry } from "@prometheus-io/client";
import type { Clock } from "../clock.ts";
import type { InboxStore } from "../inbox/store.ts";
import { InboxWriter } from "../inbox/writer.ts";
import type { Log } from "../log.ts";
import { Activity } from "./activity.ts";
import { createHandler } from "./handler.ts";
import { receiverMetrics } from "./metrics.ts";
import type { RouteTable } from "./route-table.ts";

export interface ReceiverOptions {
  /** 0 takes a free one. */
  port: number;
  /** Names this process in `route_activity`. */
  replica: string;
  routes: RouteTable;
  store: InboxStore;
  clock: Clock;
  log: Log;
  metrics: Registry;
  /** What a text may wait for the store. */
  storeBudgetMs?: number;
}

/** Twilio waits 4.5 s by the `rt` that our URLs carry; 3 s for the store leave room for the network and one retry. */
export const STORE_BUDGET_MS = 3000;
const WAITING_WHEN_DOWN = 500;
const MOST_BYTES_BEING_READ = 64 * 1024 * 1024;
const MOST_CONNECTIONS = 8192;

/**
 * The internet-facing HTTP server. `stop` first lets `delayMs` pass in which it still accepts, while load balancers take
 * it out, then finishes what is in flight; nothing that was acknowledged is lost, nothing that was accepted is dropped.
 */
export class Receiver {
  readonly #options: ReceiverOptions;
  readonly #server: Server;
  readonly #writer: InboxWriter;
  readonly #activity: Activity;
  #draining = false;
  #stopping: Promise<void> | undefined;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    const { store, routes, clock, log, replica } = options;
    const metrics = receiverMetrics(options.metrics, () => routes.size);
    this.#writer = new InboxWriter({
      store,
      clock,
      log,
      budgetMs: options.storeBudgetMs ?? STORE_BUDGET_MS,
      waitingWhenDown: WAITING_WHEN_DOWN,
      onStored: metrics.batch,
    });
    this.#activity = new Activity({ replica, clock, log, insert: (rows) => store.insertActivity(rows) });
    const budget = { bytes: 0, most: MOST_BYTES_BEING_READ };
    const handle = createHandler({
      routes,
      writer: this.#writer,
      activity: this.#activity,
      metrics,
      clock,
      budget,
    });
    this.#server = createHttpServer((request, response) => {
      if (this.#draining) response.shouldKeepAlive = false;
      handle(request, response);
    });
  }

  async start(): Promise<{ port: number }> {
    await new Promise<void>((resolve, reject) =>
      this.#server.once("error", reject).listen(this.#options.port, resolve),
    );
    this.#activity.start();
    return { port: (this.#server.address() as AddressInfo).port };
  }

  /** May be called twice; both wait for the end. */
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
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    // Whoever has not finished its request by then never will; an answer takes at most the store's budget.
    const cancel = clock.after(storeBudgetMs + 1000, () => this.#server.closeAllConnections());
    await closed;
    cancel();
    await this.#activity.stop();
    await this.#writer.stop();
  }
}

/** Bounds for strangers: a header of 16 KiB in 5 s, a request in 10 s. Twilio's own take milliseconds. */
function createHttpServer(handle: Parameters<typeof createServer>[1]): Server {
  const server = createServer(
    {
      maxHeaderSize: 16 * 1024,
      headersTimeout: 5000,
      requestTimeout: 10_000,
      connectionsCheckingInterval: 1000,
      // Longer than the 60 s after which load balancers usually close: else we would close what they are about to use.
      keepAliveTimeout: 75_000,
    },
    handle,
  );
  server.maxConnections = MOST_CONNECTIONS;
  return server;
}
