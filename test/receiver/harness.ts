import { randomBytes, randomUUID } from "node:crypto";
import { request } from "node:http";
import { Registry } from "@prometheus-io/client";
import pg from "pg";
import { type Clock, systemClock } from "../../src/clock.ts";
import type { ProbeTarget } from "../../src/controllers/selfcheck/target.ts";
import { migrate } from "../../src/inbox/migrate.ts";
import { type InboxStore, PostgresStore } from "../../src/inbox/store.ts";
import { silentLog } from "../../src/log.ts";
import type { HttpLimits } from "../../src/receiver/http-server.ts";
import { RouteTable } from "../../src/receiver/route-table.ts";
import { Receiver } from "../../src/receiver/server.ts";
import { encodeShard } from "../../src/routes/codec.ts";
import type { Route } from "../../src/routes/route.ts";
import { signatureKey } from "../../src/routes/signature-states.ts";
import { urlsUnder } from "../../src/routes/urls.ts";
import { sign } from "../../src/simulator/webhooks/sign.ts";
import { newDatabase } from "../support/database.ts";

export const PUBLIC_URL = "https://sms.example.com";
export const ACCOUNT = "AC00000000000000000000000000000001";
export const TOKEN = "0123456789abcdef0123456789abcdef";
export const OURS = "+15005550006";

/** Makes a migrated database with its own role for a receiver. */
export async function newInbox() {
  const ownerUrl = await newDatabase();
  const role = `receiver_${randomBytes(5).toString("hex")}`;
  await migrate({
    url: ownerUrl,
    roles: { receiver: { name: role, password: "inbox" }, create: true },
    waitMs: 10_000,
    log: silentLog,
    clock: systemClock,
  });
  const receiverUrl = new URL(ownerUrl);
  receiverUrl.username = role;
  receiverUrl.password = "inbox";
  const owner = new pg.Client({ connectionString: ownerUrl });
  await owner.connect();
  owner.on("error", () => undefined);
  return { ownerUrl, receiverUrl: receiverUrl.href, role, owner };
}

/** Makes the route of a stream, by default team-a/support. `token` is the auth token that signs its texts. */
export async function routeFor(more: Partial<Route> & { token?: string } = {}): Promise<Route> {
  const { token = TOKEN, ...rest } = more;
  const [namespace, stream] = [rest.namespace ?? "team-a", rest.stream ?? "support"];
  return {
    namespaceUid: randomUUID(),
    namespace,
    stream,
    accountSid: ACCOUNT,
    generation: 7,
    numbers: [OURS.slice(1)],
    urls: [urlsUnder(PUBLIC_URL, namespace, stream)],
    keys: [await signatureKey(token)],
    checkKey: randomBytes(32),
    ...rest,
  };
}

/** Makes the target of a self-check of the route. */
export const probeTarget = (route: Route, url: string): ProbeTarget => ({
  ...route,
  checkKey: Buffer.from(route.checkKey).toString("base64"),
  url,
});

/** A receiver that runs in the process of the test. */
export interface RunningReceiver {
  receiver: Receiver;
  port: number;
  routes: RouteTable;
  metrics: Registry;
  /** Replaces all routes. Needed when routes contain the port, which is known only after the start. */
  setRoutes(routes: Route[]): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a receiver in this process, by default on a free port and with the system's clock. */
export async function startReceiver(options: {
  url?: string;
  store?: InboxStore;
  routes?: Route[];
  storeBudgetMs?: number;
  limits?: Partial<HttpLimits>;
  clock?: Clock;
  port?: number;
}): Promise<RunningReceiver> {
  const routes = new RouteTable(1);
  if (options.routes !== undefined) routes.replaceShard(0, await encodeShard(options.routes));
  const metrics = new Registry();
  const budgetMs = options.storeBudgetMs ?? 3000;
  const store =
    options.store ??
    new PostgresStore({ url: options.url ?? "", statementTimeoutMs: budgetMs, log: silentLog });
  const receiver = new Receiver({
    port: options.port ?? 0,
    replica: "replica-1",
    routes,
    store,
    clock: options.clock ?? systemClock,
    log: silentLog,
    metrics,
    storeBudgetMs: budgetMs,
    limits: options.limits ?? {},
  });
  const { port } = await receiver.start();
  const setRoutes = async (all: Route[]) => routes.replaceShard(0, await encodeShard(all));
  return { receiver, port, routes, metrics, setRoutes, stop: () => receiver.stop() };
}

let next = 0;
/** Makes a message SID that no other text of the test run has. */
export function newSid(): string {
  return `SM${String(process.pid).padStart(8, "0")}${(next++).toString(16).padStart(24, "0")}`;
}

/** Makes the fields of a text as Twilio sends it. */
export function textFields(more: Record<string, string> = {}): [string, string][] {
  const messageSid = more.MessageSid ?? newSid();
  return Object.entries({
    ToCountry: "US",
    ToState: "",
    SmsMessageSid: messageSid,
    NumMedia: "0",
    FromZip: "98052",
    SmsSid: messageSid,
    SmsStatus: "received",
    Body: "Hello",
    To: OURS,
    NumSegments: "1",
    MessageSid: messageSid,
    AccountSid: ACCOUNT,
    From: "+15555550100",
    ApiVersion: "2010-04-01",
    ...more,
  });
}

/** An HTTP request to send. Without `method` it is a POST. */
export interface Post {
  path: string;
  body: string | Buffer;
  headers?: Record<string, string>;
  method?: string;
}

export interface HttpReply {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

/** Sends a request with exactly these bytes as body, by default as a POST. */
export function post(port: number, { path, body, headers = {}, method = "POST" }: Post): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: "127.0.0.1",
        port,
        path,
        method,
        agent: false,
        headers: {
          "content-type": "application/x-www-form-urlencoded; charset=utf-8",
          "content-length": Buffer.byteLength(body),
          ...headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        );
        response.on("error", reject);
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** Makes a request as Twilio does, signed over the configured URL and all fields. */
export function signedPost(
  fields: [string, string][],
  {
    path = "/inbound/team-a/support",
    base = PUBLIC_URL,
    token = TOKEN,
  }: { path?: string; base?: string; token?: string } = {},
): Post {
  return {
    path,
    body: new URLSearchParams(fields).toString(),
    headers: { "x-twilio-signature": sign(token, `${base}${path}`, fields) },
  };
}

/** The value of the metric with exactly these labels, or 0 when there is no such series yet. */
export async function metric(
  registry: Registry,
  name: string,
  labels: Record<string, string> = {},
): Promise<number> {
  const found = await registry.getSingleMetric(name)?.get();
  const value = found?.values.find(
    (candidate) => JSON.stringify(candidate.labels) === JSON.stringify(labels),
  );
  return Number(value?.value ?? 0);
}
