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

describe("a route's checks", () => {
  test("nothing is known before the first probe", () =>
    expect(verdictOf(newCheck(1), undefined, 0)).toEqual({ status: "Unknown" }));
  test("two passes in a row are not enough", () =>
    expect(passed(checkedBy(newCheck(1), answered(1), answered(1)))).toBe(false));
  test("three passes in a row are enough", () =>
    expect(passed(checkedBy(newCheck(1), answered(1), answered(1), answered(1)))).toBe(true));
  test("a failure in between starts the count over", () =>
    expect(passed(checkedBy(newCheck(1), answered(1), answered(1), failed, answered(1)))).toBe(false));
  test("an answer by a replica with an older route is no pass, and the message says so", () => {
    const check = checkedBy(newCheck(2), answered(2), answered(2), answered(1));
    expect(check.passes).toBe(0);
    expect(verdictOf(check, undefined, 9)).toEqual({ status: "Unknown" });
    const stubborn = checkedBy(check, answered(1), answered(1), answered(1), answered(1));
    expect(verdictOf(stubborn, undefined, 9)).toMatchObject({ status: "False", reason: "RoutesNotLoaded" });
  });
  test("a newer generation than wanted is a pass", () =>
    expect(checkedBy(newCheck(1), answered(2)).passes).toBe(1));
  test("a changed route must pass anew, and stays True meanwhile", () => {
    const check = retarget(checkedBy(newCheck(1), answered(1), answered(1), answered(1)), 2);
    expect(passed(check)).toBe(false);
    expect(verdictOf(check, undefined, 9)).toEqual({ status: "True" });
  });
  test("once proven, a route may fail twice, and the third failure counts", () => {
    const proven = checkedBy(newCheck(1), answered(1), answered(1), answered(1));
    expect(verdictOf(checkedBy(proven, failed, failed), undefined, 9).status).toBe("True");
    expect(verdictOf(checkedBy(proven, failed, failed, failed), undefined, 9)).toMatchObject({
      reason: "PublicUrlUnreachable",
    });
  });
  test("a text that arrived after the failure proves that the way works", () => {
    const check = checkedBy(newCheck(1), failed);
    expect(verdictOf(check, 5, 10).status).toBe("True");
    expect(verdictOf(check, 5, 5 + PROOF_MS).status).toBe("False");
    expect(verdictOf(check, -5, 10).status).toBe("False");
  });
  test("an answer by a receiver that would lose texts all the same is a failure", () => {
    const problem = { reason: "StoreUnavailable", message: "down" } as const;
    const check = checkedBy(newCheck(1), { ...answered(1), problem } as ProbeResult);
    expect(check.passes).toBe(0);
    expect(verdictOf(check, undefined, 9)).toEqual({ status: "False", ...problem });
  });
  test("a text that arrives later does not disprove a problem that hits only some texts", () => {
    const check = checkedBy(newCheck(1), { ...failed, lasts: true } as ProbeResult);
    expect(verdictOf(check, 5, 10).status).toBe("False");
  });
  test("a report by a receiver with an older route does not count", () => {
    const problem = { reason: "PublicUrlAltersRequests", message: "signed for another URL" } as const;
    const check = checkedBy(newCheck(2), { ...answered(1), problem } as ProbeResult);
    expect(check.lastFailure?.reason).toBe("RoutesNotLoaded");
  });
});
