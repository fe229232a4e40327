import type { Reason } from "../../api/reasons.ts";

/** Why texts do not get through, as a probe saw it. */
export interface ProbeProblem {
  reason: Reason;
  message: string;
  /**
   * A text that arrives later does not disprove it: it hits only some texts, or is about what happens to them after they were
   * accepted.
   */
  lasts?: true;
}

/** What one probe of the inbound URL showed. */
export type ProbeResult =
  /** Our receiver answered for this route; it knows this generation of it. `problem`: and would lose texts all the same. */
  { kind: "answered"; generation: number; problem?: ProbeProblem } | ({ kind: "failed" } & ProbeProblem);

/** How the checks of one route stand. Plain data: kept in memory, begun anew after a restart. */
export interface RouteCheck {
  /** The generation that must be answered for. */
  generation: number;
  /** Passes in a row for that generation. */
  passes: number;
  /** Failures in a row. */
  failures: number;
  /** Passed often enough once since the process began: from then on a failure must repeat to count. */
  proven: boolean;
  lastFailure?: ProbeProblem & { atMs: number };
}

export const PASSES_NEEDED = 3;
export const FAILURES_ALLOWED = 3;
/** With the growing pauses in between some four seconds. */
export const LOADING_FAILURES = 5;
/** A text that Twilio delivered within this time is as good as a probe. */
export const PROOF_MS = 15 * 60_000;

export function newCheck(generation: number): RouteCheck {
  return { generation, passes: 0, failures: 0, proven: false };
}

/** The route changed: it must pass anew, but what was proven stays proven until it fails. */
export function retarget(check: RouteCheck, generation: number): RouteCheck {
  return check.generation === generation ? check : { ...check, generation, passes: 0 };
}

/**
 * Why texts would not get through, by what somebody says who can know. A receiver with an older route judged the request by that:
 * what it says of it counts for nothing.
 */
export function problemOf({ generation }: RouteCheck, result: ProbeResult): ProbeProblem | undefined {
  if (result.kind === "answered") return result.generation < generation ? undefined : result.problem;
  const { kind: _, ...problem } = result;
  return problem;
}

/** Takes one probe into account. Pure. */
export function note(check: RouteCheck, result: ProbeResult, nowMs: number): RouteCheck {
  // A replica that has not seen the change yet: not a failure of the way in, but not a pass either.
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

export type UrlVerdict =
  | { status: "True" }
  | { status: "Unknown" }
  | { status: "False"; reason: Reason; message: string };

/** Does the URL work, as far as is known? A text accepted after the last failed probe proves it as well as a probe does. */
export function verdictOf(
  check: RouteCheck,
  lastAcceptedTextMs: number | undefined,
  nowMs: number,
): UrlVerdict {
  if (check.proven) return { status: "True" };
  if (check.lastFailure === undefined) return { status: "Unknown" };
  const { atMs, reason, message, lasts } = check.lastFailure;
  // A route takes a moment from the Secret to the receivers; only when it does not come is that worth telling.
  if (reason === "RoutesNotLoaded" && check.failures < LOADING_FAILURES) return { status: "Unknown" };
  const arrived = lastAcceptedTextMs !== undefined && lastAcceptedTextMs > atMs;
  if (arrived && lasts !== true && nowMs - lastAcceptedTextMs < PROOF_MS) return { status: "True" };
  return { status: "False", reason, message };
}
