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

/** One attempt to deliver a webhook: one request and all redirects that followed. */
export interface WebhookAttempt {
  url: string;
  /** When the attempt began, in milliseconds since the epoch. */
  at: number;
  durationMs: number;
  /** The status of the answer. Null: there was no answer. */
  status: number | null;
  /** What went wrong, in words. Null: the attempt succeeded. */
  error: string | null;
  /** Twilio's error code for what went wrong. Null: the attempt succeeded. */
  errorCode: number | null;
}

/** All attempts to deliver one webhook, including the attempts at its fallback. */
export interface WebhookDelivery {
  kind: "inbound" | "status" | "conversation";
  messageSid: string;
  /** The message status that a status callback reports. It is set only for the kind `status`. */
  messageStatus?: string;
  attempts: WebhookAttempt[];
  delivered: boolean;
}

/** A webhook to call. */
export interface WebhookCall {
  url: string;
  method: "GET" | "POST";
  params: [string, string][];
  /** Returns the token that signs. It is called for each request: a token that is promoted between two attempts signs the second one. */
  authToken: () => string;
}

interface WebhookAnswer {
  contentType: string | undefined;
  body: string;
}

interface WebhookOutcome {
  attempts: WebhookAttempt[];
  /** The first good answer. Undefined: all attempts failed. */
  answer?: WebhookAnswer;
  /** Whether `clear` ended the call. */
  isStopped: boolean;
}

interface WebhookAttemptOptions {
  webhook: WebhookCall;
  settings: ConnectionSettings;
  /** How much of the total time for all attempts is left. */
  leftMs: number;
  idempotencyToken: string;
}

/** Twilio follows at most this many redirects. */
const MOST_REDIRECTS = 10;
const NOT_PUBLIC = "not a public http or https URL";

/**
 * Calls one URL as Twilio does: signed, with the connection overrides of its fragment, and with retries. Fallbacks are left to the code
 * that uses this class.
 */
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

  /** Aborts the webhook calls in progress. The aborted calls are not retried. */
  clear(): void {
    this.#inFlight.abort();
    this.#inFlight = new AbortController();
  }

  /** Calls the webhook. Resolves after the last attempt. Never rejects because of the webhook. */
  async call(webhook: WebhookCall): Promise<WebhookOutcome> {
    const begun = this.#clock.monotonic();
    const { signal } = this.#inFlight;
    let settings: ConnectionSettings;
    try {
      settings = connectionSettings(webhook.url);
    } catch (error) {
      if (error instanceof OverrideError)
        return { attempts: [this.#refused(webhook, error.code, error.message)], isStopped: false };
      throw error;
    }
    if (!this.#isAllowed(webhook.url))
      return { attempts: [this.#refused(webhook, 11205, NOT_PUBLIC)], isStopped: false };

    const attempts: WebhookAttempt[] = [];
    // Twilio sends the same idempotency token with every retry, so that a receiver can recognize a retry.
    const idempotencyToken = randomUUID();
    for (;;) {
      const leftMs = settings.totalTimeoutMs - (this.#clock.monotonic() - begun);
      const { made, result } = await this.#attempt({ webhook, settings, leftMs, idempotencyToken }, signal);
      attempts.push(made);
      if (made.error === null && "status" in result)
        return {
          attempts,
          answer: { contentType: result.headers["content-type"], body: result.body },
          isStopped: signal.aborted,
        };
      // The total time covers all attempts. It can run out although retries are left.
      const spent = this.#clock.monotonic() - begun;
      const isOver = attempts.length > settings.retries || spent >= settings.totalTimeoutMs;
      const policy = policyOf(result);
      if (isOver || signal.aborted || policy === undefined || !settings.retryOn.has(policy))
        return { attempts, isStopped: signal.aborted };
    }
  }

  /** Makes one attempt and follows its redirects. As at Twilio, a 301, 302 or 303 turns the POST into a GET without parameters. */
  async #attempt(
    { webhook, settings, leftMs, idempotencyToken }: WebhookAttemptOptions,
    signal: AbortSignal,
  ) {
    const at = this.#clock.now();
    const begun = this.#clock.monotonic();
    const { connectTimeoutMs, readTimeoutMs } = settings;
    // Redirects are part of the attempt: they use up its time, and the log has one entry for all of them.
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
      if (!this.#isAllowed(url)) {
        result = { failed: { code: 11205, text: NOT_PUBLIC, retry: undefined } };
        break;
      }
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

  /** Whether Twilio would call this URL: the URL of a webhook, or the target of a redirect. */
  #isAllowed(url: string): boolean {
    return isWebhookUrl(url, { allowLocalUrls: this.#allowLocalUrls });
  }

  /** The logged attempt for a URL that Twilio does not call. */
  #refused(webhook: WebhookCall, errorCode: number, error: string): WebhookAttempt {
    return { url: webhook.url, at: this.#clock.now(), durationMs: 0, status: null, error, errorCode };
  }
}

/** The URL that the answer redirects to. Undefined: the answer is no redirect. */
const redirectOf = (result: { status: number; headers: { location?: string | undefined } }) =>
  [301, 302, 303, 307, 308].includes(result.status) ? result.headers.location : undefined;

/** The result as the log shows it. Twilio counts only a 2xx as a success. */
function describeResult(result: WebhookResult): Pick<WebhookAttempt, "status" | "error" | "errorCode"> {
  if ("failed" in result) return { status: null, error: result.failed.text, errorCode: result.failed.code };
  const { status } = result;
  return status >= 200 && status < 300
    ? { status, error: null, errorCode: null }
    : { status, error: `HTTP ${status}`, errorCode: 11200 };
}

/** The retry policy that covers the result. Undefined: Twilio never retries this result. */
function policyOf(result: WebhookResult): RetryPolicy | undefined {
  if ("failed" in result) return result.failed.retry;
  return result.status >= 500 ? "5xx" : result.status >= 400 ? "4xx" : undefined;
}

/**
 * Builds the HTTP request. A GET has its parameters in the URL, and the signature covers that URL. A POST has them in a form, and the
 * signature covers URL and form.
 */
function toRequest(webhook: WebhookCall, idempotencyToken: string) {
  const { method, params } = webhook;
  const form = new URLSearchParams(params).toString();
  const bare = signedUrl(webhook.url);
  const isGet = method === "GET";
  const url = isGet && form !== "" ? `${bare}${bare.includes("?") ? "&" : "?"}${form}` : bare;
  // These are the headers of recorded requests of Twilio, see test/fixtures/twilio/webhook-requests.json.
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

/** Turns the user name and password of `https://user:password@host/` into Basic credentials. The signature leaves them out. */
function basicOf(url: string): Record<string, string> {
  const { username, password } = new URL(url);
  if (username === "") return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
}
