import { classOf, type Reason, type ReasonClass } from "./api/reasons.ts";

/**
 * A failure that a user can understand. `reason` is public: conditions, metrics and runbooks use it. `message` says what to do.
 *
 * The message must be the same each time the same thing fails, without ids, times or bodies. Otherwise each attempt would write
 * a different status, and the watch event of that write would start the next attempt. The message never contains a credential,
 * the content of a text or a customer's number.
 *
 * Any other error that is thrown is a bug of this program.
 */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly reason: Reason;
  /** How long the server that we called asked us to wait (Retry-After); undefined when it did not ask. */
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
