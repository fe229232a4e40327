import { Registry } from "@prometheus-io/client";
import type { Clock } from "../../../src/clock.ts";
import { PostgresStore } from "../../../src/inbox/store.ts";
import { KubeClient } from "../../../src/kube/client/client.ts";
import { silentLog } from "../../../src/log.ts";
import { RouteTable } from "../../../src/receiver/route-table.ts";
import { RouteWatch } from "../../../src/receiver/route-watch.ts";
import { Receiver } from "../../../src/receiver/server.ts";

/** How many Secrets hold the routes, for operators and receivers of a test alike. */
export const ROUTE_SHARDS = 4;

export interface ReceiverSettings {
  kubeconfig: string;
  namespace: string;
  instance: string;
  databaseUrl: string;
  clock: Clock;
  /** Without one a free port. */
  port: number;
}

export interface WorldReceiver {
  url: string;
  /** The routes that it knows. */
  routes: RouteTable;
  /** May be called twice. */
  stop(): Promise<void>;
}

/** A receiver in this process, with what its main program gives it: the routes' Secrets, and the database. */
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
