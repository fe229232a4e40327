import type { WebhookAttempt } from "./webhooks.ts";

/** A text that a customer's handset sends to a number of the simulated Twilio. */
export interface InboundText {
  /** A customer's number in E.164, a short code, or an alphanumeric name. */
  from: string;
  /** A number or short code of ours. */
  to: string;
  body: string;
  media?: { contentType: string; content: string | Buffer }[];
  /** More webhook parameters, or other values for those that Twilio sends (`FromCity`, …). */
  params?: Record<string, string>;
}

export interface InboundDelivery {
  /** Null where Twilio does not even log the text. */
  messageSid: string | null;
  /**
   * delivered: a webhook answered; failed: none did; notSent: there is no webhook to call; conversation: Conversations took
   * it; dropped: its Messaging Service throws inbound texts away; unreachable: nobody owns the number, or it takes no SMS.
   */
  outcome: "delivered" | "failed" | "notSent" | "conversation" | "dropped" | "unreachable";
  /** Whose webhook it was. */
  route: "number" | "application" | "service" | "conversation" | null;
  attempts: WebhookAttempt[];
  /** SIDs of the texts that the answer's TwiML, or Twilio's own opt-out handling, sent back. */
  replies: string[];
}
