/**
 * One probe: a request as Twilio sends it, to the public URL, and from the answer the finding what happens on the
 * way. Where the receiver does not answer a request like Twilio's, a plain one tells whether it is there at all:
 * the difference is what somebody in between does to texts.
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

/** How to reach the public URL from inside. */
export interface ProberOptions {
  /**
   * URL_CHECK_ADDRESS: `host:port` to connect to instead of the URL's host, for clusters that cannot reach their
   * own front door. Name and certificate stay the URL's.
   */
  address?: string;
  timeoutMs?: number;
}

/** What to send. */
export interface ProbeOptions {
  /** Send the longest possible text as well. */
  long: boolean;
}

/** Sends probes over connections that it keeps. */
export interface Prober {
  /** Posts to the URL what Twilio would post. Never throws: every failure is a result. */
  probe(target: ProbeTarget, options: ProbeOptions, signal: AbortSignal): Promise<ProbeResult>;
  close(): Promise<void>;
}

/**
 * A receiver repeats at most 16 KiB of a request, as base64. Anything longer is not the receiver, and must not fill
 * the memory.
 */
const LARGEST_ANSWER = 32 * 1024;
/**
 * How often a request like Twilio's is refused before it is certain that not the receivers are the reason: during
 * an upgrade some of them may be of a version that does not know these requests.
 */
const TRIES = 4;

/** A prober. Only `close` ends its connections. */
export function createProber({ address, timeoutMs = 5000 }: ProberOptions = {}): Prober {
  const options = { connections: 32, headersTimeout: timeoutMs, bodyTimeout: timeoutMs };
  const connect = { timeout: timeoutMs };
  // A cluster whose way out is a proxy comes back in by it too. A given address is what to connect to, without a
  // proxy.
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

/** One probe, with what all probes share. */
interface ProbeAsk {
  door: { dispatcher: Dispatcher; port: string | undefined; timeoutMs: number };
  target: ProbeTarget;
  /** Hosts whose receivers were of a version without reports when last asked. Shared by all probes. */
  older: Set<string>;
  /**
   * Kinds of request with the host (`odd sms.example.com`) that are refused on the way for certain. Shared as well.
   */
  refusing: Set<string>;
  signal: AbortSignal;
}

/** What a request met: the receiver, with proof; something else; or nothing at all. */
type Met =
  | { by: "receiver"; answered: Extract<Answered, { ok: true }> }
  | { by: "other"; answer: ForeignAnswer }
  | { by: "nobody"; code: string | undefined };

/**
 * Sends a request like Twilio's. Where the receiver does not answer it, plain ones tell why: a receiver of an older
 * version takes it for a text, which is no fault, or something on the way refuses it. A refusal that is certain
 * once stays so as long as every request like Twilio's is refused; then one of each kind is enough to see that it
 * still is.
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
    // One more plain request in each round. During an upgrade two versions take turns behind a load balancer, and
    // each kind of request could otherwise meet the wrong one every time.
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

/** Sends it once: a result, or the refusal that needs a second look. */
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

/** Sends up to `times` plain requests: the answer of the first receiver of an older version, else the last answer. */
async function sendPlain(times: number, ask: ProbeAsk): Promise<Met> {
  const met = await send(plain(ask.target, systemClock.now()), ask);
  const isNew = met.by === "receiver" && met.answered.report !== undefined;
  return isNew && times > 1 ? await sendPlain(times - 1, ask) : met;
}

/** A 4xx judges the request; a 5xx or nothing at all would have met any request. */
const isRefusal = ({ status }: ForeignAnswer) => status >= 400 && status < 500;

/** The result when something else than the receiver answered, or nothing. */
function failed(url: string, met: Exclude<Met, { by: "receiver" }>): ProbeResult {
  if (met.by === "other") return { kind: "failed", ...refusal(url, met.answer) };
  const message = `the inbound URL does not answer: ${noAnswer(met.code)}`;
  return { kind: "failed", reason: "PublicUrlUnreachable", message };
}

/** One request, and who answered it. Only the answer to the challenge proves that it was the receiver. */
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
      // The URL's name also when another port or address is connected to, as Twilio would send it.
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

/** The body; undefined when it is too long to be the receiver's. */
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

/** Connects elsewhere by a DNS lookup of our own, so that TLS still checks the URL's name. */
function redirectTo(address: string) {
  const host = address.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  return {
    lookup: ((_name: string, options: never, done: never) => lookup(host, options, done)) as typeof lookup,
  };
}

function portOf(address: string | undefined): string | undefined {
  return address === undefined ? undefined : /:(\d+)$/.exec(address)?.[1];
}
