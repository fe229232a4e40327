import { classOf, type Reason, type ReasonClass } from "./api/reasons.ts";

/**
 * A failure that a user can understand. `reason` is public: it is the condition's reason, the metric's label and the word in
 * the runbook. `message` tells what to do, is the same each time the same thing fails (no ids, times or bodies: the status
 * written from it would wake its own watcher), and never holds a credential, a message's text or a customer's number.
 * Anything thrown that is not a Failure is a bug of ours.
 */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly reason: Reason;
  /** Milliseconds that the other side asked us to wait, where it did (Retry-After). */
  readonly retryAfterMs: number | undefined;

  constructor(reason: Reason, message: string, options: { cause?: unknown; retryAfterMs?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.retryAfterMs = options.retryAfterMs;
  }

  get class(): ReasonClass {
    return classOf(this.reason);
  }
}
