import type { Clock } from "../../clock.ts";
import type { Region } from "../state/region.ts";
import type { Media, Message, MessageStatus } from "../state/resources.ts";
import { randomSid } from "../state/sids.ts";
import type { SimulatorState } from "../state/state.ts";
import { statusParams } from "../webhooks/params.ts";
import type { WebhookCaller } from "../webhooks/webhook-caller.ts";
import { poolSender } from "./choose-sender.ts";
import { segmentsOf, segmentsPerSecond } from "./segments.ts";

/** A text to send. Whoever passes it to the outbox has already checked it. */
export interface OutgoingText {
  accountSid: string;
  /** The sender. Null: the Messaging Service chooses a sender. */
  from: string | null;
  messagingServiceSid: string | null;
  to: string;
  body: string;
  media: Media[];
  direction: "outbound-api" | "outbound-reply";
  /** The URL to call at changes of status. "" means the URL of the Messaging Service, if it has one. */
  statusCallback: string;
  /** How long the text may wait in the sender's queue before it fails with 30036. */
  validityMs: number;
  /** When to send the text, in milliseconds since the epoch. Undefined: immediately. */
  sendAt?: number;
  /** The customer opted out of a service with Advanced Opt-Out. Twilio accepts the text and fails it later. */
  isOptedOut?: boolean;
}

interface OutboxOptions {
  state: SimulatorState;
  clock: Clock;
  webhooks: WebhookCaller;
  /** Called with each text that was sent to a number of the simulated Twilio, so that it arrives there as an inbound text. */
  onArrival: (message: Message) => void;
}

/** The statuses for which Twilio calls the status callback. */
const calledBack: ReadonlySet<MessageStatus> = new Set([
  "queued",
  "sent",
  "failed",
  "delivered",
  "undelivered",
  "canceled",
]);

/**
 * Sends texts. Status: accepted or scheduled (Messaging Services only) → queued → sending → sent → delivered, undelivered or failed. Each
 * sender has a queue, because it may send only a limited number of segments per second. Every change of status goes through `#move`, which
 * never changes a text that has its final status or was deleted.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  /** The time until which each sender is busy with its queue, on the monotonic clock. The key is region and sender. */
  readonly #busyUntil = new Map<string, number>();
  /** Functions that cancel the timers that have not fired. */
  readonly #timers = new Set<() => void>();

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Drops queues and timers: afterwards no text changes its status, and no callback is sent. */
  clear(): void {
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    this.#busyUntil.clear();
  }

  /** How long one more text of this sender would wait in its queue. */
  queueMs(region: Region, sender: string): number {
    const now = this.#options.clock.monotonic();
    return Math.max(0, (this.#busyUntil.get(`${region.name} ${sender}`) ?? 0) - now);
  }

  /** Accepts a text. What happens to it shows in the message's status and in the status callbacks. */
  accept(region: Region, text: OutgoingText): Message {
    const now = this.#options.clock.now();
    const viaService = text.messagingServiceSid !== null;
    const message: Message = {
      sid: randomSid(text.media.length > 0 ? "MM" : "SM"),
      accountSid: text.accountSid,
      messagingServiceSid: text.messagingServiceSid,
      from: text.from ?? "",
      to: text.to,
      body: text.body,
      direction: text.direction,
      status: text.sendAt !== undefined ? "scheduled" : viaService ? "accepted" : "queued",
      // Twilio counts the segments of a text through a service only once it has a sender.
      numSegments: viaService ? 0 : segmentsOf(text.body),
      media: text.media,
      errorCode: null,
      errorMessage: null,
      statusCallback: text.statusCallback,
      dateCreated: now,
      dateSent: null,
      dateUpdated: now,
    };
    region.messages.add(message);
    if (!viaService) this.#enqueue(region, message, text);
    else this.#later((text.sendAt ?? now) - now, () => this.#assign(region, message, text));
    return message;
  }

  /** Cancels a scheduled text. Returns false when the text was not scheduled, or is not scheduled any more. */
  cancel(region: Region, message: Message): boolean {
    if (message.status !== "scheduled") return false;
    this.#move(region, message, "canceled");
    return true;
  }

  /** Gives the text a sender of the Messaging Service's pool and puts it into that sender's queue. */
  #assign(region: Region, message: Message, text: OutgoingText) {
    if (this.#isOver(region, message)) return;
    if (text.isOptedOut === true)
      return this.#fail(region, message, 21610, "Attempt to send to unsubscribed recipient");
    message.numSegments = segmentsOf(message.body);
    // A text may name both a sender and a service. A sender is chosen only when the text names no sender.
    message.from ||= poolSender(region, message.messagingServiceSid!, message.to) ?? "";
    if (this.queueMs(region, message.from) > this.#options.state.timing.longestQueueMs)
      return this.#fail(region, message, 30001, "Queue overflow");
    this.#move(region, message, "queued");
    this.#enqueue(region, message, text);
  }

  #enqueue(region: Region, message: Message, { validityMs }: OutgoingText): void {
    const waitMs = this.queueMs(region, message.from);
    // The simulator already knows that the text will expire, but Twilio shows it only when the time is over.
    if (waitMs > validityMs) {
      this.#later(validityMs, () => this.#fail(region, message, 30036, "Validity Period Expired"));
      return;
    }
    // How long this text occupies its sender. The next text in the queue waits for that time.
    const onAirMs = (message.numSegments * 1000) / segmentsPerSecond(message.from);
    this.#busyUntil.set(`${region.name} ${message.from}`, this.#options.clock.monotonic() + waitMs + onAirMs);
    this.#later(waitMs, () => this.#send(region, message));
  }

  #send(region: Region, message: Message) {
    if (this.#isOver(region, message)) return;
    const { state, clock, onArrival } = this.#options;
    const handset = state.handsets.get(message.to) ?? { outcome: "delivered" };
    // A text that fails here was never sent, so it has no date_sent.
    if (handset.outcome === "failed") return this.#fail(region, message, handset.errorCode, null);
    this.#move(region, message, "sending");
    this.#later(state.timing.sendingMs, () => {
      message.dateSent = clock.now();
      this.#move(region, message, "sent");
      // A text to a number of the simulated Twilio arrives there as an inbound text.
      if (state.regionOf(message.to).sender(message.to) !== undefined) onArrival(message);
      if (handset.outcome === "silent") return;
      this.#later(state.timing.receiptMs, () => {
        if (handset.outcome === "undelivered") message.errorCode = handset.errorCode;
        this.#move(region, message, handset.outcome);
      });
    });
  }

  #fail(region: Region, message: Message, errorCode: number, errorMessage: string | null): void {
    Object.assign(message, { errorCode, errorMessage });
    this.#move(region, message, "failed");
  }

  #move(region: Region, message: Message, status: MessageStatus): void {
    if (this.#isOver(region, message)) return;
    message.status = status;
    message.dateUpdated = this.#options.clock.now();
    if (calledBack.has(status)) void this.#callBack(region, message, status);
  }

  /**
   * Calls the status callback, best effort, as Twilio does: no status change waits for a callback, a callback has no fallback, and two
   * callbacks may overtake each other.
   */
  async #callBack(region: Region, message: Message, status: MessageStatus): Promise<void> {
    const { state, clock, webhooks } = this.#options;
    const service =
      message.messagingServiceSid === null ? undefined : region.services.get(message.messagingServiceSid);
    const url = message.statusCallback || service?.statusCallback;
    const account = region.accounts.get(message.accountSid);
    if (!url || account === undefined) return;
    const params = statusParams(message, status, clock.now());
    const tried = await webhooks.call({ url, method: "POST", params, authToken: () => account.authToken });
    // If the text was deleted or the simulator was reset while the callback was called, the delivery must not show up in the new state.
    if (region.messages.get(message.sid) !== message) return;
    state.recordDelivery({
      kind: "status",
      messageSid: message.sid,
      messageStatus: status,
      attempts: tried.attempts,
      delivered: tried.answer !== undefined,
    });
  }

  /** Whether the text was deleted or has its final status. */
  #isOver(region: Region, message: Message): boolean {
    const isFinal = ["canceled", "failed", "delivered", "undelivered"].includes(message.status);
    return isFinal || region.messages.get(message.sid) !== message;
  }

  /** Like `Clock.after`, but `clear` cancels the timer. */
  #later(ms: number, run: () => void): void {
    const cancel = this.#options.clock.after(Math.max(0, ms), () => {
      this.#timers.delete(cancel);
      run();
    });
    this.#timers.add(cancel);
  }
}
