/**
 * How probes become a verdict. Pure. A single failed probe proves little (a rolling update, a lost packet), and
 * Ready turning False wakes people and stops Argo CD, so a route that had worked must fail three times in a row.
 */

import type { Reason } from "../../api/reasons.ts";

/** Why texts do not get through, as a probe saw it. */
export interface ProbeProblem {
  reason: Reason;
  message: string;
  /**
   * A text that arrives later does not disprove it: it hits only some texts, or is about what happens to them after
   * they were accepted.
   */
  lasts?: true;
}

/** What one probe of the inbound URL showed. */
export type ProbeResult =
  /**
   * Our receiver answered for this route, and knows this generation of it. With a `problem` it would lose texts all
   * the same.
   */
  { kind: "answered"; generation: number; problem?: ProbeProblem } | ({ kind: "failed" } & ProbeProblem);

/** How the checks of one route stand. Plain data in memory, begun anew after a restart. */
export interface RouteCheck {
  /** The generation that must be answered for. */
  generation: number;
  /** Passes in a row for that generation. */
  passes: number;
  /** Failures in a row. */
  failures: number;
  /** It has passed often enough once since this process began. From then on a failure must repeat to count. */
  proven: boolean;
  lastFailure?: ProbeProblem & { atMs: number };
}

/** Several receivers answer in turn, and each must know the route. Three in a row make it likely that all do. */
export const PASSES_NEEDED = 3;
/** A route that had worked may fail twice in a row: pods are replaced and packets are lost. */
export const FAILURES_ALLOWED = 3;
/** So long a new route may be unknown to the receivers: with the growing pauses in between some four seconds. */
export const LOADING_FAILURES = 5;
/** A text that Twilio delivered within this time proves the way as well as a probe. */
export const PROOF_MS = 15 * 60_000;

/** A route that was never probed. */
export function newCheck(generation: number): RouteCheck {
  return { generation, passes: 0, failures: 0, proven: false };
}

/**
 * The route changed: it must pass anew before a number is pointed, but what was proven stays proven until it fails.
 */
export function retarget(check: RouteCheck, generation: number): RouteCheck {
  return check.generation === generation ? check : { ...check, generation, passes: 0 };
}

/**
 * Why texts would not get through, from a receiver that can know. One with an older version of the route judged the
 * request by that, so what it says of the request does not count.
 */
export function problemOf({ generation }: RouteCheck, result: ProbeResult): ProbeProblem | undefined {
  if (result.kind === "answered") return result.generation < generation ? undefined : result.problem;
  const { kind: _, ...problem } = result;
  return problem;
}

/** The check after one more probe. Pure. */
export function note(check: RouteCheck, result: ProbeResult, nowMs: number): RouteCheck {
  // A replica that has not seen the change yet: no failure of the way in, but no pass either.
  if (result.kind === "answered" && result.generation < check.generation) {
    const message = "a receiver answered that does not have the newest route yet";
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

/** May numbers be pointed at the URL: did this very generation pass often enough? */
export function passed(check: RouteCheck): boolean {
  return check.passes >= PASSES_NEEDED;
}

/** What is known of a URL, as the condition will say it. */
export type UrlVerdict =
  | { status: "True" }
  | { status: "Unknown" }
  | { status: "False"; reason: Reason; message: string };

/**
 * Does the URL work, as far as is known? A text that was accepted after the last failed probe proves it as well as
 * a probe does.
 */
export function verdictOf(
  check: RouteCheck,
  lastAcceptedTextMs: number | undefined,
  nowMs: number,
): UrlVerdict {
  if (check.proven) return { status: "True" };
  if (check.lastFailure === undefined) return { status: "Unknown" };
  const { atMs, reason, message, lasts } = check.lastFailure;
  // A route takes a moment from the Secret to the receivers. That is worth reporting only when it does not end.
  if (reason === "RoutesNotLoaded" && check.failures < LOADING_FAILURES) return { status: "Unknown" };
  const arrived = lastAcceptedTextMs !== undefined && lastAcceptedTextMs > atMs;
  if (arrived && lasts !== true && nowMs - lastAcceptedTextMs < PROOF_MS) return { status: "True" };
  return { status: "False", reason, message };
}
