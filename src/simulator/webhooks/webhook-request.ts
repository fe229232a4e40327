import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import type { Clock } from "../../clock.ts";

interface WebhookRequest {
  url: string;
  method: "GET" | "POST";
  headers: Record<string, string>;
  body: string | undefined;
  connectTimeoutMs: number;
  readTimeoutMs: number;
  /** What is left of the total. */
  totalTimeoutMs: number;
  lookup: LookupFunction;
}

export type WebhookResult =
  | { status: number; headers: IncomingMessage["headers"]; body: string }
  /** `retry`: what a retry policy calls it; undefined: never tried again, such as an answer that broke off. */
  | { failed: { code: number; text: string; retry: "ct" | "rt" | undefined } };

/** More than this Twilio does not read of an answer. */
const LONGEST_ANSWER = 256 * 1024;

/** Never rejects. `signal`: the simulator stops. */
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
 * One request to a webhook on a connection of its own, as Twilio's proxy makes it: so long to connect, so long until the
 * first and each further packet of the answer, so long in all. connecting → waiting → reading → over, by `#enter` alone.
 * The host's name is looked up while connecting.
 */
class RequestInProgress {
  #stage: "connecting" | "waiting" | "reading" | "over" = "connecting";
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
      path: url.pathname + url.search,
      method,
      headers: { host: url.host, ...headers, connection: "close" },
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
    // A connection that is cut in the middle raises an error here and no `end`.
    response.on("error", (error: NodeJS.ErrnoException) => this.#broken(error));
    response.on("end", () => {
      const { statusCode, headers } = response;
      this.#end({ status: statusCode!, headers, body: Buffer.concat(chunks).toString("utf8") });
    });
  }

  readonly #stopped = () => this.#fail(11205, "the simulator stopped");

  /** A partial answer is never asked for again. */
  #timedOut(): void {
    if (this.#stage === "connecting")
      this.#fail(11201, this.#resolved ? "no connection in time" : "host name not resolved in time", "ct");
    else if (this.#stage === "waiting") this.#fail(11203, "no answer in time", "rt");
    else this.#fail(11205, "the answer broke off");
  }

  /** Everything before the connection stands may be tried again; a connection that is lost later is not a time-out. */
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
