/**
 * This file has the HTTP client that the SDK is given (ADR 6). The client holds back what the SDK would let through: credentials in
 * errors, answers that are not Twilio's, and hosts from an answer. It adds what the SDK lacks: budgets, fair shares, retries and the check
 * of the Lease.
 */

import type { Counter } from "@prometheus-io/client";
import type { Clock } from "../clock.ts";
import type { Failure } from "../errors.ts";
import type { Places } from "../fairness/places.ts";
import type { Leadership } from "../leadership.ts";
import type { Log } from "../log.ts";
import type { Budget, Lane, Permit } from "./budget.ts";
import { LONGEST_PAUSE_MS } from "./budget.ts";
import type { Login } from "./credentials.ts";
import { type FaultFacts, failureFrom, faultFrom, kindOf, TwilioFault } from "./fault.ts";
import { type Operation, type OperationInfo, operations } from "./operations.ts";
import type { Outgoing, Transport, TwilioAnswer } from "./transport.ts";
import { type TwilioPlace, targetUrl } from "./url.ts";

/** Options of one call: the tenant for which it is made, and how long it may take. */
export interface CallOptions {
  /** The lane, which says whether a user waits for the call. */
  lane: Lane;
  /** The namespace for which the call is made. Tenants that share an account, or the connections, take turns. */
  tenant?: string;
  signal: AbortSignal;
  /**
   * The signal that takes the place of `signal` once an update has been sent. It is for callers that want to wait longer for the outcome of
   * an update: the update may take effect even when its caller has given up.
   */
  updateSignal?: AbortSignal;
}

/** What all calls of one account share. */
export interface CallDeps {
  transport: Transport;
  budget: Budget;
  /** Bounds the requests of all accounts together, and shares the places among them. */
  places: Places;
  /** Identifies the account among all accounts that share the places. */
  fingerprint: string;
  place: TwilioPlace;
  leadership: Leadership;
  clock: Clock;
  log: Log;
  requests: Counter<"operation" | "status"> | undefined;
  random: () => number;
}

/** The request that the SDK passes to its HTTP client, as far as the calls of this operator need it. */
export interface SdkRequest {
  method: string;
  uri: string;
  headers?: Record<string, string>;
  params?: Record<string, unknown>;
  data?: Record<string, unknown>;
}

/** The response that the SDK gets back. */
export interface SdkResponse {
  statusCode: number;
  body: unknown;
  headers: Record<string, string>;
}

/**
 * How often a call that gets 429 is tried at most. Twilio did not process such a call, so it may be repeated more often than a call whose
 * fate is unknown.
 */
const MOST_THROTTLED = 5;
/**
 * How often a call without an answer is tried at most. An update whose answer was lost may have taken effect. It sets the same values
 * again, so one repetition is harmless; more would only delay the error.
 */
const MOST_FAILED = { GET: 3, POST: 2 } as const;
const FIRST_BACKOFF_MS = 100;

/**
 * The HTTP client that the SDK is given. It is made anew for each call, so that it knows what the call is, who waits for it and which
 * login it uses. It returns only answers of 2xx with JSON in them. For everything else it throws one Failure itself, so the SDK never
 * makes errors of its own, which would hold the Authorization header.
 */
export class RequestClient {
  readonly #deps: CallDeps;
  readonly #operation: Operation;
  readonly #login: Login;
  readonly #options: CallOptions;

  constructor(deps: CallDeps, operation: Operation, login: Login, options: CallOptions) {
    this.#deps = deps;
    this.#operation = operation;
    this.#login = login;
    this.#options = options;
  }

  /** Makes one call of the SDK, with all its repetitions. Throws a single Failure when the last try fails. */
  async request(asked: SdkRequest): Promise<SdkResponse> {
    const outgoing = this.#outgoing(asked);
    const tries = { throttled: 0, failed: 0, pausedMs: 0 };
    for (;;) {
      const { incoming, fault } = await this.#attempt(outgoing);
      if (fault === undefined) return { statusCode: incoming.status!, body: jsonOf(incoming), headers: {} };
      const failure = failureFrom(fault, operations[this.#operation], this.#retryAfter(fault));
      await this.#beforeNext(fault, failure, tries);
    }
  }

  /** Waits until the call may be tried again. Throws the failure when the call may not be tried again. */
  async #beforeNext(
    fault: TwilioFault,
    failure: Failure,
    tries: { throttled: number; failed: number; pausedMs: number },
  ) {
    const { clock, budget, random, log } = this.#deps;
    const { method } = operations[this.#operation];
    const kind = kindOf(fault);
    if (kind === "throttled") {
      // The call is not delayed here: its next try waits in the queue of the budget until the pause of the account is over.
      tries.throttled += 1;
      tries.pausedMs += budget.pauseMs;
      if (tries.throttled >= MOST_THROTTLED || tries.pausedMs > LONGEST_PAUSE_MS) throw failure;
    } else if (kind === "unavailable") {
      // An update sets the same values whatever was there before, so an update whose answer was lost can be repeated once.
      tries.failed += 1;
      if (tries.failed >= MOST_FAILED[method]) throw failure;
      const backoffMs = random() * FIRST_BACKOFF_MS * 2 ** tries.failed;
      await this.#orGiveUp(clock.sleep(backoffMs, this.#options.signal), () => failure);
    } else throw failure;
    log.debug({ operation: this.#operation, status: statusOf(fault) }, "twilio call tried again");
  }

  /** Makes one request as soon as the budget and the places allow it. */
  async #attempt(outgoing: Outgoing): Promise<{ incoming: TwilioAnswer; fault: TwilioFault | undefined }> {
    const { budget, places, fingerprint } = this.#deps;
    const { lane, tenant = "", signal } = this.#options;
    const permit = await this.#orGiveUp(budget.acquire({ lane, tenant }, signal), () => this.#notInTime());
    let incoming: TwilioAnswer | undefined;
    try {
      const flow = { tenant, upstream: fingerprint };
      const sent = places.with(flow, () => this.#send(outgoing), signal);
      const answer = await this.#orGiveUp(sent, () => this.#notInTime());
      incoming = answer.incoming;
      return answer;
    } finally {
      this.#giveBack(permit, incoming);
    }
  }

  async #send(outgoing: Outgoing): Promise<{ incoming: TwilioAnswer; fault: TwilioFault | undefined }> {
    const { transport, leadership, clock, log, requests } = this.#deps;
    const { signal, updateSignal = signal } = this.#options;
    // The Lease is checked just before the request is sent, since the request may have waited for its account's budget and for a place
    // among all requests. A repetition checks the Lease again.
    leadership.assertTime(transport.timeoutMs);
    const startedMs = clock.monotonic();
    let incoming: TwilioAnswer | undefined;
    let fault: TwilioFault | undefined;
    try {
      incoming = await transport.send(outgoing, outgoing.method === "POST" ? updateSignal : signal);
      fault = this.#faultIn(incoming);
      return { incoming, fault };
    } finally {
      const status = incoming === undefined ? "aborted" : labelOf(incoming, fault);
      requests?.inc({ operation: this.#operation, status });
      log.debug(
        { operation: this.#operation, status, ms: Math.round(clock.monotonic() - startedMs) },
        "twilio call",
      );
    }
  }

  /** Gives the permit back to the budget with the outcome of the request. */
  #giveBack(permit: Permit, incoming: TwilioAnswer | undefined) {
    const { budget } = this.#deps;
    if (incoming === undefined) budget.finish(permit, "abandoned");
    else if (incoming.status === 429) budget.finish(permit, { throttled: incoming.retryAfterMs });
    else budget.finish(permit, incoming.status === undefined ? "failed" : "answered");
  }

  /** Finds out what is wrong with an answer. Undefined for an answer that the SDK may see. */
  #faultIn(incoming: TwilioAnswer): TwilioFault | undefined {
    if (incoming.status === undefined) return new TwilioFault(this.#operation, { code: incoming.code });
    const { status, json } = incoming;
    if (status < 200 || status > 299) return faultFrom(this.#operation, status, json);
    const detail = unusable(json, operations[this.#operation]);
    if (detail === undefined) return undefined;
    return new TwilioFault(this.#operation, { status, code: "BAD_ANSWER", detail });
  }

  /** Builds the request that the SDK wants, with the host that our settings give. */
  #outgoing({ method, uri, headers = {}, params = {}, data }: SdkRequest): Outgoing {
    const known = operations[this.#operation];
    if (method.toUpperCase() !== known.method)
      throw new Error(`the SDK sent ${this.#operation} as ${method}, but it is a ${known.method}`);
    const url = targetUrl(uri, known.product, this.#deps.place);
    for (const [name, value] of pairsOf(params)) url.searchParams.append(name, value);
    const body = data === undefined ? {} : { body: new URLSearchParams(pairsOf(data)).toString() };
    return { method: known.method, url, login: this.#login, headers, ...body };
  }

  /** Turns a time-out into a Failure that says why. A caller that was stopped for another reason gets that reason back. */
  async #orGiveUp<T>(work: Promise<T>, failure: () => Failure): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw (error as Error | undefined)?.name === "TimeoutError" ? failure() : error;
    }
  }

  /** Makes the failure of a call that ran out of time. When the cause is a pause that Twilio asked for, the failure says so. */
  #notInTime(): Failure {
    const throttledMs = this.#deps.budget.pauseMs;
    return throttledMs > 0
      ? this.#failure({ status: 429 }, throttledMs)
      : this.#failure({ code: "ETIMEDOUT" });
  }

  #failure(facts: FaultFacts, retryAfterMs?: number): Failure {
    return failureFrom(new TwilioFault(this.#operation, facts), operations[this.#operation], retryAfterMs);
  }

  #retryAfter(fault: TwilioFault): number | undefined {
    return kindOf(fault) === "throttled" ? this.#deps.budget.pauseMs : undefined;
  }
}

/**
 * Says why an answer with a status of success cannot be Twilio's, such as an incomplete answer, a sign-in page or the JSON of a proxy.
 * Undefined when it can be Twilio's. Every answer that we use is a JSON object.
 */
function unusable(json: unknown, { list }: Pick<OperationInfo, "product" | "list">): string | undefined {
  if (json === undefined) return "it is not JSON, perhaps a sign-in page or an incomplete answer";
  if (typeof json !== "object" || json === null || Array.isArray(json)) return "it is not a JSON object";
  if (list !== undefined && !Array.isArray((json as Record<string, unknown>)[list]))
    return `${list} is not a list`;
  return undefined;
}

/** The label of an answer in the metrics. The 403 or web page of another server must not count as Twilio's. */
function labelOf(incoming: TwilioAnswer, fault: TwilioFault | undefined): string {
  return fault?.code ?? statusOf(incoming);
}

/** A label with few values: the HTTP status, or the reason why there was no answer. */
function statusOf({ status, code }: { status?: number | undefined; code?: string | undefined }): string {
  return String(status ?? code ?? "NO_ANSWER");
}

const jsonOf = (incoming: TwilioAnswer) => (incoming.status === undefined ? undefined : incoming.json);

function pairsOf(fields: Record<string, unknown>): [string, string][] {
  return Object.entries(fields).flatMap(([name, value]) =>
    Array.isArray(value)
      ? value.map((item): [string, string] => [name, String(item)])
      : [[name, String(value)]],
  );
}
