import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Clock } from "../clock.ts";
import type { RefusalPace } from "./refusal-pace.ts";

/** What a stranger may take of this process. Twilio's own requests are a tenth of each and take milliseconds. */
export interface HttpLimits {
  /** All headers of one request together. */
  headerBytes: number;
  /** The number of headers of one request. */
  headers: number;
  /** From a connection's begin, or a request's first byte, to the end of its headers. */
  headersMs: number;
  /** The same to the end of its body. */
  requestMs: number;
  /** Between two requests. Longer than the 60 s after which load balancers close: else we would close what they are about to use. */
  idleMs: number;
  connections: number;
  /** What the bodies that are being read hold together, beyond the first 16 KiB of each. */
  bodiesBytes: number;
  /** How often connections are looked at for those that are over their time. */
  checkEveryMs: number;
}

export const HTTP_LIMITS: HttpLimits = {
  headerBytes: 16 * 1024,
  headers: 100,
  headersMs: 5000,
  requestMs: 10_000,
  idleMs: 75_000,
  connections: 8192,
  bodiesBytes: 64 * 1024 * 1024,
  checkEveryMs: 1000,
};

/** Why a connection was ended by us: label of `smschannel_connections_cut_total`. */
export type CutReason = "malformed" | "slow" | "headersTooLarge" | "pipelined" | "scattered" | "tooMany";

/** What node itself would answer; a request that is none gets no more than that. */
const ANSWERS: Partial<Record<CutReason, string>> = {
  malformed: "400 Bad Request",
  slow: "408 Request Timeout",
  headersTooLarge: "431 Request Header Fields Too Large",
};

/** Whoever was slow has waited, and whoever is one too many must not take room. */
const ENDED_AT_ONCE: ReadonlySet<CutReason> = new Set(["slow", "tooMany"]);

const REASONS: Record<string, CutReason> = {
  ERR_HTTP_REQUEST_TIMEOUT: "slow",
  HPE_HEADER_OVERFLOW: "headersTooLarge",
};

export interface HttpServerOptions {
  limits: HttpLimits;
  handle: RequestListener;
  clock: Clock;
  onCut: (reason: CutReason) => void;
  /** Connections that are cut end in their turn among the refused. */
  pace: Pick<RefusalPace, "pass">;
}

/** At most so often, since it looks at every connection: 8,192 take about a millisecond. */
const CLOSE_IDLE_EVERY_MS = 100;

/**
 * Each turn of its event loop node accepts one connection per listener, so that while every turn has much to do new
 * connections would wait for seconds: with eight on one port, among which the kernel shares them out, it is eight a turn.
 */
const LISTENERS = 8;

/** An HTTP server whose every connection ends by itself unless good requests come, and which keeps room for new ones. */
export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #servers: Server[];
  #open = 0;
  #closedIdleAtMs = Number.NEGATIVE_INFINITY;
  /** Cut already; those that have not ended wait for their turn. */
  readonly #stopped = new WeakSet<Socket>();
  /** The last request of each connection. */
  readonly #requests = new WeakMap<Socket, IncomingMessage>();

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#servers = Array.from({ length: LISTENERS }, () => this.#create());
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#open;
  }

  /** Gives the port; 0 takes a free one. Rejects when another process has it, also one that would share it. */
  async listen(wanted: number): Promise<number> {
    const [first, ...others] = this.#servers as [Server, ...Server[]];
    if (wanted !== 0) await makeSureItIsFree(wanted);
    try {
      await listening(first, { port: wanted, reusePort: true });
    } catch (error) {
      // Where the system cannot share a port, one listener must do.
      if ((error as NodeJS.ErrnoException).code !== "ENOTSUP") throw error;
      await listening(first, { port: wanted });
      return portOf(first);
    }
    for (const server of others) await listening(server, { port: portOf(first), reusePort: true });
    return portOf(first);
  }

  /** Lets nobody in any more; resolves when everybody has left. Whoever is between two requests leaves now. */
  async close(): Promise<void> {
    const closed = this.#servers.map((server) => new Promise((resolve) => server.close(resolve)));
    await Promise.all(closed);
  }

  /** Ends all connections, whatever is under way on them. */
  cutAll(): void {
    for (const server of this.#servers) server.closeAllConnections();
  }

  /**
   * Nothing more is read of this connection; it ends in its turn. Ended at once, a stranger would be back at once with another
   * 64 KiB, for which it takes no more than to send them.
   */
  cut(reason: CutReason, socket: Socket): void {
    if (socket.destroyed || this.#stopped.has(socket)) return;
    this.#stopped.add(socket);
    this.#options.onCut(reason);
    stopReading(socket);
    // What was read of its body must not be held until its turn. Destroying the request would end the connection now.
    this.#requests.get(socket)?.emit("aborted");
    const end = () => {
      const answer = ANSWERS[reason];
      if (answer !== undefined && socket.writable)
        socket.write(`HTTP/1.1 ${answer}\r\nConnection: close\r\n\r\n`);
      socket.destroy();
    };
    if (ENDED_AT_ONCE.has(reason)) end();
    else this.#options.pace.pass(end);
  }

  #create(): Server {
    const { limits, handle } = this.#options;
    const server = createServer(optionsOf(limits), (request, response) => {
      // Node gives a response its socket when those before it are done. Neither Twilio nor any proxy of today sends a
      // request before it has the last answer; a flood of them on one connection would hold up all others.
      if (response.socket === null) this.cut("pipelined", request.socket);
      else if (lacksHost(request)) this.cut("malformed", request.socket);
      else {
        this.#requests.set(request.socket, request);
        handle(request, response);
      }
    });
    server.maxHeadersCount = limits.headers;
    server.on("connection", (socket) => this.#connected(socket));
    // An `Expect` that is not `100-continue`: no HTTP client of today sends one.
    server.on("checkExpectation", ({ socket }) => this.cut("malformed", socket));
    server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
      // Otherwise the other side went away, or its answer is under way: nobody is left to be told.
      if (socket.writable && error.code !== "ECONNRESET")
        this.cut(REASONS[error.code ?? ""] ?? "malformed", socket);
      else socket.destroy();
    });
    return server;
  }

  #connected(socket: Socket): void {
    this.#open++;
    socket.once("close", () => this.#open--);
    if (this.#open > this.#options.limits.connections) this.cut("tooMany", socket);
    else this.#keepRoom();
  }

  /**
   * Connections that have done their request and are only kept are the first to go when nearly all are taken: whoever hoards
   * them must not lock Twilio out. Those in the middle of a request end by their own time-outs.
   */
  #keepRoom(): void {
    const { limits, clock } = this.#options;
    const many = Math.ceil(limits.connections * 0.9);
    if (this.#open < many || clock.monotonic() - this.#closedIdleAtMs < CLOSE_IDLE_EVERY_MS) return;
    this.#closedIdleAtMs = clock.monotonic();
    for (const server of this.#servers) server.closeIdleConnections();
  }
}

const optionsOf = (limits: HttpLimits): ServerOptions => ({
  maxHeaderSize: limits.headerBytes,
  headersTimeout: limits.headersMs,
  requestTimeout: limits.requestMs,
  connectionsCheckingInterval: limits.checkEveryMs,
  keepAliveTimeout: limits.idleMs,
  // Node itself would answer whatever lacks it, thousands of requests from one read.
  requireHostHeader: false,
});

const lacksHost = ({ headers, httpVersion }: IncomingMessage) =>
  headers.host === undefined && httpVersion === "1.1";

/**
 * Reads and parses nothing more. What was read of a connection, up to 64 KiB, node parses to its end even when the socket is
 * destroyed: thousands of requests or of one-byte chunks, 20 to 50 ms. Only taking its parser away stops that; there is no
 * documented way, and where this one should be missing the rest is parsed in vain. Without its parser a connection has none
 * of node's time-outs and is not among those that `closeAllConnections` ends: whoever calls this must end it.
 */
function stopReading(socket: Socket): void {
  socket.pause();
  // Node resumes a socket by itself when a response is done or a body's reader wants more.
  socket.resume = () => socket;
  (socket as { parser?: { remove?: () => void } | null }).parser?.remove?.();
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;

function listening(server: Server, options: { port: number; reusePort?: boolean }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** A port that is shared can be taken twice, by two receivers on one machine each of which gets half of the texts. */
async function makeSureItIsFree(port: number): Promise<void> {
  const probe = createServer();
  await listening(probe, { port });
  await new Promise((resolve) => probe.close(resolve));
}
