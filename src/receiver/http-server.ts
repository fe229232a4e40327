import { createServer, type RequestListener, type Server } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../clock.ts";

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
export type CutReason = keyof typeof ANSWERS | "pipelined" | "tooMany";

/** What node itself would answer; a request that is none gets no more than that. */
const ANSWERS = {
  malformed: "400 Bad Request",
  slow: "408 Request Timeout",
  headersTooLarge: "431 Request Header Fields Too Large",
} as const;

const REASONS: Record<string, CutReason & keyof typeof ANSWERS> = {
  ERR_HTTP_REQUEST_TIMEOUT: "slow",
  HPE_HEADER_OVERFLOW: "headersTooLarge",
};

export interface HttpServerOptions {
  limits: HttpLimits;
  handle: RequestListener;
  clock: Clock;
  onCut: (reason: CutReason) => void;
}

/** At most so often, since it looks at every connection: 8,192 take about a millisecond. */
const CLOSE_IDLE_EVERY_MS = 100;

export interface HttpServer {
  readonly server: Server;
  /** Connections that are open now. */
  readonly open: number;
}

/** An HTTP server whose every connection ends by itself unless good requests come, and which keeps room for new ones. */
export function createHttpServer({ limits, handle, clock, onCut }: HttpServerOptions): HttpServer {
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      connectionsCheckingInterval: limits.checkEveryMs,
      keepAliveTimeout: limits.idleMs,
    },
    (request, response) => {
      // Node gives a response its socket when those before it are done. Neither Twilio nor any proxy of today sends a
      // request before it has the last answer; a flood of them on one connection would hold up all others.
      if (response.socket !== null) handle(request, response);
      else if (!request.socket.destroyed) {
        onCut("pipelined");
        request.socket.destroy();
      }
    },
  );
  server.maxHeadersCount = limits.headers;
  server.maxConnections = limits.connections;
  server.on("drop", () => onCut("tooMany"));
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    // Otherwise the other side went away, or its answer is under way: nobody is left to be told.
    if (socket.writable && error.code !== "ECONNRESET") {
      const reason = REASONS[error.code ?? ""] ?? "malformed";
      onCut(reason);
      socket.write(`HTTP/1.1 ${ANSWERS[reason]}\r\nConnection: close\r\n\r\n`);
    }
    socket.destroy();
  });
  return keepingRoom(server, limits.connections, clock);
}

/**
 * Connections that have done their request and are only kept are the first to go when nearly all are taken: whoever hoards
 * them must not lock Twilio out. Those in the middle of a request end by their own time-outs.
 */
function keepingRoom(server: Server, most: number, clock: Clock): HttpServer {
  const many = Math.ceil(most * 0.9);
  let open = 0;
  let closedIdleAtMs = Number.NEGATIVE_INFINITY;
  server.on("connection", (socket) => {
    open++;
    socket.once("close", () => open--);
    if (open < many || clock.monotonic() - closedIdleAtMs < CLOSE_IDLE_EVERY_MS) return;
    closedIdleAtMs = clock.monotonic();
    server.closeIdleConnections();
  });
  return {
    server,
    get open() {
      return open;
    },
  };
}
