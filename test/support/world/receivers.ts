import { Registry } from "@prometheus-io/client";
import type { Clock } from "../../../src/clock.ts";
import { PostgresStore } from "../../../src/inbox/store.ts";
import { KubeClient } from "../../../src/kube/client/client.ts";
import { silentLog } from "../../../src/log.ts";
import { RouteTable } from "../../../src/receiver/route-table.ts";
import { RouteWatch } from "../../../src/receiver/route-watch.ts";
import { Receiver } from "../../../src/receiver/server.ts";

/** How many Secrets contain the routes. Operators and receivers of a test use the same number. */
export const ROUTE_SHARDS = 4;

export interface ReceiverSettings {
  kubeconfig: string;
  namespace: string;
  instance: string;
  databaseUrl: string;
  clock: Clock;
  /** The port of the receiver. 0: any free port. */
  port: number;
}

export interface WorldReceiver {
  url: string;
  /** The routes that the receiver knows. */
  routes: RouteTable;
  /** Stops the receiver. May be called twice. */
  stop(): Promise<void>;
}

/** Starts a receiver in this process. As in its main program, it gets the Secrets of the routes and the database. */
export async function startReceiver(settings: ReceiverSettings): Promise<WorldReceiver> {
  const { kubeconfig, namespace, instance, databaseUrl, clock, port: wanted } = settings;
  const client = KubeClient.load({ kubeconfig, userAgent: "test-receiver", log: silentLog });
  const routes = new RouteTable(ROUTE_SHARDS);
  const shared = { clock, log: silentLog, metrics: new Registry() };
  const watch = new RouteWatch({ ...shared, client, routes, namespace, instance, shards: ROUTE_SHARDS });
  const store = new PostgresStore({ url: databaseUrl, statementTimeoutMs: 3000, log: silentLog });
  const receiver = new Receiver({ ...shared, port: wanted, replica: "test", routes, store });
  watch.start();
  const { port } = await receiver.start();
  let stopped = false;
  const stop = async () => {
    if (stopped) return;
    stopped = true;
    await receiver.stop(0);
    await watch.stop();
    await client.close();
  };
  return { url: `http://127.0.0.1:${port}`, routes, stop };
}
