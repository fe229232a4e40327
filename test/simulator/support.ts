import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import twilio from "twilio";
import { expect } from "vitest";
import { type Simulator, type SimulatorOptions, startSimulator } from "../../src/simulator/simulator.ts";
import { demoAccount } from "../../src/simulator/state/default-seed.ts";
import { ManualClock } from "../support/manual-clock.ts";

export { demoAccount };
export const accountPath = `/2010-04-01/Accounts/${demoAccount.sid}`;

export const customer = "+12065551234";
/** A text from the customer to the account's number. */
export const hello = { from: customer, to: demoAccount.number, body: "Hello" };
/** A URL on a port where nothing listens: connections are refused. */
export const closedUrl = "http://127.0.0.1:1";
export const messagesPath = `${accountPath}/Messages.json`;
/** The SID of the n-th Messaging Service of the seed. */
export const mg = (n: number) => `MG0000000000000000000000000000000${n}`;

/** A clock that starts at noon, so that a test's minutes stay within one UTC day. */
export const noon = () => new ManualClock(Date.UTC(2026, 10, 23, 12));

export const statusOf = async (simulator: Simulator, sid: string) =>
  (await sdk(simulator).messages(sid).fetch()).status;

/** Changes the webhooks of the account's number. */
export const setWebhooks = (simulator: Simulator, webhooks: object) =>
  Object.assign(simulator.state.numbers.get(demoAccount.numberSid)!, webhooks);

/** Runs `use` with a simulator. The test fails when a call or an answer does not fit Twilio's OpenAPI files. */
export async function withSimulator(
  options: SimulatorOptions,
  use: (simulator: Simulator) => Promise<void>,
): Promise<void> {
  const simulator = await startSimulator({ allowLocalUrls: true, validateAgainstOpenApi: true, ...options });
  try {
    await use(simulator);
    expect(simulator.contractViolations).toEqual([]);
  } finally {
    await simulator.close();
  }
}

/**
 * Twilio's own SDK as a client of the simulator. Its URLs are mapped to the simulator's base URL in the same way as the operator's client
 * maps them.
 */
export function sdk(
  simulator: Simulator,
  user: string = demoAccount.sid,
  password: string = demoAccount.authToken,
  options: { accountSid?: string; region?: string; edge?: string } = {},
): ReturnType<typeof twilio> {
  return twilio(user, password, { ...options, httpClient: new MappingClient(simulator.url) });
}

class MappingClient extends twilio.RequestClient {
  readonly #base: string;
  constructor(base: string) {
    super();
    this.#base = base;
  }
  override request<T>(options: Parameters<twilio.RequestClient["request"]>[0]) {
    return super.request<T>({ ...options, uri: rewritten(options.uri, this.#base) } as never);
  }
}

/**
 * Maps a URL of Twilio to the simulator: `https://{product}[.{edge}.{region}].twilio.com/…` becomes
 * `{base}[/regions/{region}][/{product}]/…`.
 */
export function rewritten(uri: string, base: string): string {
  const url = new URL(uri);
  const [product, , region] = url.hostname.replace(/\.twilio\.com$/, "").split(".");
  const at = [region === undefined ? "" : `/regions/${region}`, product === "api" ? "" : `/${product}`].join(
    "",
  );
  return `${base}${at}${url.pathname}${url.search}`;
}

interface RawAnswer {
  status: number;
  headers: Headers;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read bodies of many shapes.
  json: any;
}

export interface RawCall {
  method?: string;
  form?: Record<string, string> | [string, string][];
  user?: string;
  password?: string;
  /** The Authorization header to send in place of Basic credentials. "" sends no such header. */
  authorization?: string;
  signal?: AbortSignal;
}

/** Makes a plain HTTP call, for a request that the SDK would not send or an answer that it would not show. */
export async function raw(simulator: Simulator, path: string, call: RawCall = {}): Promise<RawAnswer> {
  const { user = demoAccount.sid, password = demoAccount.authToken, form } = call;
  const authorization =
    call.authorization ?? `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  const response = await fetch(simulator.url + path, {
    method: call.method ?? (form === undefined ? "GET" : "POST"),
    headers: authorization === "" ? {} : { authorization },
    redirect: "manual",
    ...(form === undefined ? {} : { body: new URLSearchParams(form) }),
    ...(call.signal === undefined ? {} : { signal: call.signal }),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json") === true;
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson && text !== "" ? tryJson(text) : undefined,
  };
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A request that arrived at the webhook. */
interface Received {
  method: string;
  /** The path and the query of the request. */
  path: string;
  headers: IncomingHttpHeaders;
  /** The parameters in the order in which they arrived: from the query of a GET, or from the body of a POST. */
  params: [string, string][];
  get(name: string): string | undefined;
}

export type Respond = (response: ServerResponse, request: Received) => void;

/** Starts a webhook that keeps its requests. It answers with `respond`, by default with an empty TwiML Response. */
export async function startWebhook(respond: Respond = twiml()) {
  const received: Received[] = [];
  const waiting: (() => void)[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url!, "http://webhook");
    const text = request.method === "GET" ? url.search.slice(1) : Buffer.concat(chunks).toString("utf8");
    const params = [...new URLSearchParams(text)];
    const got: Received = {
      method: request.method!,
      path: request.url!,
      headers: request.headers,
      params,
      get: (name) => params.find(([key]) => key === name)?.[1],
    };
    received.push(got);
    for (const wake of waiting.splice(0)) wake();
    respond(response, got);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    /** Resolves when this many requests have arrived since the start. */
    async count(n: number): Promise<Received[]> {
      while (received.length < n) await new Promise<void>((resolve) => waiting.push(resolve));
      return received;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Answers with the TwiML `<Response>`, which contains `inside`. */
export function twiml(inside = ""): Respond {
  return (response) =>
    response.writeHead(200, { "content-type": "text/xml" }).end(`<Response>${inside}</Response>`);
}

export function status(code: number): Respond {
  return (response) => response.writeHead(code, { "content-type": "text/xml" }).end("<Response/>");
}

/** A manual clock that reports sleeps, so that a test knows when a call has reached the point where it waits. */
export class SleeperClock extends ManualClock {
  #asleep = 0;
  readonly #watchers: { count: number; wake: () => void }[] = [];

  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.#asleep++;
    for (const { count, wake } of this.#watchers) if (this.#asleep >= count) wake();
    return super.sleep(ms, signal);
  }
  /** Resolves when this many sleeps have begun since the start. */
  sleepers(count: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.#asleep >= count) resolve();
      else this.#watchers.push({ count, wake: resolve });
    });
  }
}
