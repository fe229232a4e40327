import { randomUUID } from "node:crypto";
import type { LookupFunction } from "node:net";
import type { Clock } from "../../clock.ts";
import {
  type ConnectionSettings,
  connectionSettings,
  OverrideError,
  type RetryPolicy,
} from "./connection-overrides.ts";
import { rememberingLookup } from "./resolver.ts";
import { sign, signedUrl } from "./sign.ts";
import { sendWebhookRequest, type WebhookResult } from "./webhook-request.ts";
import { isWebhookUrl } from "./webhook-url.ts";

/** One attempt to deliver a webhook: one request and the redirects that it led to. */
export interface WebhookAttempt {
  url: string;
  /** When it began, milliseconds since the epoch. */
  at: number;
  durationMs: number;
  /** The status of the answer; null: there was none. */
  status: number | null;
  /** What went wrong, in words; null: nothing did. */
  error: string | null;
  /** Twilio's error code for what went wrong; null: nothing did. */
  errorCode: number | null;
}

/** All attempts to deliver one webhook, including those at its fallback. */
export interface WebhookDelivery {
  kind: "inbound" | "status" | "conversation";
  messageSid: string;
  /** The text's status that the callback reports. Only for the kind `status`. */
  messageStatus?: string;
  attempts: WebhookAttempt[];
  delivered: boolean;
}

/** A webhook to call. */
export interface WebhookCall {
  url: string;
  method: "GET" | "POST";
  params: [string, string][];
  /** The token that signs. Read at each attempt, so that a token that was promoted meanwhile signs the next one. */
  authToken: () => string;
}

interface WebhookAnswer {
  contentType: string | undefined;
  body: string;
}

interface WebhookOutcome {
  attempts: WebhookAttempt[];
  /** The first good answer; undefined: all attempts failed. */
  answer?: WebhookAnswer;
}

interface WebhookAttemptOptions {
  webhook: WebhookCall;
  settings: ConnectionSettings;
  /** What is left of the total time for all attempts. */
  leftMs: number;
  idempotencyToken: string;
}

/** Twilio follows at most this many redirects. */
const MOST_REDIRECTS = 10;

/** Calls one URL as Twilio does: signed, with the connection overrides of its fragment, and with retries. Knows no fallback. */
export class WebhookCaller {
  readonly #clock: Clock;
  readonly #allowLocalUrls: boolean;
  readonly #lookup: LookupFunction;
  #inFlight = new AbortController();

  constructor({ clock, allowLocalUrls }: { clock: Clock; allowLocalUrls: boolean }) {
    this.#clock = clock;
    this.#allowLocalUrls = allowLocalUrls;
    this.#lookup = rememberingLookup(() => clock.monotonic());
  }

  /** Aborts the calls in progress. They are not retried. */
  clear(): void {
    this.#inFlight.abort();
    this.#inFlight = new AbortController();
  }

  /** Resolves after the last attempt. Never rejects because of the webhook. */
  async call(webhook: WebhookCall): Promise<WebhookOutcome> {
    const begun = this.#clock.monotonic();
    const { signal } = this.#inFlight;
    let settings: ConnectionSettings;
    try {
      settings = connectionSettings(webhook.url);
    } catch (error) {
      if (error instanceof OverrideError)
        return { attempts: [this.#refused(webhook, error.code, error.message)] };
      throw error;
    }
    if (!isWebhookUrl(webhook.url, { allowLocalUrls: this.#allowLocalUrls }))
      return { attempts: [this.#refused(webhook, 11205, "not a public http or https URL")] };

    const attempts: WebhookAttempt[] = [];
    // Twilio sends the same token with every retry, so that a receiver can recognize one.
    const idempotencyToken = randomUUID();
    for (;;) {
      const leftMs = settings.totalTimeoutMs - (this.#clock.monotonic() - begun);
      const { made, result } = await this.#attempt({ webhook, settings, leftMs, idempotencyToken }, signal);
      attempts.push(made);
      if (made.error === null && "status" in result)
        return { attempts, answer: { contentType: result.headers["content-type"], body: result.body } };
      // The total time covers all attempts. It runs out even if retries are left.
      const spent = this.#clock.monotonic() - begun;
      const isOver = attempts.length > settings.retries || spent >= settings.totalTimeoutMs;
      const policy = policyOf(result);
      if (isOver || signal.aborted || policy === undefined || !settings.retryOn.has(policy))
        return { attempts };
    }
  }

  /** One attempt with its redirects. As at Twilio, a 301, 302 or 303 turns the POST into a GET without its parameters. */
  async #attempt(
    { webhook, settings, leftMs, idempotencyToken }: WebhookAttemptOptions,
    signal: AbortSignal,
  ) {
    const at = this.#clock.now();
    const begun = this.#clock.monotonic();
    const { connectTimeoutMs, readTimeoutMs } = settings;
    // Redirects count as part of the attempt: they share its time and show up as one entry in the log.
    let { url, method, params } = webhook;
    let result: WebhookResult = { failed: { code: 11215, text: "too many redirects", retry: undefined } };
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
      const request = toRequest({ ...webhook, url, method, params }, idempotencyToken);
      const totalTimeoutMs = Math.max(1, leftMs - (this.#clock.monotonic() - begun));
      const given = { ...request, connectTimeoutMs, readTimeoutMs, totalTimeoutMs, lookup: this.#lookup };
      result = await sendWebhookRequest(given, this.#clock, signal);
      const location = "status" in result && redirectOf(result);
      if (location === false || location === undefined || !URL.canParse(location, url)) break;
      url = new URL(location, url).href;
      if ("status" in result && result.status < 307) [method, params] = ["GET", []];
      if (redirects === MOST_REDIRECTS)
        result = { failed: { code: 11215, text: "too many redirects", retry: undefined } };
    }
    const made = {
      url: webhook.url,
      at,
      durationMs: this.#clock.monotonic() - begun,
      ...describeResult(result),
    };
    return { made, result };
  }

  /** The attempt that is logged for a URL that Twilio does not call. */
  #refused(webhook: WebhookCall, errorCode: number, error: string): WebhookAttempt {
    return { url: webhook.url, at: this.#clock.now(), durationMs: 0, status: null, error, errorCode };
  }
}

/** Where the answer redirects to; undefined: nowhere. */
const redirectOf = (result: { status: number; headers: { location?: string | undefined } }) =>
  [301, 302, 303, 307, 308].includes(result.status) ? result.headers.location : undefined;

function describeResult(result: WebhookResult): Pick<WebhookAttempt, "status" | "error" | "errorCode"> {
  if ("failed" in result) return { status: null, error: result.failed.text, errorCode: result.failed.code };
  const { status } = result;
  return status >= 200 && status < 300
    ? { status, error: null, errorCode: null }
    : { status, error: `HTTP ${status}`, errorCode: 11200 };
}

/** The retry policy that covers the result; undefined: Twilio never retries it. */
function policyOf(result: WebhookResult): RetryPolicy | undefined {
  if ("failed" in result) return result.failed.retry;
  return result.status >= 500 ? "5xx" : result.status >= 400 ? "4xx" : undefined;
}

/** A GET carries the parameters in its URL, and the signature covers them there. A POST carries and signs them as a form. */
function toRequest(webhook: WebhookCall, idempotencyToken: string) {
  const { method, params } = webhook;
  const form = new URLSearchParams(params).toString();
  const bare = signedUrl(webhook.url);
  const isGet = method === "GET";
  const url = isGet && form !== "" ? `${bare}${bare.includes("?") ? "&" : "?"}${form}` : bare;
  const headers: Record<string, string> = {
    "user-agent": "TwilioProxy/1.1",
    accept: "*/*",
    "cache-control": "max-age=259200",
    "x-twilio-signature": sign(webhook.authToken(), url, isGet ? [] : params),
    "i-twilio-idempotency-token": idempotencyToken,
    ...basicOf(webhook.url),
  };
  if (isGet) return { url, method, headers, body: undefined };
  headers["content-type"] = "application/x-www-form-urlencoded; charset=utf-8";
  headers["content-length"] = String(Buffer.byteLength(form));
  return { url, method, headers, body: form };
}

/** The user and password of `https://user:password@host/` are sent as Basic credentials; the signature leaves them out. */
function basicOf(url: string): Record<string, string> {
  const { username, password } = new URL(url);
  if (username === "") return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
}
