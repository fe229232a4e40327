/**
 * Sorts the failures of a list or a watch by what helps: a new list, or another try from the same version. Also describes
 * each failure in a sentence that says what a person can do.
 */

import { KubeError, type StatusBody } from "../client/errors.ts";

/** Why a list or a watch failed. `status` is 0 when no answer came. */
export interface Failed {
  status: number;
  reason: string;
  message: string;
  retryAfterMs?: number | undefined;
}

/** The problem of a watch that is open but sends nothing, as `/readyz` and the log show it. */
export const SILENCE = "the watch is silent: neither an event nor a bookmark came for too long";

/**
 * Whether the server no longer has the version from which we read, or does not have it yet. Another try from that version
 * cannot work; only a new list helps.
 *
 * 410 (`Expired`, in older servers `Gone`) is the ordinary case: etcd keeps the history of changes for five minutes.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#410-gone-responses
 */
export function isForgotten({ status, reason, message }: Failed): boolean {
  if (status === 410 || reason === "Expired" || reason === "Gone") return true;
  // After etcd was restored from a backup, the server's versions are behind ours. The server then answers 400, or waits for its
  // versions to reach ours and gives up with 504. Any other 504 is a slow server, which still has our version.
  return status === 400 || (status === 504 && /too large resource version/i.test(message));
}

/**
 * The failure that an ERROR event reports. The HTTP status of a watch is sent when the watch is accepted, so a later failure
 * arrives as an event with a Status object.
 */
export function errorOf(body: StatusBody): Failed {
  return { status: body.code ?? 0, reason: body.reason ?? "", message: body.message ?? "" };
}

/** The failure as a sentence for a person. For a missing right, a missing kind and bad credentials it says what to do. */
export function problemOf(doing: "list" | "watch", { status, reason, message }: Failed): string {
  if (status === 403) return `may not ${doing} (Forbidden): grant this account list and watch`;
  // A collection that the server serves is never "not found", even when it is empty. So a 404 means that the server does not
  // know the kind.
  if (status === 404)
    return `cannot ${doing}: the API server does not know the kind; are the CRDs installed?`;
  if (status === 401) return `cannot ${doing}: the API server does not accept this account's credentials`;
  return `cannot ${doing}: ${reason === "Network" || reason === "Timeout" ? message : `${status} ${reason}`}`;
}

/** The failure for anything that a request, or the reading of its answer, threw. */
export function failureOf(error: unknown): Failed {
  if (error instanceof KubeError) return error;
  // The error can be a line that is not JSON, sent by something between us and the API server, such as a load balancer.
  return { status: 0, reason: "Network", message: (error as Error).message ?? String(error) };
}
