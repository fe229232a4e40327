/**
 * A request to the Kubernetes API that did not succeed. `reason` is Kubernetes' own word (NotFound, Conflict, AlreadyExists,
 * Forbidden, Invalid, Expired, TooManyRequests, …), or `Network` where no answer came and `Timeout` where none came in time;
 * then `status` is 0 and a write may or may not have happened; or `TooLarge` where the answer was larger than was asked for.
 */
export class KubeError extends Error {
  override readonly name = "KubeError";
  readonly status: number;
  readonly reason: string;
  readonly details: StatusDetails | undefined;
  /** How long the server asked us to wait. */
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
  causes?: { reason?: string; message?: string; field?: string }[];
  retryAfterSeconds?: number;
}

export interface StatusBody {
  kind?: string;
  code?: number;
  reason?: string;
  message?: string;
  details?: StatusDetails;
}

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

/** From an answer that is not a 2xx, or from a watch's ERROR event. `what` names the request without any of its content. */
export function errorOfStatus(
  what: string,
  status: number,
  body: StatusBody | undefined,
  retryAfter?: string | undefined,
): KubeError {
  const reason = body?.reason || REASON_OF[status] || `Http${status}`;
  const seconds = retryAfter === undefined ? body?.details?.retryAfterSeconds : Number(retryAfter);
  return new KubeError(`${what}: ${status} ${reason}${body?.message ? `: ${body.message}` : ""}`, {
    status,
    reason,
    details: body?.details,
    retryAfterMs:
      seconds === undefined || !Number.isFinite(seconds) || seconds < 0 ? undefined : seconds * 1000,
  });
}

/** From what the transport threw. An abort by the caller is not a failure of the API and is passed on as it is. */
export function errorOfTransport(
  what: string,
  error: unknown,
  signal: AbortSignal | undefined,
  timedOut: boolean,
) {
  if (signal?.aborted) return signal.reason;
  if (error instanceof KubeError) return error;
  const timeout = timedOut || /Timeout/.test((error as { code?: string }).code ?? "");
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
