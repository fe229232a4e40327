/**
 * The event and the log line that report a number which was let go without being given back. Messages to such a
 * number may still come to this cluster and get no answer. The report tells a person who does not know the operator
 * how to repair that: which number in which account, where its texts went before, and what to do.
 */

import type { Failure } from "../../../errors.ts";
import type { EventNote } from "../../../kube/status/summarise.ts";
import { hostOf, type Webhook } from "../../../twilio/webhook.ts";

/**
 * The reasons for letting a number go, used as the label `reason` of smschannel_finalizer_gave_up_total and in the
 * log line. All reasons are known in advance, so that each time series exists from the start and an alert on its
 * increase notices the first number that is let go.
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
  /** A clause that follows "the webhook at Twilio was left as it is: " in a message. */
  why: string;
}

/**
 * Decides whether a failure to give the webhook back lets the number go; undefined means that the deletion tries
 * again. A failure that waiting cannot fix lets the number go immediately. An outage lets it go only when the
 * deletion has waited long enough. Pure.
 */
export function letGoAfter(failure: Failure, { waitIsOver }: { waitIsOver: boolean }): LetGo | undefined {
  const { reason, message } = failure;
  if (failure.class !== "transient") return { reason, why: message };
  return waitIsOver ? { reason, why: `gave up after waiting for Twilio: ${message}` } : undefined;
}

/** A number that was let go, and what is known of the webhook that the number had before this operator. */
export interface LeftNumber {
  number: string;
  phoneNumberSid: string | undefined;
  accountSid: string | undefined;
  /**
   * The host that the number's texts went to before this operator set its webhook; undefined when no earlier
   * webhook is known.
   */
  formerHost: string | undefined;
  /** The Secret that keeps the webhook that the number had before this operator; undefined when there is none. */
  keptIn: string | undefined;
}

/**
 * The host that this webhook sends texts to. Only the host is reported, since the path, the query and the user part
 * of a URL can hold a secret.
 */
export function formerHostOf(webhook: Webhook): string | undefined {
  if (webhook.smsApplicationSid !== "") return "a Twilio application";
  return webhook.smsUrl === "" ? undefined : hostOf(webhook.smsUrl);
}

/**
 * The event on an SmsNumber whose number was let go. A namespace that is being deleted accepts no events, so
 * `letGoFields` puts the same facts into the log. Pure.
 */
export function letGoEvent({ why }: LetGo, left: LeftNumber): EventNote {
  return {
    type: "Warning",
    reason: "WebhookLeft",
    message: `the webhook at Twilio was left as it is: ${why}; ${beforeUs(left.formerHost)}. ${remedyFor(left)}`,
  };
}

/**
 * The fields of the log line about a number that was let go. The number itself may appear in the log: it was bought
 * for the channel and does not belong to a customer.
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

/** Says, as a clause of a message, where the number's texts went before this operator set its webhook. */
export function beforeUs(formerHost: string | undefined): string {
  return formerHost === undefined
    ? "no earlier webhook of the number is known"
    : `before, the number's texts went to ${formerHost}`;
}

/** Says how to repair the webhook of a number that was let go, by hand or through the operator. */
function remedyFor({ formerHost }: LeftNumber): string {
  return formerHost === undefined
    ? "If the webhook still leads to this cluster, clear it in Twilio's console, or apply an SmsNumber for this number again and then delete that SmsNumber"
    : "If the webhook still leads to this cluster, set it in Twilio's console. Or apply an SmsNumber for this number again, with credentials of its account, and then delete that SmsNumber: this puts the former webhook back";
}
