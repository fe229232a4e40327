import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import type { Clock } from "../../clock.ts";

/** One HTTP request to a webhook, ready to be sent. */
interface WebhookRequest {
  url: string;
  method: "GET" | "POST";
  headers: Record<string, string>;
  body: string | undefined;
  connectTimeoutMs: number;
  readTimeoutMs: number;
  /** How long the whole request may take: what earlier attempts have left of the total time. */
  totalTimeoutMs: number;
  lookup: LookupFunction;
}

/** An answer, or the reason why there is no complete answer. */
export type WebhookResult =
  | { status: number; headers: IncomingMessage["headers"]; body: string }
  /**
   * `code` is Twilio's error code. `retry` is the retry policy (`rp`) that covers this failure. It is undefined when Twilio never retries
   * the failure.
   */
  | { failed: { code: number; text: string; retry: "ct" | "rt" | undefined } };

/** Bounds the memory that an answer takes: further bytes are dropped. The limit is far above 64 KiB, above which TwiML is refused. */
const LONGEST_ANSWER = 256 * 1024;

/**
 * Sends one request. Never rejects: a failure is a result, too. Aborting the signal ends the request, for example when the simulator stops.
 */
export function sendWebhookRequest(
  wanted: WebhookRequest,
  clock: Clock,
  signal: AbortSignal,
): Promise<WebhookResult> {
  return new Promise((resolve) => new RequestInProgress({ wanted, clock, resolve }, signal).start());
}

interface WebhookRequestOptions {
  wanted: WebhookRequest;
  clock: Clock;
  resolve: (result: WebhookResult) => void;
}

/**
 * One request on its own connection. Like Twilio's proxy it has three time limits: to connect (including the DNS lookup and TLS), to wait
 * for the first and for each further packet of the answer, and for everything together. The stages are connecting → waiting → reading →
 * over. Only `#enter` and `#end` change the stage.
 */
class RequestInProgress {
  #stage: "connecting" | "waiting" | "reading" | "over" = "connecting";
  /** Whether the host name is resolved. If not, a time-out is the fault of the name server. */
  #resolved = false;
  #cancelStage = () => {};
  #cancelTotal = () => {};
  #request: ClientRequest | undefined;
  readonly #wanted: WebhookRequest;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #resolve: (result: WebhookResult) => void;

  constructor({ wanted, clock, resolve }: WebhookRequestOptions, signal: AbortSignal) {
    this.#wanted = wanted;
    this.#clock = clock;
    this.#signal = signal;
    this.#resolve = resolve;
  }

  start() {
    const { url: text, method, headers, body, connectTimeoutMs, totalTimeoutMs, lookup } = this.#wanted;
    const url = new URL(text);
    const secure = url.protocol === "https:";
    const hostname = url.hostname.replace(/^\[|\]$/g, "");
    this.#resolved = isIP(hostname) !== 0;
    this.#enter("connecting", connectTimeoutMs);
    this.#cancelTotal = this.#clock.after(totalTimeoutMs, () => this.#timedOut());
    if (this.#signal.aborted) return this.#stopped();
    this.#signal.addEventListener("abort", this.#stopped, { once: true });
    const request = (secure ? httpsRequest : httpRequest)({
      hostname,
      port: url.port || (secure ? 443 : 80),
      // The fragment is for Twilio only. It is never sent.
      path: url.pathname + url.search,
      method,
      headers: { host: url.host, ...headers, connection: "close" },
      // Each attempt has its own connection, so that each attempt also tests whether a connection can be made.
      agent: false,
      lookup,
    });
    this.#request = request;
    const connected = secure ? "secureConnect" : "connect";
    request.on("socket", (socket) => {
      socket.once("lookup", () => {
        this.#resolved = true;
      });
      socket.once(connected, () => this.#wait("waiting"));
    });
    request.on("error", (error: NodeJS.ErrnoException) => this.#broken(error));
    request.on("response", (response) => this.#read(response));
    request.end(body);
  }

  #read(response: IncomingMessage): void {
    const chunks: Buffer[] = [];
    let length = 0;
    this.#wait("reading");
    response.on("data", (chunk: Buffer) => {
      this.#wait("reading");
      length += chunk.length;
      if (length <= LONGEST_ANSWER) chunks.push(chunk);
    });
    // When the connection is cut in the middle of the answer, Node emits `error` and never `end`.
    response.on("error", (error: NodeJS.ErrnoException) => this.#broken(error));
    response.on("end", () => {
      const { statusCode, headers } = response;
      this.#end({ status: statusCode!, headers, body: Buffer.concat(chunks).toString("utf8") });
    });
  }

  readonly #stopped = () => this.#fail(11205, "the simulator stopped");

  /** Reports a time-out. An answer that began and then stopped is never retried: the webhook has already done its work. */
  #timedOut(): void {
    if (this.#stage === "connecting")
      this.#fail(11201, this.#resolved ? "no connection in time" : "host name not resolved in time", "ct");
    else if (this.#stage === "waiting") this.#fail(11203, "no answer in time", "rt");
    else this.#fail(11205, "the answer broke off");
  }

  /**
   * Reports a failed connection. A failure before the connection is made may be retried. A connection that is lost later is not a time-out
   * and is not retried. This is an assumption, see docs/simulator.md.
   */
  #broken({ code = "", message }: NodeJS.ErrnoException) {
    if (this.#stage === "reading") return this.#fail(11205, "the answer broke off");
    if (this.#stage === "waiting")
      return this.#fail(11205, `connection lost before an answer: ${code || message}`);
    if (code === "ENOTFOUND" || code === "EAI_AGAIN") return this.#fail(11210, "no such host", "ct");
    if (code === "ECONNREFUSED") return this.#fail(11202, "connection refused", "ct");
    if (/CERT|SELF_SIGNED|TLS|SSL|EPROTO/.test(code)) return this.#fail(11220, `TLS: ${code}`, "ct");
    this.#fail(11205, `no connection: ${code || message}`, "ct");
  }

  #wait(stage: "waiting" | "reading"): void {
    this.#enter(stage, this.#wanted.readTimeoutMs);
  }

  #enter(stage: "connecting" | "waiting" | "reading", timeoutMs: number): void {
    if (this.#stage === "over") return;
    this.#stage = stage;
    this.#cancelStage();
    this.#cancelStage = this.#clock.after(timeoutMs, () => this.#timedOut());
  }

  #fail(code: number, text: string, retry?: "ct" | "rt"): void {
    this.#end({ failed: { code, text, retry } });
  }

  /** Ends the request. Only the first call of this method has an effect. */
  #end(result: WebhookResult): void {
    if (this.#stage === "over") return;
    this.#stage = "over";
    this.#cancelStage();
    this.#cancelTotal();
    this.#signal.removeEventListener("abort", this.#stopped);
    this.#request?.destroy();
    this.#resolve(result);
  }
}
