/**
 * Judges what a receiver reports about the request that reached it. Receivers of two versions run side by side during
 * an upgrade, so an answer without a report is normal.
 */

import type { Answered, Report } from "../../routes/challenge.ts";
import { alterations, type Sent } from "./alterations.ts";
import type { ForeignAnswer } from "./refusals.ts";
import type { ProbeProblem, ProbeResult } from "./verdict.ts";

/**
 * Judges what the receiver reports about a request like those of Twilio. A receiver of an older version gives no
 * report; then only the fact that it answered counts. Pure.
 */
export function judgeAnswer(
  sent: Sent,
  { generation, report }: Extract<Answered, { ok: true }>,
): ProbeResult {
  const problem = report === undefined ? undefined : (altered(sent, report) ?? storeOf(report));
  return { kind: "answered", generation, ...(problem === undefined ? {} : { problem }) };
}

/** The remedy that several messages name: the three paths that Twilio calls must pass unchanged. */
const REMEDY = "let proxies, CDN and firewall pass /inbound/, /fallback/ and /status/ unchanged";

/**
 * The problem if the request was changed on the way so that its signature fails: the receiver would refuse texts from
 * Twilio as forged.
 */
function altered(sent: Sent, report: Report): ProbeProblem | undefined {
  if (report.fits) return undefined;
  const found = alterations(sent, report);
  const some = found.length > 0 && found.every((each) => each.some);
  const what =
    found.length === 0
      ? "requests are changed so that signatures fail"
      : found.map(({ what }) => what).join("; ");
  return {
    reason: "PublicUrlAltersRequests",
    message: `on the way to the receiver ${what}, and ${some ? "such texts are" : "every text is"} refused; ${REMEDY}`,
    ...(some ? { lasts: true } : {}),
  };
}

/**
 * The problem if the receiver cannot store texts. Without its database it answers 503, and Twilio gives up on a text
 * after its retries.
 */
function storeOf({ storeTakes }: Report): ProbeProblem | undefined {
  if (storeTakes) return undefined;
  return {
    reason: "StoreUnavailable",
    message:
      "a receiver answers, but its database takes no texts; the receiver answers each text with 503, and Twilio tries again for only some seconds",
    lasts: true,
  };
}

/** Returns the problem to report when a plain request reached the receiver but a request that looks like Twilio's did not. */
export function refusedOnTheWay(kind: "odd" | "long", { status }: ForeignAnswer): ProbeProblem {
  const message =
    kind === "long"
      ? `requests as large as a long text are refused on the way (${status}), shorter requests are not; raise the limit of request bodies to 64 KiB`
      : `requests like Twilio's are refused on the way (${status}), or changed so much that the receiver does not recognise them, and plain requests are not; a firewall may do that; ${REMEDY}`;
  return { reason: "PublicUrlAltersRequests", message, lasts: true };
}
