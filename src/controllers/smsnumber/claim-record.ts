/**
 * Says how the record of a claim changes with each step at Twilio. Pure: each function returns the new record, and
 * `webhook.ts` stores it.
 */

import { hostOf, type Webhook } from "../../twilio/webhook.ts";
import type { ClaimRecord } from "../records/record.ts";
import { recentRepairs } from "./contest.ts";
import type { Plan } from "./webhook-plan.ts";

/**
 * The claim before a step at Twilio. `saved` is the webhook that the number had before this operator set its own,
 * where that is known.
 */
interface Taken {
  claim: ClaimRecord;
  saved: Webhook | undefined;
  now: number;
}

/**
 * The claim after a reading of the account showed that the webhook already leads to this operator, whether this
 * process or an earlier process set the webhook. If there was a contest, it is over.
 */
export function claimWired({ claim, saved, now }: Taken, ours: Webhook): ClaimRecord {
  const { contest, ...rest } = claim;
  return { ...rest, ...previous(claim, saved, now), configured: configured(claim, ours, now) };
}

/**
 * The claim of a number whose texts reach the receiver in another way than through the number's own webhook. If
 * there was a contest, it is over; nothing else in the claim changes.
 */
export function claimAtPeace({ contest, ...rest }: ClaimRecord): ClaimRecord {
  return rest;
}

/** The claim after Twilio accepted the operator's update of the webhook. */
export function claimSet({ claim, saved, now }: Taken, step: Extract<Plan, { do: "set" }>): ClaimRecord {
  const { contest, repairs: before = [], ...rest } = claim;
  // Each recorded repair stands for one foreign change, and several of these make a contest. A repair is recorded only
  // after its update at Twilio, so that a failed update which is tried again does not count twice.
  const repairs = [...recentRepairs(before, now), ...(step.repairOf === undefined ? [] : [now])];
  return {
    ...rest,
    ...previous(claim, saved, now),
    configured: configured(claim, step.webhook, now),
    ...(repairs.length === 0 ? {} : { repairs }),
  };
}

/**
 * What the operator set at Twilio. `sinceMs` keeps the time of the first update: it says how long the webhook has
 * been the operator's, not when it was last repaired.
 */
function configured(claim: ClaimRecord, { smsUrl, smsFallbackUrl }: Webhook, now: number) {
  return { url: smsUrl, fallbackUrl: smsFallbackUrl, sinceMs: claim.configured?.sinceMs ?? now };
}

/**
 * Where texts went before this operator set its webhook: only the host, since a URL can hold secrets. The host is
 * recorded only with the first update: a foreign webhook that appears after that is drift.
 */
function previous(
  claim: ClaimRecord,
  saved: Webhook | undefined,
  now: number,
): Pick<ClaimRecord, "previous"> {
  if (claim.configured !== undefined || saved === undefined) return {};
  const host = saved.smsApplicationSid === "" ? hostOf(saved.smsUrl) : "a Twilio application";
  return { previous: { host, savedAtMs: now } };
}
