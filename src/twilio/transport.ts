import { type Agent, type Dispatcher, EnvHttpProxyAgent, request } from "undici";
import type { Clock } from "../clock.ts";
import type { Login } from "./credentials.ts";

/** One request as it goes out. */
export interface Outgoing {
  method: "GET" | "POST";
  url: URL;
  login: Login;
  headers: Record<string, string>;
  body?: string;
}

/** What came of it: a whole answer, or the reason why there is none. Neither holds anything that was sent. */
export type TwilioAnswer =
  | { status: number; json: unknown; retryAfterMs: number | undefined }
  | { status: undefined; code: string };

/** How requests are sent. */
export interface TransportOptions {
  clock: Clock;
  /** For one request, from connecting to the last byte of the answer. */
  timeoutMs: number;
  /** Sends the requests; absent: a pool of our own. */
  dispatcher?: Dispatcher;
}

/** A page of 1,000 numbers has about 2 MB. */
const LARGEST_ANSWER = 16 * 1024 * 1024;
/** Longer than any sensible Retry-After; anything above is a mistake or an attack. */
const LONGEST_RETRY_AFTER_MS = 3_600_000;

/**
 * HTTP to Twilio: kept-alive connections shared by all accounts, proxies from HTTPS_PROXY, HTTP_PROXY and NO_PROXY,
 * further authorities from NODE_EXTRA_CA_CERTS (read by Node itself). Redirects are answers like any other and
 * never followed: they would carry the credentials along.
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

  /** Sends once. Rejects only with the signal's reason; a failure is a result. */
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

  /** Waits for what is in flight; may be called twice. A dispatcher that was given is its owner's to close. */
  stop(): Promise<void> {
    this.#stopped ??= this.#options.dispatcher === undefined ? this.#dispatcher.close() : Promise.resolve();
    return this.#stopped;
  }

  /** Reads the whole answer before it counts: half a list must not pass for one. */
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
    // No limit: the budgets decide who may send. A limit here would be a line in which all accounts wait for the
    // slowest.
    connections: null,
    connect: { timeout: timeoutMs },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    // Twilio closes idle connections after a minute. If it closes one while an update is being sent, the update has
    // to be repeated, so we close first.
    keepAliveTimeout: 20_000,
    keepAliveMaxTimeout: 50_000,
  };
  return new EnvHttpProxyAgent(options);
}

/** The whole answer, up to its bound. */
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

/** Undefined for what is not JSON; the parser's error would quote it. */
function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}

/** Retry-After is a number of seconds or a date (RFC 9110). */
function retryAfterMs(header: string | string[] | undefined, nowMs: number): number | undefined {
  const text = Array.isArray(header) ? header[0] : header;
  if (text === undefined) return undefined;
  const ms = /^[0-9]{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), LONGEST_RETRY_AFTER_MS) : undefined;
}

/** undici's errors carry sockets and requests, with headers; only their code leaves this file. */
function codeOf(error: unknown): string {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: { code?: unknown } };
  const found = [code, cause?.code].find(
    (value) => typeof value === "string" && /^[A-Z][A-Z0-9_]{0,60}$/.test(value),
  );
  return typeof found === "string" ? found : "NO_ANSWER";
}

const basic = ({ user, password }: Login) => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
