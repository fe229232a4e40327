/** One request to somebody's webhook. */
export interface WebhookAttempt {
  url: string;
  /** When it began, milliseconds since the epoch. */
  at: number;
  durationMs: number;
  /** The answer's status; null: none came. */
  status: number | null;
  /** What went wrong, in words; null: nothing. */
  error: string | null;
  /** Twilio's error code for it; null: nothing went wrong. */
  errorCode: number | null;
}

/** Everything that was tried to deliver one webhook, the fallback included. */
export interface WebhookDelivery {
  kind: "inbound" | "status" | "conversation";
  messageSid: string;
  /** `MessageStatus` of a status callback. */
  messageStatus?: string;
  attempts: WebhookAttempt[];
  delivered: boolean;
}
