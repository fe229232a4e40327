import { setTimeout as sleep } from "node:timers/promises";
import type { InboundDelivery } from "../../src/simulator/messages/inbound.ts";
import type { ClusterTwilio } from "./twilio.ts";

export interface Streamed {
  sent: number;
  /** SIDs of the texts that a receiver acknowledged. */
  acknowledged: string[];
  /** Texts that were never acknowledged, however often Twilio tried. */
  refused: InboundDelivery[];
  /** Failed attempts that Twilio repeated, by the error of the attempt. */
  retried: Record<string, Retried>;
  /** How many texts may not have reached the simulator, by the error between the test and the simulator. */
  unknown: Record<string, number>;
}

export interface Retried {
  times: number;
  /** When the first attempt with this error began, in seconds since the first text. */
  from: number;
  /** When the last attempt with this error began, in seconds since the first text. */
  until: number;
}

/**
 * Sends texts to one number at a steady rate. It does not wait for the answers to earlier texts, because customers do not wait for
 * each other. Each text comes from the number of another customer.
 */
export class TextStream {
  readonly #twilio: ClusterTwilio;
  readonly #to: string;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  readonly #began = Date.now();
  readonly #pending = new Set<Promise<void>>();
  readonly #result: Streamed = { sent: 0, acknowledged: [], refused: [], retried: {}, unknown: {} };

  constructor(twilio: ClusterTwilio, to: string, perSecond: number) {
    this.#twilio = twilio;
    this.#to = to;
    this.#running = this.#run(perSecond);
  }

  /** How many texts were acknowledged so far. */
  get acknowledged(): number {
    return this.#result.acknowledged.length;
  }

  async stop(): Promise<Streamed> {
    this.#stop.abort();
    await this.#running;
    await Promise.all(this.#pending);
    return this.#result;
  }

  async #run(perSecond: number): Promise<void> {
    const started = performance.now();
    while (!this.#stop.signal.aborted) {
      const due = Math.floor(((performance.now() - started) / 1000) * perSecond);
      while (this.#result.sent < due) this.#send();
      // This pause sets the rate of the texts. It does not wait for something to happen.
      await sleep(20, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }

  #send(): void {
    const number = this.#result.sent++;
    const from = `+1206${String(5_550_000 + number).padStart(7, "0")}`;
    const sending = this.#twilio.receive({ from, to: this.#to, body: `text ${number}` }).then(
      (delivery) => this.#note(delivery),
      (error: Error) => count(this.#result.unknown, error.message),
    );
    this.#pending.add(sending);
    void sending.finally(() => this.#pending.delete(sending));
  }

  #note(delivery: InboundDelivery): void {
    for (const { status, error, at } of delivery.attempts.slice(0, -1))
      this.#countRetry(error ?? `status ${status}`, Math.round((at - this.#began) / 1000));
    if (delivery.outcome === "delivered") this.#result.acknowledged.push(delivery.messageSid!);
    else this.#result.refused.push(delivery);
  }

  #countRetry(why: string, at: number): void {
    const { retried } = this.#result;
    const { times, from, until } = retried[why] ?? { times: 0, from: at, until: at };
    retried[why] = { times: times + 1, from: Math.min(from, at), until: Math.max(until, at) };
  }
}

function count(by: Record<string, number>, what: string): void {
  by[what] = (by[what] ?? 0) + 1;
}
