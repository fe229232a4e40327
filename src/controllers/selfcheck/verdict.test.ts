import { describe, expect, test } from "vitest";
import {
  newCheck,
  note,
  PROOF_MS,
  type ProbeResult,
  passed,
  type RouteCheck,
  retarget,
  verdictOf,
} from "./verdict.ts";

const answered = (generation: number): ProbeResult => ({ kind: "answered", generation });
const failed: ProbeResult = { kind: "failed", reason: "PublicUrlUnreachable", message: "refused" };
const checkedBy = (start: RouteCheck, ...results: ProbeResult[]) =>
  results.reduce((check, result, at) => note(check, result, at), start);

describe("the self-check of a route", () => {
  test("is Unknown before the first probe", () =>
    expect(verdictOf(newCheck(1), undefined, 0)).toEqual({ status: "Unknown" }));
  test("is not complete after two passes in a row", () =>
    expect(passed(checkedBy(newCheck(1), answered(1), answered(1)))).toBe(false));
  test("is complete after three passes in a row", () =>
    expect(passed(checkedBy(newCheck(1), answered(1), answered(1), answered(1)))).toBe(true));
  test("counts passes from zero again after a failure", () =>
    expect(passed(checkedBy(newCheck(1), answered(1), answered(1), failed, answered(1)))).toBe(false));
  test("does not count answers from a receiver with an older route as passes, and is False after five of them in a row", () => {
    const check = checkedBy(newCheck(2), answered(2), answered(2), answered(1));
    expect(check.passes).toBe(0);
    expect(verdictOf(check, undefined, 9)).toEqual({ status: "Unknown" });
    const stubborn = checkedBy(check, answered(1), answered(1), answered(1), answered(1));
    expect(verdictOf(stubborn, undefined, 9)).toMatchObject({ status: "False", reason: "RoutesNotLoaded" });
  });
  test("counts an answer for a newer generation than wanted as a pass", () =>
    expect(checkedBy(newCheck(1), answered(2)).passes).toBe(1));
  test("stays True after a change of the route, although the changed route must still pass", () => {
    const check = retarget(checkedBy(newCheck(1), answered(1), answered(1), answered(1)), 2);
    expect(passed(check)).toBe(false);
    expect(verdictOf(check, undefined, 9)).toEqual({ status: "True" });
  });
  test("stays True for two failures of a proven route and becomes False with the third", () => {
    const proven = checkedBy(newCheck(1), answered(1), answered(1), answered(1));
    expect(verdictOf(checkedBy(proven, failed, failed), undefined, 9).status).toBe("True");
    expect(verdictOf(checkedBy(proven, failed, failed, failed), undefined, 9)).toMatchObject({
      reason: "PublicUrlUnreachable",
    });
  });
  test("is True for 15 minutes after a text that arrived after the failed probe", () => {
    const check = checkedBy(newCheck(1), failed);
    expect(verdictOf(check, 5, 10).status).toBe("True");
    expect(verdictOf(check, 5, 5 + PROOF_MS).status).toBe("False");
    expect(verdictOf(check, -5, 10).status).toBe("False");
  });
  test("is False when a receiver answers but would lose texts", () => {
    const problem = { reason: "StoreUnavailable", message: "down" } as const;
    const check = checkedBy(newCheck(1), { ...answered(1), problem } as ProbeResult);
    expect(check.passes).toBe(0);
    expect(verdictOf(check, undefined, 9)).toEqual({ status: "False", ...problem });
  });
  test("stays False when a text arrives and the problem affects only some texts", () => {
    const check = checkedBy(newCheck(1), { ...failed, lasts: true } as ProbeResult);
    expect(verdictOf(check, 5, 10).status).toBe("False");
  });
  test("ignores a problem that a receiver with an older route reports", () => {
    const problem = { reason: "PublicUrlAltersRequests", message: "signed for another URL" } as const;
    const check = checkedBy(newCheck(2), { ...answered(1), problem } as ProbeResult);
    expect(check.lastFailure?.reason).toBe("RoutesNotLoaded");
  });
});
