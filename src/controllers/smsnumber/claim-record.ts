import { hostOf, type Webhook } from "../../twilio/webhook.ts";
import type { ClaimRecord } from "../records/record.ts";
import { recentRepairs } from "./contest.ts";
import type { Plan } from "./webhook-plan.ts";

/** The step that was taken, and what it was taken on; `saved`: where the number's texts went before us, where that is known. */
interface Taken {
  claim: ClaimRecord;
  saved: Webhook | undefined;
  now: number;
}

/** What is remembered after a look that found the number wired, by us or by a process before us. Pure. */
export function claimWired({ claim, saved, now }: Taken, ours: Webhook): ClaimRecord {
  const { contest, ...rest } = claim;
  return { ...rest, ...previous(claim, saved, now), configured: configured(claim, ours, now) };
}

/** The number's texts reach us without the number's own webhook: only a contest is over. Pure. */
export function claimAtPeace({ contest, ...rest }: ClaimRecord): ClaimRecord {
  return rest;
}

/** What is remembered after our update was answered. Pure. */
export function claimSet({ claim, saved, now }: Taken, step: Extract<Plan, { do: "set" }>): ClaimRecord {
  const { contest, repairs: before = [], ...rest } = claim;
  const repairs = [...recentRepairs(before, now), ...(step.repairOf === undefined ? [] : [now])];
  return {
    ...rest,
    ...previous(claim, saved, now),
    configured: configured(claim, step.webhook, now),
    ...(repairs.length === 0 ? {} : { repairs }),
  };
}

function configured(claim: ClaimRecord, { smsUrl, smsFallbackUrl }: Webhook, now: number) {
  return { url: smsUrl, fallbackUrl: smsFallbackUrl, sinceMs: claim.configured?.sinceMs ?? now };
}

/** Once it is ours, what is saved is history: it does not change any more. */
function previous(
  claim: ClaimRecord,
  saved: Webhook | undefined,
  now: number,
): Pick<ClaimRecord, "previous"> {
  if (claim.configured !== undefined || saved === undefined) return {};
  const host = saved.smsApplicationSid === "" ? hostOf(saved.smsUrl) : "a Twilio application";
  return { previous: { host, savedAtMs: now } };
}
