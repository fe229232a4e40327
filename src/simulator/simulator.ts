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
  /** Default 0: a free one. */
  port?: number;
  /** Default 127.0.0.1. */
  host?: string;
  /** Lets webhooks point at this machine and private addresses, which Twilio refuses. */
  allowLocalUrls?: boolean;
  /** Each API call takes at least this long. */
  latencyMs?: number;
  seed?: "default" | SimulatorSeed;
  clock?: Clock;
  log?: Log;
  /** Checks each call and answer against Twilio's OpenAPI files; what does not fit stands in `contractViolations`. For tests. */
  validateAgainstOpenApi?: boolean;
}

/** A Twilio of our own, for demo and tests. */
export interface Simulator {
  /** The `TWILIO_BASE_URL` to use. */
  readonly url: string;
  /** Direct access for tests: read anything, change anything. */
  readonly state: SimulatorState;
  /** Empty unless `validateAgainstOpenApi` found something. */
  readonly contractViolations: readonly string[];
  /**
   * `inbound`: a text comes in; resolves when its webhook was delivered or given up. `reset`: back to the seed; faults, logs
   * and whatever was on its way are gone.
   */
  readonly control: Controls;
  /** Cuts off what is in flight; may be called twice. */
  close(): Promise<void>;
}

/** Starts a simulated Twilio; it listens when this resolves. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { clock = systemClock, log = silentLog, allowLocalUrls = false, latencyMs = 0 } = options;
  const seed = options.seed === undefined || options.seed === "default" ? defaultSeed : options.seed;
  const state = new SimulatorState(clock);
  plant(seed, state);

  const faults = new Faults(clock);
  const webhooks = new WebhookCaller({ clock, allowLocalUrls });
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

async function listen(server: Server, port: number, host: string): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host }, resolve);
  });
  const { port: actual } = server.address() as AddressInfo;
  const name = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${actual}`;
}
