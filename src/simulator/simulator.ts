import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type Clock, systemClock } from "../clock.ts";
import { type Log, silentLog } from "../log.ts";
import { openApiContract } from "./api/openapi.ts";
import { ControlApi, type Controls } from "./control/control-api.ts";
import { Faults } from "./faults/faults.ts";
import { InboundTexts } from "./messages/inbound.ts";
import { Outbox } from "./messages/outbox.ts";
import { Replies } from "./messages/replies.ts";
import { createApiServer } from "./server.ts";
import { defaultSeed } from "./state/default-seed.ts";
import { plant, type SimulatorSeed } from "./state/seed.ts";
import { SimulatorState } from "./state/state.ts";
import { WebhookCaller } from "./webhooks/webhook-caller.ts";

export type { SimulatedFault } from "./faults/faults.ts";
export type { InboundDelivery } from "./messages/inbound.ts";
export type { SimulatorSeed } from "./state/seed.ts";
export type { SimulatorState } from "./state/state.ts";

export interface SimulatorOptions {
  /** The port to listen on. Default 0: any free port. */
  port?: number;
  /** The address to listen on. Default 127.0.0.1. */
  host?: string;
  /** Accepts webhook URLs on this machine and at private addresses. Twilio refuses such URLs. Default false. */
  allowLocalUrls?: boolean;
  /** Each API call takes at least this many milliseconds. Default 0. */
  latencyMs?: number;
  /** The resources at the start and after a reset. Default: the accounts and numbers of the demo. */
  seed?: "default" | SimulatorSeed;
  /** The clock. With a manual clock no time passes by itself: texts, time-outs and faults move on only when the test moves the clock. */
  clock?: Clock;
  log?: Log;
  /** For tests: compares each call with Twilio's OpenAPI files and adds each difference to `contractViolations`. */
  validateAgainstOpenApi?: boolean;
}

/** A running simulator of Twilio, for the demo and for tests. */
export interface Simulator {
  /** The simulator's URL, which is the value for `TWILIO_BASE_URL`. */
  readonly url: string;
  /** The simulator's whole state. Tests may read and change anything in it. */
  readonly state: SimulatorState;
  /** The differences that `validateAgainstOpenApi` found. Empty when that option is off. */
  readonly contractViolations: readonly string[];
  /** The functions that the control API offers over HTTP. */
  readonly control: Controls;
  /** Stops immediately and cuts off the API calls and webhooks in progress. May be called twice. */
  close(): Promise<void>;
}

/** Starts a simulator. Resolves when it accepts calls. Rejects when the seed is invalid or the port is in use. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { clock = systemClock, log = silentLog, allowLocalUrls = false, latencyMs = 0 } = options;
  const seed = options.seed === undefined || options.seed === "default" ? defaultSeed : options.seed;
  const state = new SimulatorState(clock);
  plant(seed, state);

  const faults = new Faults(clock);
  const webhooks = new WebhookCaller({ clock, allowLocalUrls });
  // A text to a number of the simulator leaves through the outbox and comes in again, so the outbox and `inboundTexts` need each other.
  const outbox: Outbox = new Outbox({
    state,
    clock,
    webhooks,
    onArrival: (text) => void inboundTexts.receive(text),
  });
  const replies = new Replies({ clock, outbox });
  const inboundTexts = new InboundTexts({ state, clock, webhooks, replies });
  const controls: Controls = {
    inbound: (text) => inboundTexts.receive(text),
    faults(given) {
      for (const fault of [given].flat()) faults.add(fault);
    },
    armedFaults: () => faults.list(),
    clearFaults: () => faults.clear(),
    requests: () => [...state.requests],
    clearRequests: () => void state.requests.splice(0),
    reset() {
      for (const part of [outbox, webhooks, replies, faults, state]) part.clear();
      plant(seed, state);
    },
  };
  const contract = options.validateAgainstOpenApi === true ? await openApiContract() : undefined;
  // The URL is known only when the server listens. The operations that need it run after that.
  let url = "";
  const context = {
    state,
    clock,
    allowLocalUrls,
    outbox,
    get url() {
      return url;
    },
  };
  const control = new ControlApi(state, controls);
  const server = createApiServer({ context, faults, control, latencyMs, log, contract });
  url = await listen(server, options.port ?? 0, options.host ?? "127.0.0.1");
  log.info({ url, allowLocalUrls, latencyMs }, "simulating twilio");
  return {
    url,
    state,
    control: controls,
    contractViolations: contract?.violations ?? [],
    async close() {
      outbox.clear();
      webhooks.clear();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

/** Starts to listen. Returns the URL under which a client on this machine reaches the server. */
async function listen(server: Server, port: number, host: string): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host }, resolve);
  });
  const { port: actual } = server.address() as AddressInfo;
  // A server can listen on all addresses, but a client needs one of them: loopback.
  const name = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${actual}`;
}
