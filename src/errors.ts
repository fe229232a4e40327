import { classOf, type Reason, type ReasonClass } from "./api/reasons.ts";

/**
 * A failure that a user can understand. `reason` is public: conditions, metrics and runbooks use it. `message` says what to do.
 * It must
 * be the same each time the same thing fails, without ids, times or bodies: otherwise each attempt would write another status,
 * and its
 * own watch would start the next attempt. It never contains a credential, the content of a text or a customer's number.
 * Anything else that is thrown is a bug of ours.
 */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly reason: Reason;
  /** How long the other side asked us to wait (Retry-After), if it did. */
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
