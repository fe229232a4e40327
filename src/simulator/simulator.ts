import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Fault } from "./faults.ts";
import type { InboundDelivery, InboundText } from "./inbound.ts";
import type { RequestRecord } from "./request-log.ts";
import type { SimulatorSeed } from "./seed.ts";
import type { SimulatorState } from "./state.ts";

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
  readonly contractViolations: readonly string[];
  readonly control: {
    /** A text comes in; resolves when its webhook was delivered or given up. */
    inbound(text: InboundText): Promise<InboundDelivery>;
    faults(fault: Fault | Fault[]): void;
    clearFaults(): void;
    requests(): RequestRecord[];
    /** Back to the seed; faults and logs are gone. */
    reset(): void;
  };
  /** Waits for what is in flight to be cut off; may be called twice. */
  close(): Promise<void>;
}
