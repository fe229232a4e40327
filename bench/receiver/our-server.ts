// Starts the receiver as in production, with a thousand routes, but without the watch on the Kubernetes API.
import { randomBytes, randomUUID } from "node:crypto";
import { collectDefaultMetrics, Registry } from "@prometheus-io/client";
import { systemClock } from "../../src/clock.ts";
import { PostgresStore } from "../../src/inbox/store.ts";
import { createLog } from "../../src/log.ts";
import { RouteTable } from "../../src/receiver/route-table.ts";
import { Receiver, STORE_BUDGET_MS } from "../../src/receiver/server.ts";
import { encodeShard } from "../../src/routes/codec.ts";
import type { Route } from "../../src/routes/route.ts";
import { signatureKey } from "../../src/routes/signature-states.ts";
import { ACCOUNT, databaseUrl, NUMBER, ready, TOKEN, URL_OF_STREAM } from "./server.ts";

const log = createLog({ level: "warn", process: "receiver" });
const metrics = new Registry();
collectDefaultMetrics({ register: metrics });

async function route(namespace: string, stream: string, accountSid: string): Promise<Route> {
  const inbound = URL_OF_STREAM.replace("team-a/support", `${namespace}/${stream}`);
  return {
    namespaceUid: randomUUID(),
    namespace,
    stream,
    accountSid,
    generation: 1,
    numbers: [NUMBER],
    urls: [
      {
        inbound,
        fallback: inbound.replace("inbound", "fallback"),
        status: inbound.replace("inbound", "status"),
      },
    ],
    keys: [await signatureKey(TOKEN)],
    checkKey: randomBytes(32),
  };
}

const others = Array.from({ length: 1000 }, (_, i) =>
  route(`team-${i}`, "support", `AC${String(i).padStart(32, "0")}`),
);
const routes = new RouteTable(1);
routes.replaceShard(
  0,
  await encodeShard([await route("team-a", "support", ACCOUNT), ...(await Promise.all(others))]),
);
const store = new PostgresStore({ url: databaseUrl(), statementTimeoutMs: STORE_BUDGET_MS, log });
const receiver = new Receiver({ port: 0, replica: "bench", routes, store, clock: systemClock, log, metrics });
const { port } = await receiver.start();
ready(port);
process.once("SIGTERM", () => receiver.stop().then(() => process.exit(0)));
