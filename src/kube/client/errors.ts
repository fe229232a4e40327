/**
 * A request to the Kubernetes API that did not succeed.
 *
 * `reason` is the reason that Kubernetes gives (NotFound, Conflict, AlreadyExists, Forbidden, Invalid, Expired,
 * TooManyRequests, …). Three reasons are added here, and have the status 0:
 * - `Network`: no answer came. A write may or may not have happened.
 * - `Timeout`: no answer came in time. A write may or may not have happened.
 * - `TooLarge`: the answer was larger than the caller wanted.
 *
 * Compare the reason rather than the status: 409 is both Conflict and AlreadyExists, and the two need different remedies.
 */
export class KubeError extends Error {
  override readonly name = "KubeError";
  readonly status: number;
  readonly reason: string;
  readonly details: StatusDetails | undefined;
  /** How long the server asked us to wait; undefined when it did not ask. */
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    options: {
      status: number;
      reason: string;
      details?: StatusDetails | undefined;
      retryAfterMs?: number | undefined;
      cause?: unknown;
    },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.status = options.status;
    this.reason = options.reason;
    this.details = options.details;
    this.retryAfterMs = options.retryAfterMs;
  }
}

export interface StatusDetails {
  name?: string;
  kind?: string;
  /** One cause for each field that is at fault. A conflict in server-side apply has one cause for each field with another owner. */
  causes?: { reason?: string; message?: string; field?: string }[];
  retryAfterSeconds?: number;
}

/** The object of kind Status (metav1.Status) that the API server sends with every error. */
export interface StatusBody {
  kind?: string;
  code?: number;
  reason?: string;
  message?: string;
  details?: StatusDetails;
}

/**
 * The reason to assume, by HTTP status, for an answer without a Status object. Such an answer comes from a load balancer, or
 * from a server that is shutting down.
 */
const REASON_OF: Record<number, string> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  406: "NotAcceptable",
  409: "Conflict",
  410: "Expired",
  415: "UnsupportedMediaType",
  422: "Invalid",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
};

/**
 * The error for an answer that is not a 2xx. `what` names the request and none of its content: the message reaches the log, and
 * a request can hold a credential.
 */
export function errorOfStatus(
  what: string,
  status: number,
  body: StatusBody | undefined,
  retryAfter?: string | undefined,
): KubeError {
  const reason = body?.reason || REASON_OF[status] || `Http${status}`;
  // The header Retry-After can also be a date, which Kubernetes never sends. Number gives NaN for a date, and then no wait is
  // set.
  const seconds = retryAfter === undefined ? body?.details?.retryAfterSeconds : Number(retryAfter);
  return new KubeError(`${what}: ${status} ${reason}${body?.message ? `: ${body.message}` : ""}`, {
    status,
    reason,
    details: body?.details,
    retryAfterMs:
      seconds === undefined || !Number.isFinite(seconds) || seconds < 0 ? undefined : seconds * 1000,
  });
}

/**
 * The error for a failure of the transport. When the caller's own signal has aborted, the result is that signal's reason,
 * unchanged: the API did not fail, and the caller must recognise its own abort.
 */
export function errorOfTransport(
  what: string,
  error: unknown,
  { timedOut }: { timedOut: boolean },
  signal: AbortSignal | undefined,
) {
  if (signal?.aborted) return signal.reason;
  if (error instanceof KubeError) return error;
  // `timedOut`: our own time limit for the whole request has passed. The transport has limits of its own, and the code of its
  // error shows when one of them has passed.
  const timeout = timedOut || /TIMEOUT/.test((error as { code?: string }).code ?? "");
  const reason = timeout ? "Timeout" : "Network";
  return new KubeError(
    `${what}: ${timeout ? "no answer in time" : ((error as Error).message ?? String(error))}`,
    {
      status: 0,
      reason,
      cause: error,
    },
  );
}
