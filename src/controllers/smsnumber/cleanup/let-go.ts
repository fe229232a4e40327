/**
 * What is said of a number that was let go without being given back: texts may still come to this cluster and get
 * no answer. The words are made so that a person can repair it without knowing the operator: which number, in which
 * account, where its texts went before, what to do.
 */

import type { Failure } from "../../../errors.ts";
import type { EventNote } from "../../../kube/status/summarise.ts";
import { hostOf, type Webhook } from "../../../twilio/webhook.ts";

/**
 * Why a number was let go: the label `reason` of smschannel_finalizer_gave_up_total and of the log line. All are
 * known beforehand, so that each time series exists from the start and an alert on its increase sees the first one.
 */
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

/** Why one number was let go. */
export interface LetGo {
  reason: string;
  /** A clause to be read after "the webhook at Twilio was left as it is: ". */
  why: string;
}

/**
 * Decides whether a failure to give the webhook back lets the number go; undefined: try again. What no waiting will
 * mend does so at once, an outage only when the deletion has waited long enough. Pure.
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
  /** The Secret that holds the whole webhook from before; undefined where there is nothing to hold. */
  keptIn: string | undefined;
}

/** Where texts went by this webhook. The host only: path, query and user part can hold a secret. */
export function formerHostOf(webhook: Webhook): string | undefined {
  if (webhook.smsApplicationSid !== "") return "a Twilio application";
  return webhook.smsUrl === "" ? undefined : hostOf(webhook.smsUrl);
}

/**
 * The event on the object. A namespace that is being deleted refuses it, so `letGoFields` says all of it as well.
 * Pure.
 */
export function letGoEvent({ why }: LetGo, left: LeftNumber): EventNote {
  return {
    type: "Warning",
    reason: "WebhookLeft",
    message: `the webhook at Twilio was left as it is: ${why}; ${beforeUs(left.formerHost)}. ${remedyFor(left)}`,
  };
}

/**
 * The fields of the log line. The number may stand in the log: it was bought for the channel and belongs to no
 * customer.
 */
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

/** Where the number's texts went before us, as a clause. */
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
