import type { Clock } from "../../clock.ts";
import type { Region } from "../state/region.ts";
import type { Media, SimulatedSender } from "../state/resources.ts";
import { senderAddress } from "../state/sender.ts";
import { randomSid } from "../state/sids.ts";
import { isStopped } from "./opt-out.ts";
import type { Outbox } from "./outbox.ts";
import type { TwimlReply } from "./twiml.ts";

/** Twilio's error 14107: after 15 answers to one customer, each within 30 s of the previous answer, Twilio sends no more answers. */
const MOST_ANSWERS = 15;
const ANSWER_GAP_MS = 30_000;
/** Ten hours, Twilio's default validity period. TwiML cannot set another. */
const VALIDITY_MS = 36_000_000;

/** Sends the answers to an inbound text: Twilio's own answer to a keyword, and the texts that a webhook's TwiML asks for. */
export class Replies {
  readonly #clock: Clock;
  readonly #outbox: Outbox;
  /** For each pair of sender and customer: how many answers in a row the customer got, and when the last one was sent. */
  readonly #answered = new Map<string, { count: number; at: number }>();

  constructor({ clock, outbox }: { clock: Clock; outbox: Outbox }) {
    this.#clock = clock;
    this.#outbox = outbox;
  }

  clear(): void {
    this.#answered.clear();
  }

  /** Sends Twilio's own answer to a keyword, even to a customer who has just opted out. Returns the SID of the answer. */
  sendOwn(region: Region, sender: SimulatedSender, to: string, body: string): string {
    return this.#send(region, sender, to, { body, media: [] });
  }

  /**
   * Sends a text that a webhook's answer asks for. Sends nothing if the customer has opted out, or if two machines answer each other in a
   * loop.
   */
  sendReply(region: Region, sender: SimulatedSender, customer: string, reply: TwimlReply): string[] {
    const to = reply.to ?? customer;
    const pair = { sender, service: region.serviceOf(sender.sid), customer: to };
    if (this.#isLoop(`${sender.sid} ${to}`) || isStopped(region, pair)) return [];
    return [this.#send(region, sender, to, reply)];
  }

  #send(region: Region, sender: SimulatedSender, to: string, reply: TwimlReply): string {
    const message = this.#outbox.accept(region, {
      accountSid: sender.accountSid,
      from: reply.from ?? senderAddress(sender),
      messagingServiceSid: region.serviceOf(sender.sid)?.sid ?? null,
      to,
      body: reply.body,
      media: reply.media.map(() => emptyMedia(this.#clock.now())),
      direction: "outbound-reply",
      statusCallback: reply.statusCallback ?? "",
      validityMs: VALIDITY_MS,
    });
    return message.sid;
  }

  /** Counts one more answer to this pair of sender and customer. Returns whether the customer got too many answers in a row. */
  #isLoop(pair: string): boolean {
    const now = this.#clock.now();
    const last = this.#answered.get(pair);
    const count = last !== undefined && now - last.at < ANSWER_GAP_MS ? last.count + 1 : 1;
    this.#answered.set(pair, { count, at: now });
    return count > MOST_ANSWERS;
  }
}

/** A placeholder for outgoing media. The simulator counts them, but never fetches them from their URL. */
export const emptyMedia = (now: number): Media => ({
  sid: randomSid("ME"),
  contentType: "application/octet-stream",
  content: Buffer.alloc(0),
  dateCreated: now,
});
