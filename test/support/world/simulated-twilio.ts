import { setTimeout as sleep } from "node:timers/promises";
import type { InboundDelivery, Simulator } from "../../../src/simulator/simulator.ts";

/** The simulator's first account, the account's token, and its first number. */
export const ACCOUNT = "AC00000000000000000000000000000001";
export const TOKEN = "simulator-auth-token-0000000001";
export const NUMBER = "14252306549";
/** The simulator's second account. It owns no number of the first account. */
export const OTHER_ACCOUNT = {
  accountSid: "AC00000000000000000000000000000002",
  authToken: "simulator-auth-token-0000000002",
};
/** The SmsUrl that the number has at the start of a test. Twilio sets this URL for every number that is bought. */
export const DEMO_URL = "https://demo.twilio.com/welcome/sms/reply/";
/** The webhook that the number has at the start of a test. */
export const DEMO_WEBHOOK = {
  smsUrl: DEMO_URL,
  smsMethod: "POST" as const,
  smsFallbackUrl: "",
  smsFallbackMethod: "POST" as const,
  smsApplicationSid: "",
};

/** The numbers of the simulated Twilio, and the customers who send texts to them. */
export class SimulatedTwilio {
  readonly #simulator: Simulator;
  #customers = 0;

  constructor(simulator: Simulator) {
    this.#simulator = simulator;
  }

  /** The number's live record. A test that writes into it plays somebody who changes the number at Twilio. */
  number(digits: string) {
    const found = [...this.#simulator.state.numbers].find(({ phoneNumber }) => phoneNumber === `+${digits}`);
    if (found === undefined) throw new Error(`the simulator has no ${digits}`);
    return found;
  }

  /** All fields that decide where a number's texts go. */
  webhook(digits: string) {
    const { smsUrl, smsMethod, smsFallbackUrl, smsFallbackMethod, smsApplicationSid } = this.number(digits);
    return { smsUrl, smsMethod, smsFallbackUrl, smsFallbackMethod, smsApplicationSid };
  }

  /** Sends a text from a customer who has not texted before. */
  text(to: string): Promise<InboundDelivery> {
    const from = `+1415555${String(this.#customers++).padStart(4, "0")}`;
    return this.#simulator.control.inbound({ from, to: `+${to}`, body: "hello" });
  }

  /** Sends texts one after another until `stop` is called. `stop` resolves with the outcome of each text. */
  traffic(to: string): { stop(): Promise<InboundDelivery[]> } {
    const deliveries: InboundDelivery[] = [];
    let stopped = false;
    const running = (async () => {
      // The number of texts is bounded, so that a test that fails before it stops the traffic leaves nothing running forever.
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

  /** The calls to Twilio that change something, whether they succeeded or not. */
  updates() {
    return this.#simulator.control.requests().filter(({ method }) => method === "POST");
  }
}
