import { setTimeout as sleep } from "node:timers/promises";
import type { InboundDelivery, Simulator } from "../../../src/simulator/simulator.ts";

/** The simulator's first account, its token, and the first number of it. */
export const ACCOUNT = "AC00000000000000000000000000000001";
export const TOKEN = "simulator-auth-token-0000000001";
export const NUMBER = "14252306549";
/** The simulator's second account, which owns none of the first one's numbers. */
export const OTHER_ACCOUNT = {
  accountSid: "AC00000000000000000000000000000002",
  authToken: "simulator-auth-token-0000000002",
};
/** Where the number's texts go at first: Twilio sets this for every number that is bought. */
export const DEMO_URL = "https://demo.twilio.com/welcome/sms/reply/";
/** The number's webhook as it is at first. */
export const DEMO_WEBHOOK = {
  smsUrl: DEMO_URL,
  smsMethod: "POST" as const,
  smsFallbackUrl: "",
  smsFallbackMethod: "POST" as const,
  smsApplicationSid: "",
};

/** What the simulated Twilio has, and the customers who text to its numbers. */
export class SimulatedTwilio {
  readonly #simulator: Simulator;
  #customers = 0;

  constructor(simulator: Simulator) {
    this.#simulator = simulator;
  }

  /** The live record of a number: what a test writes into it somebody has changed at Twilio. */
  number(digits: string) {
    const found = [...this.#simulator.state.numbers].find(({ phoneNumber }) => phoneNumber === `+${digits}`);
    if (found === undefined) throw new Error(`the simulator has no ${digits}`);
    return found;
  }

  /** All that says where a number's texts go. */
  webhook(digits: string) {
    const { smsUrl, smsMethod, smsFallbackUrl, smsFallbackMethod, smsApplicationSid } = this.number(digits);
    return { smsUrl, smsMethod, smsFallbackUrl, smsFallbackMethod, smsApplicationSid };
  }

  /** A text from a customer who has not texted before. */
  text(to: string): Promise<InboundDelivery> {
    const from = `+1415555${String(this.#customers++).padStart(4, "0")}`;
    return this.#simulator.control.inbound({ from, to: `+${to}`, body: "hello" });
  }

  /** Texts one after another until stopped; gives what became of each. */
  traffic(to: string): { stop(): Promise<InboundDelivery[]> } {
    const deliveries: InboundDelivery[] = [];
    let stopped = false;
    const running = (async () => {
      // Bounded, so that a test that fails before it stops the traffic leaves nothing running for ever.
      while (!stopped && deliveries.length < 2000) {
        deliveries.push(await this.text(to));
        await sleep(20);
      }
    })();
    return {
      stop: async () => {
        stopped = true;
        await running;
        return deliveries;
      },
    };
  }

  /** The calls that change something, whether they succeeded or not. */
  updates() {
    return this.#simulator.control.requests().filter(({ method }) => method === "POST");
  }
}
