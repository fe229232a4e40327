import { type Agent, type Dispatcher, EnvHttpProxyAgent, request } from "undici";
import type { Clock } from "../clock.ts";
import type { Login } from "./credentials.ts";

/** One request as it is sent to Twilio. */
export interface Outgoing {
  method: "GET" | "POST";
  url: URL;
  login: Login;
  headers: Record<string, string>;
  body?: string;
}

/**
 * The result of a request: a whole answer, or the reason why there is none. The reason holds nothing of the request.
 */
export type TwilioAnswer =
  | { status: number; json: unknown; retryAfterMs: number | undefined }
  | { status: undefined; code: string };

/** The options that say how requests are sent. */
export interface TransportOptions {
  clock: Clock;
  /** Time for one request, from connecting to the last byte of the answer. */
  timeoutMs: number;
  /** The dispatcher that sends the requests. Without a dispatcher, this transport makes its own pool of connections. */
  dispatcher?: Dispatcher;
}

/** The largest answer that is read. A page of 1,000 numbers has about 2 MB. */
const LARGEST_ANSWER = 16 * 1024 * 1024;
/** The longest wait that is taken from a Retry-After. A header that asks for more is a mistake or an attack, and is cut to this time. */
const LONGEST_RETRY_AFTER_MS = 3_600_000;

/**
 * Sends HTTP requests to Twilio. All accounts share kept-alive connections. Proxies come from HTTPS_PROXY, HTTP_PROXY and NO_PROXY, and
 * further certificate authorities from NODE_EXTRA_CA_CERTS (read by Node itself). A redirect is an answer like any other and is never
 * followed, because following it would send the credentials along.
 */
export class Transport {
  readonly timeoutMs: number;
  readonly #options: TransportOptions;
  readonly #dispatcher: Dispatcher;
  #stopped: Promise<void> | undefined;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.timeoutMs = options.timeoutMs;
    this.#dispatcher = options.dispatcher ?? createPool(options.timeoutMs);
  }

  /** Sends a request once. A failed request is returned as a result: the promise rejects only with the reason of the signal. */
  async send(outgoing: Outgoing, signal: AbortSignal): Promise<TwilioAnswer> {
    signal.throwIfAborted();
    const timeout = new AbortController();
    const cancel = this.#options.clock.after(this.timeoutMs, () => timeout.abort());
    try {
      return await this.#exchange(outgoing, AbortSignal.any([signal, timeout.signal]));
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      return { status: undefined, code: timeout.signal.aborted ? "ETIMEDOUT" : codeOf(error) };
    } finally {
      cancel();
    }
  }

  /** Closes our own pool after the requests in flight. May be called twice. A dispatcher from the options must be closed by its owner. */
  stop(): Promise<void> {
    this.#stopped ??= this.#options.dispatcher === undefined ? this.#dispatcher.close() : Promise.resolve();
    return this.#stopped;
  }

  /** Sends the request and reads the whole answer before returning anything of it: half a list must not pass for a whole list. */
  async #exchange(
    { method, url, login, headers, body }: Outgoing,
    signal: AbortSignal,
  ): Promise<TwilioAnswer> {
    const answer = await request(url, {
      dispatcher: this.#dispatcher,
      method,
      headers: { ...headers, authorization: basic(login) },
      ...(body === undefined ? {} : { body }),
      signal,
    });
    const bytes = await readAll(answer.body);
    return {
      status: answer.statusCode,
      json: parseJson(bytes),
      retryAfterMs: retryAfterMs(answer.headers["retry-after"], this.#options.clock.now()),
    };
  }
}

function createPool(timeoutMs: number): Dispatcher {
  const options: Agent.Options = {
    // The pool has no limit of connections, because the budgets decide who may send. A limit here would make all accounts wait in one line
    // for the slowest account.
    connections: null,
    connect: { timeout: timeoutMs },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    // Twilio closes idle connections after a minute. If it closed a connection while an update is being sent, the update would have to be
    // repeated. So we close idle connections first.
    keepAliveTimeout: 20_000,
    keepAliveMaxTimeout: 50_000,
  };
  return new EnvHttpProxyAgent(options);
}

/** Reads the whole answer, up to LARGEST_ANSWER. */
async function readAll(body: AsyncIterable<Buffer> & { destroy(): unknown }): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > LARGEST_ANSWER)
      throw Object.assign(new Error("answer too large"), { code: "ANSWER_TOO_LARGE" });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** Parses JSON. Undefined for anything else, because the error of the parser would quote the text. */
function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}

/** Reads a Retry-After header, which is a number of seconds or a date (RFC 9110). */
function retryAfterMs(header: string | string[] | undefined, nowMs: number): number | undefined {
  const text = Array.isArray(header) ? header[0] : header;
  if (text === undefined) return undefined;
  const ms = /^[0-9]{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), LONGEST_RETRY_AFTER_MS) : undefined;
}

/** The code of an error. Errors of undici hold sockets and requests with headers, so only their code leaves this file. */
function codeOf(error: unknown): string {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: { code?: unknown } };
  const found = [code, cause?.code].find(
    (value) => typeof value === "string" && /^[A-Z][A-Z0-9_]{0,60}$/.test(value),
  );
  return typeof found === "string" ? found : "NO_ANSWER";
}

const basic = ({ user, password }: Login) => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
