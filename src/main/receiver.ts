import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { type Clock, systemClock } from "../clock.ts";
import type { DatabaseUrl } from "../inbox/database-url.ts";
import { startEmbeddedPostgres } from "../inbox/embedded.ts";
import { migrate } from "../inbox/migrate.ts";
import { PostgresStore } from "../inbox/store.ts";
import { KubeClient } from "../kube/client/client.ts";
import type { Log } from "../log.ts";
import { RouteTable } from "../receiver/route-table.ts";
import { RouteWatch } from "../receiver/route-watch.ts";
import { SchemaSeen } from "../receiver/schema-seen.ts";
import { Receiver, STORE_BUDGET_MS } from "../receiver/server.ts";
import { type Command, type Config, databaseUrlOf, instanceOf, settings, text } from "./config.ts";
import { type Process, runProcess } from "./process.ts";

const own = {
  port: settings.port,
  metricsPort: settings.metricsPort,
  databaseUrl: {
    ...settings.databaseUrl,
    help: "URL of PostgreSQL with the receiver's role, which only needs to insert. Without it an embedded PostgreSQL is started.",
  },
  databaseUrlFile: settings.databaseUrlFile,
  dataDir: {
    env: "DATA_DIR",
    help: "Folder for the data of the embedded PostgreSQL, which runs when DATABASE_URL is not set.",
    default: "smschannel-data",
    parse: text,
  },
  kubeconfig: settings.kubeconfig,
  operatorNamespace: settings.operatorNamespace,
  instance: settings.instance,
  routeShards: settings.routeShards,
  shutdownDelay: settings.shutdownDelay,
  logLevel: settings.logLevel,
} as const;

/** `smschannel receiver`: the only process that faces the internet. It keeps no state, so any number of receivers can run. */
export const receiverCommand: Command<typeof own> = {
  name: "receiver",
  summary: "verify, store and answer Twilio's requests; the only process that faces the internet",
  settings: own,
  run: (config) =>
    runProcess({ name: "receiver", logLevel: config.logLevel, metricsPort: config.metricsPort }, (process) =>
      serve(config, process),
    ),
};

async function serve(config: Config<typeof own>, process: Process): Promise<void> {
  const { log, metrics, health, stopping } = process;
  const clock = systemClock;
  const client = KubeClient.load({ kubeconfig: config.kubeconfig, userAgent: "smschannel-receiver", log });
  const database = await databaseFor(config, log, clock, stopping);
  const routes = new RouteTable(config.routeShards);
  const watch = new RouteWatch({
    client,
    routes,
    namespace: config.operatorNamespace,
    instance: instanceOf(config),
    shards: config.routeShards,
    clock,
    log,
    metrics,
  });
  const store = new PostgresStore({ url: database.url, statementTimeoutMs: STORE_BUDGET_MS, log });
  // The replica is named after the host, which in a pod has the pod's name. The random part tells two starts in one pod apart.
  const replica = `${hostname()}-${randomBytes(3).toString("hex")}`;
  const receiver = new Receiver({ port: config.port, replica, routes, store, clock, log, metrics });
  const schema = new SchemaSeen({ store, log, clock });
  // Readiness does not depend on whether the database answers. Without ready pods an ingress answers 503 immediately, while a ready
  // receiver waits for the database and tries again.
  health.readyWhen("routes", () => (routes.loaded ? undefined : (watch.problem() ?? "not read yet")));
  // The receiver becomes ready only after it has once seen that the database's schema fits: no text can be stored without that schema.
  health.readyWhen("schema", () => schema.problem());
  health.readyWhen("accepting", () => (receiver.draining ? "shutting down" : undefined));
  try {
    // The HTTP server starts first: if its port is in use, the process must end, and whatever was started before would keep it alive.
    const { port } = await receiver.start();
    log.info({ port }, "listening");
    watch.start();
    const looked = schema.look(stopping);
    await stopped(stopping);
    // The watch of the routes stops after the receiver, so that routes are kept up to date until the last request is answered.
    await receiver.stop(config.shutdownDelay);
    await looked;
    await watch.stop();
  } finally {
    await Promise.all([client.close(), store.close()]);
    // The embedded database stops last, because the store uses it until the store is closed.
    await database.stop();
  }
}

interface ReceiverDatabase {
  url: DatabaseUrl;
  stop(): Promise<void>;
}

/** Returns the configured database, or else starts an embedded one. In the embedded one, too, the receiver's role can only insert. */
async function databaseFor(
  config: Config<typeof own>,
  log: Log,
  clock: Clock,
  stopping: AbortSignal,
): Promise<ReceiverDatabase> {
  const given = databaseUrlOf(config);
  if (given !== undefined) return { url: given, stop: async () => {} };
  const postgres = await startEmbeddedPostgres({ dataDir: config.dataDir, log });
  // The password of the receiver's role is new at each start, because only this process uses the role in the embedded database.
  const role = { name: "smschannel_receiver", password: randomBytes(24).toString("base64url") };
  try {
    const roles = { receiver: role, create: true };
    await migrate({ url: postgres.ownerUrl, roles, waitMs: 30_000, log, clock }, stopping);
  } catch (error) {
    await postgres.stop();
    throw error;
  }
  const url = new URL(postgres.ownerUrl);
  url.username = role.name;
  url.password = role.password;
  return { url: url.href, stop: () => postgres.stop() };
}

const stopped = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
