import { KubeError, type StatusBody } from "./errors.ts";

/** Why a list or a watch failed, whether the server said so or nobody answered. */
export interface Failed {
  status: number;
  reason: string;
  message: string;
  retryAfterMs?: number | undefined;
}

/** What a person is told of a watch that says nothing. */
export const SILENCE = "the watch is silent: neither an event nor a bookmark came for too long";

/** The place from which we read is no longer, or not yet, known to the server: only a list helps. */
export function isForgotten({ status, reason, message }: Failed): boolean {
  if (status === 410 || reason === "Expired" || reason === "Gone") return true;
  // After a restore of etcd its versions are behind ours.
  return status === 400 || (status === 504 && /too large resource version/i.test(message));
}

/** An error in the middle of a watch. */
export function errorOf(body: StatusBody): Failed {
  return { status: body.code ?? 0, reason: body.reason ?? "", message: body.message ?? "" };
}

/** As a sentence for a person. */
export function problemOf(doing: "list" | "watch", { status, reason, message }: Failed): string {
  if (status === 403) return `may not ${doing} (Forbidden): grant this account list and watch`;
  if (status === 404)
    return `cannot ${doing}: the API server does not know the kind; are the CRDs installed?`;
  if (status === 401) return `cannot ${doing}: the API server does not accept this account's credentials`;
  return `cannot ${doing}: ${reason === "Network" || reason === "Timeout" ? message : `${status} ${reason}`}`;
}

/** An error of a request, or of reading its answer. */
export function failureOf(error: unknown): Failed {
  if (error instanceof KubeError) return error;
  // A line that is not JSON: something between us and the server answered for it.
  return { status: 0, reason: "Network", message: (error as Error).message ?? String(error) };
}
