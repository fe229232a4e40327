/**
 * One probe: it sends a request as Twilio does to the public URL, and finds out from the answer what happens to
 * requests on the way. If the receiver does not answer a request like those of Twilio, a plain request shows whether
 * the receiver can be reached at all. If only the plain request is answered, a proxy or firewall in between treats
 * texts differently.
 */

import { lookup } from "node:dns";
import { Agent, type Dispatcher, EnvHttpProxyAgent, request } from "undici";
import { systemClock } from "../../clock.ts";
import { codeOf, noAnswer } from "../../no-answer.ts";
import type { Answered } from "../../routes/challenge.ts";
import { judgeAnswer, refusedOnTheWay } from "./arrival.ts";
import { type ForeignAnswer, refusal } from "./refusals.ts";
import { type CheckRequest, plain, twilioLike } from "./request.ts";
import type { ProbeTarget } from "./target.ts";
import type { ProbeResult } from "./verdict.ts";

/** How the operator reaches the public URL from inside the cluster. */
export interface ProberOptions {
  /**
   * URL_CHECK_ADDRESS: the `host:port` to connect to in place of the host of the URL, for clusters that cannot reach
   * their own ingress by its public name. The name in the request and in the certificate stays that of the URL.
   */
  address?: string;
  timeoutMs?: number;
}

/** What a probe sends. */
export interface ProbeOptions {
  /** Whether the probe also sends the longest possible text. */
  long: boolean;
}

/** Sends probes over connections that it keeps open. */
export interface Prober {
  /** Posts to the URL what Twilio would post. Never throws: every failure is a result. */
  probe(target: ProbeTarget, options: ProbeOptions, signal: AbortSignal): Promise<ProbeResult>;
  close(): Promise<void>;
}

/**
 * The largest answer that is read. A receiver reports at most 16 KiB of a request, as base64. A longer answer does
 * not come from the receiver, and must not fill the memory.
 */
const LARGEST_ANSWER = 32 * 1024;
/**
 * How often a request like those of Twilio must be refused before the receivers are ruled out as the cause. During an
 * upgrade some receivers may be of a version that does not know these requests.
 */
const TRIES = 4;

/** Makes a prober. Only `close` ends its connections. */
export function createProber({ address, timeoutMs = 5000 }: ProberOptions = {}): Prober {
  const options = { connections: 32, headersTimeout: timeoutMs, bodyTimeout: timeoutMs };
  const connect = { timeout: timeoutMs };
  // A cluster that reaches the internet only through a proxy also reaches its own public URL through that proxy. With
  // URL_CHECK_ADDRESS the prober connects to that address directly.
  const dispatcher =
    address === undefined
      ? new EnvHttpProxyAgent({ ...options, connect })
      : new Agent({ ...options, connect: { ...connect, ...redirectTo(address) } });
  const door = { dispatcher, port: portOf(address), timeoutMs };
  const hosts = { older: new Set<string>(), refusing: new Set<string>() };
  return {
    async probe(target, { long }, signal) {
      const ask = { door, target, ...hosts, signal };
      const result = await askAsTwilio("odd", ask);
      const isPass = result.kind === "answered" && result.problem === undefined;
      return isPass && long ? await askAsTwilio("long", ask) : result;
    },
    close: () => dispatcher.close(),
  };
}

/** The input of one probe, with the state that all probes share. */
interface ProbeAsk {
  door: { dispatcher: Dispatcher; port: string | undefined; timeoutMs: number };
  target: ProbeTarget;
  /** Hosts whose receivers were of a version without reports when they last answered. Shared by all probes. */
  older: Set<string>;
  /**
   * Kinds of request that are certainly refused on the way to a host, each with its host (`odd sms.example.com`).
   * Shared by all probes.
   */
  refusing: Set<string>;
  signal: AbortSignal;
}

/** What answered a request: the receiver, with proof; something else; or nothing at all. */
type Met =
  | { by: "receiver"; answered: Extract<Answered, { ok: true }> }
  | { by: "other"; answer: ForeignAnswer }
  | { by: "nobody"; code: string | undefined };

/**
 * Sends a request like those of Twilio. If the receiver does not answer it, plain requests show the reason. Either a
 * receiver of an older version takes the request for a text, which is no fault, or a proxy or firewall refuses it. A
 * refusal that was certain once stays certain as long as every request like those of Twilio is refused. While that
 * lasts, one request of each kind is enough to see that it is still refused.
 */
async function askAsTwilio(kind: "odd" | "long", ask: ProbeAsk): Promise<ProbeResult> {
  const { older, refusing, target } = ask;
  const { host } = new URL(target.url);
  const refused = `${kind} ${host}`;
  for (let tries = 1; ; tries++) {
    const asTwilio = older.has(host) ? undefined : await sendAsTwilio(kind, ask);
    if (asTwilio !== undefined && "result" in asTwilio) {
      refusing.delete(refused);
      return asTwilio.result;
    }
    // Each round sends one more plain request than the round before. During an upgrade two versions take turns behind
    // a load balancer, and each kind of request could otherwise meet the wrong version every time.
    const met = await sendPlain(asTwilio === undefined ? 1 : tries, ask);
    if (met.by !== "receiver") return failed(target.url, met);
    const { generation, report } = met.answered;
    if (report === undefined) {
      older.add(host);
      refusing.delete(refused);
      return { kind: "answered", generation };
    }
    older.delete(host);
    if (asTwilio === undefined || (tries < TRIES && !refusing.has(refused))) continue;
    refusing.add(refused);
    return { kind: "answered", generation, problem: refusedOnTheWay(kind, asTwilio.refused) };
  }
}

/**
 * Sends a request like those of Twilio once. Returns a result, or the refusal that must be examined with plain
 * requests.
 */
async function sendAsTwilio(
  kind: "odd" | "long",
  ask: ProbeAsk,
): Promise<{ result: ProbeResult } | { refused: ForeignAnswer }> {
  const { target } = ask;
  const request = twilioLike(target, kind, systemClock.now());
  const met = await send(request, ask);
  if (met.by === "receiver") return { result: judgeAnswer({ ...request, url: target.url }, met.answered) };
  if (met.by === "other" && isRefusal(met.answer)) return { refused: met.answer };
  return { result: failed(target.url, met) };
}

/**
 * Sends up to `times` plain requests, and stops at the first answer that is not from a receiver of the present version.
 * Returns the last answer.
 */
async function sendPlain(times: number, ask: ProbeAsk): Promise<Met> {
  const met = await send(plain(ask.target, systemClock.now()), ask);
  const isNew = met.by === "receiver" && met.answered.report !== undefined;
  return isNew && times > 1 ? await sendPlain(times - 1, ask) : met;
}

/**
 * Whether the server refused this very request, and would not refuse every request. A 4xx status is about the request
 * itself. A 5xx status is not: any other request would have got it as well.
 */
const isRefusal = ({ status }: ForeignAnswer) => status >= 400 && status < 500;

/** The result of a probe when something other than the receiver answered, or nothing answered at all. */
function failed(url: string, met: Exclude<Met, { by: "receiver" }>): ProbeResult {
  if (met.by === "other") return { kind: "failed", ...refusal(url, met.answer) };
  const message = `the inbound URL does not answer: ${noAnswer(met.code)}`;
  return { kind: "failed", reason: "PublicUrlUnreachable", message };
}

/**
 * Sends one request and finds out what answered it. Only the right answer to the challenge proves that it was the
 * receiver.
 */
async function send(
  { headers, body, expect }: CheckRequest,
  { door, target, signal }: ProbeAsk,
): Promise<Met> {
  const url = new URL(target.url);
  const { host } = url;
  if (door.port !== undefined) url.port = door.port;
  try {
    const answer = await request(url, {
      method: "POST",
      // The Host header has the name of the URL, as Twilio sends it, even when another port or address is connected
      // to.
      headers: { ...headers, host },
      body,
      dispatcher: door.dispatcher,
      signal: AbortSignal.any([signal, AbortSignal.timeout(door.timeoutMs)]),
    });
    const text = await readBounded(answer.body);
    const status = answer.statusCode;
    const answered = status === 200 ? expect(text ?? "") : { ok: false as const };
    if (answered.ok) return { by: "receiver", answered };
    const { location } = answer.headers;
    return {
      by: "other",
      answer: { status, body: text, location: Array.isArray(location) ? location[0] : location },
    };
  } catch (error) {
    return { by: "nobody", code: codeOf(error) };
  }
}

/** The body of the answer. Undefined when it is too long to come from the receiver. */
async function readBounded(body: Dispatcher.ResponseData["body"]): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > LARGEST_ANSWER) {
      body.destroy();
      return undefined;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** Connects to another address by replacing the DNS lookup, so that TLS still checks the name of the URL. */
function redirectTo(address: string) {
  const host = address.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  return {
    lookup: ((_name: string, options: never, done: never) => lookup(host, options, done)) as typeof lookup,
  };
}

function portOf(address: string | undefined): string | undefined {
  return address === undefined ? undefined : /:(\d+)$/.exec(address)?.[1];
}
