import type { Failure } from "../../../errors.ts";
import type { EventNote } from "../../../kube/summarise.ts";
import { hostOf, type Webhook } from "../../../twilio/webhook.ts";

/** Why a number was let go without its webhook given back: the label `reason` of the metric, and of the log line. */
export const LET_GO_REASONS = [
  "TwilioUnauthorized",
  "TwilioPermissionMissing",
  "TwilioRejected",
  "AccountSuspended",
  "TwilioThrottled",
  "TwilioUnavailable",
  "NumberNotInAccount",
  "SecretNotFound",
  "RoutesNotLoaded",
  "Observing",
  "ForceDelete",
  "FinalizerRemoved",
] as const;

export interface LetGo {
  reason: string;
  /** To be read after "the webhook at Twilio was left as it is: ". */
  why: string;
}

/**
 * Whether a number is let go because of what came in the way of giving its webhook back; undefined: try again. What no waiting
 * will mend lets go at once, an outage only when the deletion has waited long enough. Pure.
 */
export function letGoAfter(failure: Failure, { waitIsOver }: { waitIsOver: boolean }): LetGo | undefined {
  const { reason, message } = failure;
  if (failure.class !== "transient") return { reason, why: message };
  return waitIsOver ? { reason, why: `gave up after waiting for Twilio: ${message}` } : undefined;
}

/** The number, and what is known of the time before us. */
export interface LeftNumber {
  number: string;
  phoneNumberSid: string | undefined;
  accountSid: string | undefined;
  /** Where its texts went before us; undefined where nothing is known to have been there. */
  formerHost: string | undefined;
  /** The Secret that holds the whole of it; undefined where there is nothing to hold. */
  keptIn: string | undefined;
}

/** Where texts went by this webhook, without what may be secret in it. */
export function formerHostOf(webhook: Webhook): string | undefined {
  if (webhook.smsApplicationSid !== "") return "a Twilio application";
  return webhook.smsUrl === "" ? undefined : hostOf(webhook.smsUrl);
}

/** The event on the object. In a namespace that goes it is refused, so the log line says all of it as well. Pure. */
export function letGoEvent({ why }: LetGo, left: LeftNumber): EventNote {
  return {
    type: "Warning",
    reason: "WebhookLeft",
    message: `the webhook at Twilio was left as it is: ${why}; ${beforeUs(left.formerHost)}. ${remedyFor(left)}`,
  };
}

/** The fields of the log line. A number that is bought for the channel is no customer's, and may stand in the log. */
export function letGoFields({ reason, why }: LetGo, left: LeftNumber): Record<string, string | undefined> {
  const { number, phoneNumberSid, accountSid, formerHost, keptIn } = left;
  return {
    reason,
    why,
    number,
    phoneNumberSid,
    accountSid,
    formerHost: formerHost ?? "none",
    keptIn,
    remedy: remedyFor(left),
  };
}

/** Where the number's texts went before us, to be read in a sentence. */
export function beforeUs(formerHost: string | undefined): string {
  return formerHost === undefined
    ? "nothing is known to have been there before"
    : `before, the number's texts went to ${formerHost}`;
}

/** How to put it back, by hand or by us. */
function remedyFor({ formerHost }: LeftNumber): string {
  return formerHost === undefined
    ? "If it still leads to this cluster, clear it in Twilio's console, or apply an SmsNumber for it again and delete that"
    : "If it still leads to this cluster, set it in Twilio's console, or apply an SmsNumber for it again with credentials of its account, and delete that: what was there before is put back then";
}
