import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { request } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import { temporaryDirectory } from "../support/controlplane/directory.ts";
import { kubeConfig } from "../support/crds.ts";

export interface SeenRequest {
  method: string;
  url: string;
  /** The kind of request: `watch`, `list`, `ask` (a list of one object, for the server's version), `get`, or `write`. */
  kind: string;
}

export interface FaultAnswer {
  status: number;
  headers?: Record<string, string>;
  body?: string;
}

/**
 * Decides about a request before it is passed on: answers the request, changes its URL, or passes it on unchanged (undefined).
 */
export type ProxyFault = (seen: SeenRequest) => FaultAnswer | { url: string } | undefined;

/**
 * A proxy in front of the API server. It breaks connections in the ways that networks and servers do, and records the requests.
 */
export interface CuttingProxy {
  readonly kubeconfig: string;
  readonly seen: SeenRequest[];
  fault: ProxyFault | undefined;
  /** Called for each request, with the name of the connection on which it came. */
  onConnection: ((id: string) => void) | undefined;
  count(kind: string): number;
  /** How many requests have not been answered completely, watches included. */
  readonly inFlight: number;
  /** How many requests have not been answered: a watch counts until its answer begins, any other request until it ends. */
  readonly unanswered: number;
  /** Resets every connection, like a load balancer that is replaced. */
  reset(): void;
  /** Keeps the present connections open but passes no more data on, as after a lost NAT entry. New connections work. */
  halfOpen(): void;
  /** Passes nothing on until `thaw`, so that requests hang. */
  freeze(): void;
  thaw(): void;
  /** Stops listening until `up` is called. */
  down(): Promise<void>;
  up(): Promise<void>;
  close(): Promise<void>;
}

export async function cuttingProxy(
  kubeconfigPath: string,
  options: { as?: string } = {},
): Promise<CuttingProxy> {
  const seen: SeenRequest[] = [];
  const sockets = new Set<Socket>();
  const deaf = new Set<Socket>();
  let thawed = Promise.resolve();
  let thaw = () => {};
  let inFlight = 0;
  const waiting = new Set<ServerResponse>();
  const upstream = await upstreamOf(kubeconfigPath);
  const server = createServer(async (incoming, outgoing) => {
    inFlight++;
    outgoing.on("close", () => inFlight--);
    const entry = describe(incoming);
    waiting.add(outgoing);
    outgoing.on("close", () => waiting.delete(outgoing));
    seen.push(entry);
    proxy.onConnection?.(`${incoming.socket.remotePort}`);
    await thawed;
    const decided = proxy.fault?.(entry);
    if (decided !== undefined && "status" in decided) {
      incoming.resume();
      outgoing.writeHead(decided.status, { "content-type": "application/json", ...decided.headers });
      outgoing.end(decided.body ?? "");
    } else forward(incoming, outgoing, decided?.url ?? entry.url);
  });
  const forward = (incoming: IncomingMessage, outgoing: ServerResponse, url: string) => {
    const { host: _, ...headers } = incoming.headers;
    const onward = request(new URL(url, upstream.server), {
      ...upstream.options,
      method: incoming.method,
      headers: { ...headers, ...upstream.headers },
    });
    outgoing.on("close", () => onward.destroy());
    onward.on("error", () => outgoing.destroy());
    onward.on("response", (answer) => {
      answer.on("error", () => outgoing.destroy());
      if (deaf.has(incoming.socket)) return;
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      outgoing.flushHeaders();
      if (describe(incoming).kind === "watch") waiting.delete(outgoing);
      answer.on("data", (chunk) => deaf.has(incoming.socket) || outgoing.write(chunk));
      answer.on("end", () => deaf.has(incoming.socket) || outgoing.end());
    });
    incoming.pipe(onward);
  };
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const dir = await temporaryDirectory("sms-cutting-proxy");
  const kubeconfig = join(dir, "kubeconfig.json");
  const { port } = server.address() as AddressInfo;
  await writeFile(kubeconfig, configText(`http://127.0.0.1:${port}`, options.as));
  const stopListening = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  const proxy: CuttingProxy = {
    kubeconfig,
    seen,
    fault: undefined,
    onConnection: undefined,
    count: (kind) => seen.filter((entry) => entry.kind === kind).length,
    get inFlight() {
      return inFlight;
    },
    get unanswered() {
      return waiting.size;
    },
    reset: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    halfOpen: () => {
      for (const socket of sockets) deaf.add(socket);
    },
    freeze: () => {
      ({ promise: thawed, resolve: thaw } = Promise.withResolvers<void>());
    },
    thaw: () => thaw(),
    down: stopListening,
    async up() {
      await once(server.listen(port, "127.0.0.1"), "listening");
    },
    async close() {
      thaw();
      await stopListening();
    },
  };
  return proxy;
}

async function upstreamOf(path: string) {
  const config = kubeConfig(path);
  const options: { headers: Record<string, string>; ca?: Buffer; cert?: Buffer; key?: Buffer } = {
    headers: {},
  };
  await config.applyToHTTPSOptions(options);
  const { headers, ca, cert, key } = options;
  return {
    server: config.getCurrentCluster()!.server,
    headers,
    options: { ca, cert, key, agent: false as const },
  };
}

function describe({ method = "GET", url = "/" }: IncomingMessage): SeenRequest {
  const { pathname, searchParams } = new URL(url, "http://proxy");
  // The path is /api/v1/… or /apis/group/version/…, then perhaps namespaces/name, then the collection. When only the collection
  // is left, the request is a list.
  const parts = pathname.split("/").slice(pathname.startsWith("/api/") ? 3 : 4);
  const collection = (parts[0] === "namespaces" && parts.length > 2 ? parts.slice(2) : parts).length === 1;
  const read = !collection ? "get" : searchParams.get("limit") === "1" ? "ask" : "list";
  const kind = searchParams.has("watch") ? "watch" : method !== "GET" ? "write" : read;
  return { method, url, kind };
}

function configText(server: string, as: string | undefined): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "proxy",
    clusters: [{ name: "proxy", cluster: { server, "insecure-skip-tls-verify": true } }],
    users: [{ name: "proxy", user: as === undefined ? {} : { as } }],
    contexts: [{ name: "proxy", context: { cluster: "proxy", user: "proxy" } }],
  });
}
