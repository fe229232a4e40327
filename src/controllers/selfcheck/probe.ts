import { lookup } from "node:dns";
import { Agent, type Dispatcher, EnvHttpProxyAgent, request } from "undici";
import { systemClock } from "../../clock.ts";
import { createChallenge } from "../../routes/challenge.ts";
import type { ProbeResult } from "./verdict.ts";

/** What a probe needs to know of a route. */
export interface ProbeTarget {
  namespaceUid: string;
  stream: string;
  accountSid: string;
  checkKey: Uint8Array;
  /** The inbound URL as Twilio will call it. */
  url: string;
}

export interface ProberOptions {
  /** `host:port` to connect to instead of the URL's, for clusters that cannot reach their own front door. Name and certificate stay the URL's. */
  address?: string;
  timeoutMs?: number;
}

export interface Prober {
  /** One POST as Twilio would send it; never throws. */
  probe(target: ProbeTarget, signal: AbortSignal): Promise<ProbeResult>;
  close(): Promise<void>;
}

/** The receiver answers a challenge with one line; whatever is longer is not the receiver. */
const LARGEST_ANSWER = 4096;

export function createProber({ address, timeoutMs = 5000 }: ProberOptions = {}): Prober {
  const options = { connections: 32, headersTimeout: timeoutMs, bodyTimeout: timeoutMs };
  const connect = { timeout: timeoutMs };
  // A cluster whose way out is a proxy comes back in by it too; a given address is what to connect to, and nothing else.
  const dispatcher =
    address === undefined
      ? new EnvHttpProxyAgent({ ...options, connect })
      : new Agent({ ...options, connect: { ...connect, ...redirectTo(address) } });
  return {
    probe: (target, signal) =>
      probe(
        dispatcher,
        target,
        systemClock.now(),
        AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
        portOf(address),
      ),
    close: () => dispatcher.close(),
  };
}

async function probe(
  dispatcher: Dispatcher,
  target: ProbeTarget,
  nowMs: number,
  signal: AbortSignal,
  port: string | undefined,
): Promise<ProbeResult> {
  const challenge = createChallenge(target, nowMs);
  const url = new URL(target.url);
  const headers = {
    "content-type": "application/x-www-form-urlencoded",
    "user-agent": "smschannel-self-check",
    host: url.host,
  };
  if (port !== undefined) url.port = port;
  try {
    const answer = await request(url, { method: "POST", headers, body: challenge.body, dispatcher, signal });
    const body = await readBounded(answer.body);
    if (answer.statusCode === 200) {
      const { ok, generation } = challenge.expect(body ?? "");
      if (ok && generation !== undefined) return { kind: "answered", generation };
    }
    return failure(answer.statusCode, body);
  } catch (error) {
    return {
      kind: "failed",
      reason: "PublicUrlUnreachable",
      message: `the inbound URL does not answer: ${networkReason(error)}`,
    };
  }
}

function failure(status: number, body: string | undefined): ProbeResult {
  if (status >= 300 && status < 400)
    return {
      kind: "failed",
      reason: "PublicUrlRedirects",
      message: `the inbound URL redirects (${status}), which would turn Twilio's POST into an empty GET; set PUBLIC_URL to where it leads`,
    };
  // The receiver's own words to strangers and while it starts: an empty 403, and 503. It will know the route soon.
  if (status === 503 || (status === 403 && body === ""))
    return {
      kind: "failed",
      reason: "RoutesNotLoaded",
      message: `the receiver does not have this route yet (${status})`,
    };
  return {
    kind: "failed",
    reason: "PublicUrlNotOurs",
    message: `the inbound URL is answered by something else (${status}); let the ingress send /inbound/ and /fallback/ to the receiver`,
  };
}

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

/** A word for the kind of failure, the same each time: status must not change with addresses or times. */
function networkReason(error: unknown): string {
  const code = String(
    (error as { code?: unknown }).code ?? (error as { cause?: { code?: unknown } }).cause?.code ?? "",
  );
  const name = (error as Error).name;
  if (name === "TimeoutError" || /TIMEOUT/i.test(code)) return "timed out";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "its host name does not resolve";
  if (code === "ECONNREFUSED") return "connection refused";
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME|TLS|SSL/i.test(code))
    return `its certificate is not trusted (${code})`;
  return code === "" ? "connection failed" : `connection failed (${code})`;
}

/** The host part by a lookup of our own, so that TLS still checks the URL's name. */
function redirectTo(address: string) {
  const host = address.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  return {
    lookup: ((_name: string, options: never, done: never) => lookup(host, options, done)) as typeof lookup,
  };
}

function portOf(address: string | undefined): string | undefined {
  return address === undefined ? undefined : /:(\d+)$/.exec(address)?.[1];
}
