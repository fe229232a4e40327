/**
 * Turns probes into a verdict. Pure. A single failed probe proves little: it may come from a rolling update or a lost
 * packet. A condition Ready that turns False wakes people and stops Argo CD, so a route that had worked counts as
 * failing only after three failures in a row.
 */

import type { Reason } from "../../api/reasons.ts";

/** Why texts do not get through, as a probe found it. */
export interface ProbeProblem {
  reason: Reason;
  message: string;
  /**
   * Set when a text that arrives later does not disprove the problem: it affects only some texts, or it is about what
   * happens to texts after they were accepted.
   */
  lasts?: true;
}

/** The result of one probe of the inbound URL. */
export type ProbeResult =
  /**
   * Our receiver answered for this route, and knows this generation of the route. If there is a `problem` the
   * receiver would still lose texts.
   */
  { kind: "answered"; generation: number; problem?: ProbeProblem } | ({ kind: "failed" } & ProbeProblem);

/** The state of the checks of one route. It is plain data in memory and is not kept over a restart. */
export interface RouteCheck {
  /** The generation of the route that receivers must answer for. */
  generation: number;
  /** How many probes in a row have passed for the wanted generation. */
  passes: number;
  /** How many probes in a row have failed. */
  failures: number;
  /**
   * Whether the route has passed often enough and has not failed three times in a row since. While this is true,
   * failures do not change the verdict.
   */
  proven: boolean;
  lastFailure?: ProbeProblem & { atMs: number };
}

/**
 * How many passes in a row a route needs. Several receivers answer in turn, and each must know the route; three
 * passes in a row make it likely that all do.
 */
export const PASSES_NEEDED = 3;
/**
 * How many failures in a row make a route that had worked count as failing. Fewer are normal: pods are replaced and
 * packets are lost.
 */
export const FAILURES_ALLOWED = 3;
/**
 * How many failures make a route that the receivers do not know count as failing. Fewer are normal, because it takes a
 * moment until receivers know a new route. With the growing pauses between probes this is about four seconds.
 */
export const LOADING_FAILURES = 5;
/** For this long after Twilio delivered a text, the text proves that the public URL works, just as a probe does. */
export const PROOF_MS = 15 * 60_000;

/** The state of a route that was never probed. */
export function newCheck(generation: number): RouteCheck {
  return { generation, passes: 0, failures: 0, proven: false };
}

/**
 * The state after the route changed. The new generation must pass before a number is pointed at the URL, but a URL
 * that was proven stays proven until it fails.
 */
export function retarget(check: RouteCheck, generation: number): RouteCheck {
  return check.generation === generation ? check : { ...check, generation, passes: 0 };
}

/**
 * Why texts would not get through, according to one probe. Undefined: the probe found no problem. A receiver with an
 * older version of the route judged the request by that version, so a problem that it reports does not count.
 */
export function problemOf({ generation }: RouteCheck, result: ProbeResult): ProbeProblem | undefined {
  if (result.kind === "answered") return result.generation < generation ? undefined : result.problem;
  const { kind: _, ...problem } = result;
  return problem;
}

/** The state after one more probe. Pure. */
export function note(check: RouteCheck, result: ProbeResult, nowMs: number): RouteCheck {
  // The receiver that answered does not have the newest version of the route yet. That is not a failure of the way to
  // the receiver, but also not a pass.
  if (result.kind === "answered" && result.generation < check.generation) {
    const message = "a receiver answered that does not have the newest version of the route yet";
    const lastFailure = { reason: "RoutesNotLoaded", message, atMs: nowMs } as const;
    return { ...check, passes: 0, failures: check.failures + 1, lastFailure };
  }
  const problem = problemOf(check, result);
  if (problem !== undefined) {
    const failures = check.failures + 1;
    return {
      ...check,
      passes: 0,
      failures,
      proven: check.proven && failures < FAILURES_ALLOWED,
      lastFailure: { ...problem, atMs: nowMs },
    };
  }
  const passes = Math.min(check.passes + 1, PASSES_NEEDED);
  return { ...check, passes, failures: 0, proven: check.proven || passes >= PASSES_NEEDED };
}

/**
 * Whether numbers may be pointed at the URL: whether the present generation of the route, and not only an earlier one,
 * passed often enough.
 */
export function passed(check: RouteCheck): boolean {
  return check.passes >= PASSES_NEEDED;
}

/** What is known of a URL, in the form in which the condition reports it. */
export type UrlVerdict =
  | { status: "True" }
  | { status: "Unknown" }
  | { status: "False"; reason: Reason; message: string };

/**
 * Whether the URL works, as far as is known. A text that was accepted after the last failed probe proves that the URL
 * works, just as a probe does.
 */
export function verdictOf(
  check: RouteCheck,
  lastAcceptedTextMs: number | undefined,
  nowMs: number,
): UrlVerdict {
  if (check.proven) return { status: "True" };
  if (check.lastFailure === undefined) return { status: "Unknown" };
  const { atMs, reason, message, lasts } = check.lastFailure;
  // It takes a moment until the receivers have a new route. Until then the verdict is Unknown; it is False only when
  // that takes too long.
  if (reason === "RoutesNotLoaded" && check.failures < LOADING_FAILURES) return { status: "Unknown" };
  const arrived = lastAcceptedTextMs !== undefined && lastAcceptedTextMs > atMs;
  if (arrived && lasts !== true && nowMs - lastAcceptedTextMs < PROOF_MS) return { status: "True" };
  return { status: "False", reason, message };
}
