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

/** Options of a call that is never aborted. */
export const change: CallOptions = { lane: "change", signal: new AbortController().signal };
export const resync: CallOptions = { ...change, lane: "resync" };

/** Starts a simulator that checks every call against Twilio's OpenAPI files. */
export async function simulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const started = await startSimulator({ validateAgainstOpenApi: true, ...options });
  onTestFinished(async () => {
    await started.close();
    expect(started.contractViolations).toEqual([]);
  });
  return started;
}

/** The client under test, with what it logs and counts. */
export interface Client {
  twilio: Twilio;
  registry: Registry;
  /** Every line that was logged, at any level. */
  lines: string[];
}

/** Makes the client under test for a base URL. A constant jitter keeps backoffs short, and `options` sets the time-outs. */
export function client(baseUrl: string, options: Partial<TwilioOptions> = {}): Client {
  const registry = new Registry();
  const { log, lines } = recordingLog();
  const twilio = new Twilio({ baseUrl, clock: systemClock, log, registry, random: () => 0.1, ...options });
  onTestFinished(() => twilio.stop());
  return { twilio, registry, lines };
}

/** Makes a log that keeps its lines in memory and writes them with the serializers of the production log. */
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

/** Writes the answer to one request. */
export type Answer = (response: ServerResponse, request: IncomingMessage, body: string) => void;

/** Starts a server that answers as the test says, for answers that Twilio would never give. It keeps the requests that it got. */
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

/** Makes an answer with the given JSON body. */
export const json =
  (body: unknown, status = 200, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));

/** Expects that `work` fails with the given reason, and returns the Failure. */
export async function failure(work: Promise<unknown>, reason: Reason): Promise<Failure> {
  const error = await work.then(
    (value) => expect.fail(`it succeeded: ${inspect(value)}`),
    (error: unknown) => error,
  );
  if (!(error instanceof Failure)) throw error;
  expect(error.reason).toBe(reason);
  return error;
}

/** Counts requests by operation and status. */
export async function requestCounts(registry: Registry): Promise<Record<string, number>> {
  const metric = await registry.getSingleMetric("smschannel_twilio_requests_total")!.get();
  return Object.fromEntries(
    metric.values.map(({ labels, value }) => [`${labels.operation} ${labels.status}`, value] as const),
  );
}

/** Prints a value as text with every hidden property, which would show any secret in it. */
export function allOf(value: unknown): string {
  return inspect(value, {
    depth: Number.POSITIVE_INFINITY,
    showHidden: true,
    maxStringLength: null,
    maxArrayLength: null,
  });
}

/** The account of the demo credentials, some of which the values in `more` replace. */
export function accountOf({ twilio }: Client, more: Partial<Credentials> = {}): TwilioAccount {
  return twilio.account({ ...credentials, ...more });
}
