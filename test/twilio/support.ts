import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Writable } from "node:stream";
import { inspect } from "node:util";
import { Registry } from "@prometheus-io/client";
import { pino } from "pino";
import { expect, onTestFinished } from "vitest";
import type { Reason } from "../../src/api/reasons.ts";
import { systemClock } from "../../src/clock.ts";
import { Failure } from "../../src/errors.ts";
import { createLog } from "../../src/log.ts";
import { type Simulator, type SimulatorOptions, startSimulator } from "../../src/simulator/simulator.ts";
import { demoAccount } from "../../src/simulator/state/default-seed.ts";
import type { Credentials } from "../../src/twilio/credentials.ts";
import { type CallOptions, Twilio, type TwilioAccount, type TwilioOptions } from "../../src/twilio/twilio.ts";

export { demoAccount };
export const credentials: Credentials = { accountSid: demoAccount.sid, authToken: demoAccount.authToken };

/** Options of a call that nobody gives up. */
export const change: CallOptions = { lane: "change", signal: new AbortController().signal };
export const resync: CallOptions = { ...change, lane: "resync" };

/** A simulator whose every call is held against Twilio's OpenAPI files. */
export async function simulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const started = await startSimulator({ validateAgainstOpenApi: true, ...options });
  onTestFinished(async () => {
    await started.close();
    expect(started.contractViolations).toEqual([]);
  });
  return started;
}

export interface Client {
  twilio: Twilio;
  registry: Registry;
  /** Every line logged, at any level. */
  lines: string[];
}

/** The client under test against some base URL; backoffs are short by constant jitter, time-outs as told. */
export function client(baseUrl: string, options: Partial<TwilioOptions> = {}): Client {
  const registry = new Registry();
  const { log, lines } = recordingLog();
  const twilio = new Twilio({ baseUrl, clock: systemClock, log, registry, random: () => 0.1, ...options });
  onTestFinished(() => twilio.stop());
  return { twilio, registry, lines };
}

/** The production log's own serializers, into memory. */
export function recordingLog() {
  const lines: string[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const template = createLog({ level: "trace", process: "test" });
  const serializers = (template as unknown as Record<symbol, Record<string, (value: unknown) => unknown>>)[
    pino.symbols.serializersSym
  ]!;
  return { log: pino({ level: "trace", serializers }, sink), lines };
}

export type Answer = (response: ServerResponse, request: IncomingMessage, body: string) => void;

/** A server that answers as told, for what a Twilio would never do; remembers what came. */
export async function server(answer: Answer) {
  const requests: { method: string; url: string; authorization: string | undefined; body: string }[] = [];
  const http = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    requests.push({
      method: request.method!,
      url: request.url!,
      authorization: request.headers.authorization,
      body,
    });
    answer(response, request, body);
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const close = () =>
    new Promise<void>((resolve) => {
      http.close(() => resolve());
      http.closeAllConnections();
    });
  onTestFinished(close);
  return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, requests, close };
}

export const json =
  (body: unknown, status = 200, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));

/** Fails unless `work` is refused with this reason; returns the Failure. */
export async function failure(work: Promise<unknown>, reason: Reason): Promise<Failure> {
  const error = await work.then(
    (value) => expect.fail(`it succeeded: ${inspect(value)}`),
    (error: unknown) => error,
  );
  if (!(error instanceof Failure)) throw error;
  expect(error.reason).toBe(reason);
  return error;
}

/** How often an operation got which status. */
export async function requestCounts(registry: Registry): Promise<Record<string, number>> {
  const metric = await registry.getSingleMetric("smschannel_twilio_requests_total")!.get();
  return Object.fromEntries(
    metric.values.map(({ labels, value }) => [`${labels.operation} ${labels.status}`, value] as const),
  );
}

/** All that could tell a secret: as text, with every hidden property. */
export function allOf(value: unknown): string {
  return inspect(value, {
    depth: Number.POSITIVE_INFINITY,
    showHidden: true,
    maxStringLength: null,
    maxArrayLength: null,
  });
}

export function accountOf({ twilio }: Client, more: Partial<Credentials> = {}): TwilioAccount {
  return twilio.account({ ...credentials, ...more });
}
