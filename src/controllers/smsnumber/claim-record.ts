/** How a claim's record changes with each step at Twilio. Pure: the callers write the result. */

import { hostOf, type Webhook } from "../../twilio/webhook.ts";
import type { ClaimRecord } from "../records/record.ts";
import { recentRepairs } from "./contest.ts";
import type { Plan } from "./webhook-plan.ts";

/** The claim before the step; `saved` is the webhook from before us, where it is known. */
interface Taken {
  claim: ClaimRecord;
  saved: Webhook | undefined;
  now: number;
}

/**
 * The claim after a look that found the number pointed at us already, by this process or one before it. A contest
 * is over then.
 */
export function claimWired({ claim, saved, now }: Taken, ours: Webhook): ClaimRecord {
  const { contest, ...rest } = claim;
  return { ...rest, ...previous(claim, saved, now), configured: configured(claim, ours, now) };
}

/**
 * The claim of a number whose texts reach us by another way than its own webhook. Only a contest ends; nothing was
 * configured.
 */
export function claimAtPeace({ contest, ...rest }: ClaimRecord): ClaimRecord {
  return rest;
}

/** The claim after Twilio answered our update. */
export function claimSet({ claim, saved, now }: Taken, step: Extract<Plan, { do: "set" }>): ClaimRecord {
  const { contest, repairs: before = [], ...rest } = claim;
  // A repair is counted when it was done, not when it was decided: an update that fails is no foreign change.
  const repairs = [...recentRepairs(before, now), ...(step.repairOf === undefined ? [] : [now])];
  return {
    ...rest,
    ...previous(claim, saved, now),
    configured: configured(claim, step.webhook, now),
    ...(repairs.length === 0 ? {} : { repairs }),
  };
}

/**
 * What we set. `sinceMs` stays at the first time: it tells since when the number is ours, not when it was last
 * repaired.
 */
function configured(claim: ClaimRecord, { smsUrl, smsFallbackUrl }: Webhook, now: number) {
  return { url: smsUrl, fallbackUrl: smsFallbackUrl, sinceMs: claim.configured?.sinceMs ?? now };
}

/**
 * Where texts went before us, without the URL's secrets. It is fixed with the first update: what is seen later is
 * drift.
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
