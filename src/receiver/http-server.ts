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

/** Limits on what an unauthenticated client can use up. Twilio's requests stay below a tenth of each limit and take milliseconds. */
export interface HttpLimits {
  /** Limit for the size of all headers of a request. */
  headerBytes: number;
  /** Limit for the number of headers of a request. */
  headers: number;
  /** Time from the start of a connection, or from the first byte of a later request, to the end of the headers. */
  headersMs: number;
  /** Time from the start of a connection, or from the first byte of a later request, to the end of the body. */
  requestMs: number;
  /**
   * Time that a connection may be idle between two requests. Load balancers close idle connections after 60 s. With a shorter time here,
   * we would close connections that a load balancer is about to use.
   */
  idleMs: number;
  connections: number;
  /** Memory for all bodies that are being read, without the first 16 KiB of each. */
  bodiesBytes: number;
  /** How often Node looks for connections that exceed a time limit. */
  checkEveryMs: number;
}

/** The limits in production. */
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

/** The reason why we ended a connection, and the label of `smschannel_connections_cut_total`. */
export type CutReason = "malformed" | "slow" | "headersTooLarge" | "pipelined" | "scattered" | "tooMany";

/**
 * The answers on connections that we cut, which are the same as the answers of Node itself. They have no body, because there is no request
 * to answer.
 */
const ANSWERS: Partial<Record<CutReason, string>> = {
  malformed: "400 Bad Request",
  slow: "408 Request Timeout",
  headersTooLarge: "431 Request Header Fields Too Large",
};

/**
 * Connections that are cut for these reasons end immediately. All other cut connections wait for their turn, so that the client cannot
 * come back immediately. A slow client has waited already, and a connection above the limit takes a place that another client needs.
 */
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
  /**
   * Decides when a cut connection ends: the connection waits in one queue with the refused requests. Connections that are cut for a reason
   * in ENDED_AT_ONCE do not wait.
   */
  pace: Pick<RefusalPace, "pass">;
}

/**
 * How often idle connections may be closed to make way for new ones. Closing visits every connection: 8,192 of them take about a
 * millisecond.
 */
const CLOSE_IDLE_EVERY_MS = 100;

/**
 * Number of listeners. Node accepts one connection per listener in each turn of its event loop, so while turns are long, new connections
 * would wait for seconds. With eight listeners on one port, the kernel distributes connections among them, and Node accepts eight in each
 * turn.
 */
const LISTENERS = 8;

/** An HTTP server that ends every connection that sends no good requests, and always has places for new connections. */
export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #servers: Server[];
  #open = 0;
  #closedIdleAtMs = Number.NEGATIVE_INFINITY;
  /** Connections that were cut. Some of them are still open and wait for their turn to end. */
  readonly #stopped = new WeakSet<Socket>();
  /** The latest request on each connection. */
  readonly #requests = new WeakMap<Socket, IncomingMessage>();

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#servers = Array.from({ length: LISTENERS }, () => this.#create());
  }

  /** Number of open connections. */
  get open(): number {
    return this.#open;
  }

  /**
   * Listens and resolves with the port. The port 0 means any free port. Rejects when another process has the port, even when that process
   * would share it.
   */
  async listen(wanted: number): Promise<number> {
    const [first, ...others] = this.#servers as [Server, ...Server[]];
    if (wanted !== 0) await makeSureItIsFree(wanted);
    try {
      await listening(first, { port: wanted, reusePort: true });
    } catch (error) {
      // This system cannot share a port among listeners, so there is only one listener.
      if ((error as NodeJS.ErrnoException).code !== "ENOTSUP") throw error;
      await listening(first, { port: wanted });
      return portOf(first);
    }
    for (const server of others) await listening(server, { port: portOf(first), reusePort: true });
    return portOf(first);
  }

  /** Accepts no more connections and closes the idle ones. Resolves when all connections have ended. */
  async close(): Promise<void> {
    const closed = this.#servers.map((server) => new Promise((resolve) => server.close(resolve)));
    await Promise.all(closed);
  }

  /** Ends all connections, also in the middle of a request. */
  cutAll(): void {
    for (const server of this.#servers) server.closeAllConnections();
  }

  /**
   * Stops reading from a connection and ends it when its turn comes. If the connection ended immediately, its client could come back
   * immediately with another 64 KiB for us to parse, at no cost to the client.
   */
  cut(reason: CutReason, socket: Socket): void {
    if (socket.destroyed || this.#stopped.has(socket)) return;
    this.#stopped.add(socket);
    this.#options.onCut(reason);
    stopReading(socket);
    // Emitting `aborted` makes the reader of the body drop what it has read, which must not take memory while the connection waits for its
    // turn to end. Destroying the request instead would end the connection now.
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
      // A response without a socket means that an earlier request on this connection is not answered yet. Neither Twilio nor today's
      // proxies send a request before they have the answer to the last one. A flood of such requests would hold up all other clients, so
      // the connection is cut.
      if (response.socket === null) this.cut("pipelined", request.socket);
      else if (lacksHost(request)) this.cut("malformed", request.socket);
      else {
        this.#requests.set(request.socket, request);
        handle(request, response);
      }
    });
    server.maxHeadersCount = limits.headers;
    server.on("connection", (socket) => this.#connected(socket));
    // A request with an `Expect` header other than `100-continue`, which no HTTP client of today sends, is treated as malformed.
    server.on("checkExpectation", ({ socket }) => this.cut("malformed", socket));
    server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
      // When the socket is not writable, the client is gone or its answer is on its way already. Then there is nothing to send.
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
   * When nearly all connections are in use, closes the ones that are idle after a request, so that a client that hoards connections cannot
   * lock Twilio out. Connections in the middle of a request are ended by the time limits.
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
  // We check the Host header ourselves: Node would answer each request without it, and one read can bring thousands of such requests.
  requireHostHeader: false,
});

const lacksHost = ({ headers, httpVersion }: IncomingMessage) =>
  headers.host === undefined && httpVersion === "1.1";

/**
 * Stops reading and parsing a connection. Node reads up to 64 KiB at a time and parses all of it, even after the socket was destroyed. With
 * thousands of requests or one-byte chunks in one read, that takes 20 to 50 ms. Only removing the parser of the connection stops this work,
 * and there is no documented way to remove it. If a later Node lacks the method that we call, the rest is parsed for nothing. Without its
 * parser a connection has no time limit and `closeAllConnections` does not end it, so whoever calls this function must end the connection.
 */
function stopReading(socket: Socket): void {
  socket.pause();
  // Node would resume the socket when a response ends, or when the reader of the body wants more. So `resume` does nothing from now on.
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

/**
 * Throws when the port is in use. Otherwise two receivers on one machine could share a port without an error, and each would get half of
 * the texts.
 */
async function makeSureItIsFree(port: number): Promise<void> {
  const probe = createServer();
  await listening(probe, { port });
  await new Promise((resolve) => probe.close(resolve));
}
