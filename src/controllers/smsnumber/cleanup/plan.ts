/** Decides what a deletion does with the webhook at Twilio, from the webhook that is there now. Pure. */

import { pointsAt, type Webhook } from "../../../twilio/webhook.ts";
import type { LetGo } from "./let-go.ts";

/** The step that a deletion takes at Twilio before the finalizer is removed. */
export type DeletionPlan =
  /**
   * Make one update. If Twilio rejects it as invalid, make the update `fallback` instead: leaving the number
   * pointed at this operator would be worse.
   */
  | {
      do: "set";
      webhook: Webhook;
      event: DeletionEvent;
      fallback?: { webhook: Webhook; event: DeletionEvent };
    }
  /**
   * Another SmsNumber waits for this number: it gets the saved webhook and then the claim. Nothing changes at
   * Twilio.
   */
  | { do: "handOver"; event: DeletionEvent }
  /** Change nothing. With `letGo`, the operator's webhook may stay at Twilio although nobody wanted that. */
  | { do: "leave"; event: DeletionEvent; letGo?: LetGo };

/** The event that reports to the user how the deletion ended. */
export interface DeletionEvent {
  type: "Normal" | "Warning";
  reason: "WebhookRestored" | "WebhookCleared" | "WebhookRetained" | "WebhookLeft" | "WebhookHandedOver";
  message: string;
}

/** The input of the plan of a deletion. */
export interface DeletionInput {
  policy: "Restore" | "Clear" | "Retain";
  /**
   * The number's webhook as Twilio has it; null when the number is no longer in the account. The policy Retain does
   * not need it.
   */
  seen: Webhook | null;
  /** The webhook that the number had before this operator; undefined when there was none worth saving. */
  saved: Webhook | undefined;
  isOurs(url: string): boolean;
  /** True when another SmsNumber waits for this number. */
  successor: boolean;
}

/**
 * A cleared webhook. One update empties both URLs, because Twilio refuses a fallback URL without a URL (error
 * 21406).
 */
const cleared: Webhook = {
  smsUrl: "",
  smsMethod: "POST",
  smsFallbackUrl: "",
  smsFallbackMethod: "POST",
  smsApplicationSid: "",
};

/** Decides what to do at Twilio when an SmsNumber that held its number is deleted. Pure. */
export function planDeletion({ policy, seen, saved, isOurs, successor }: DeletionInput): DeletionPlan {
  // The policy Retain is checked before the webhook, because Retain does not call Twilio and so knows no webhook.
  if (policy === "Retain") return successor ? handOver : retain;
  if (seen === null) return notInAccount;
  // If somebody has pointed the number elsewhere in the meantime, its webhook no longer leads to this operator and
  // stays as it is.
  if (seen.smsApplicationSid !== "" || !pointsAt(seen, isOurs))
    return {
      do: "leave",
      event: event(
        "Normal",
        "WebhookLeft",
        "the webhook at Twilio no longer leads to this operator and was left as it is",
      ),
    };
  if (successor) return handOver;
  if (policy === "Clear" || saved === undefined)
    return {
      do: "set",
      webhook: cleared,
      event: event("Normal", "WebhookCleared", "the webhook at Twilio was cleared"),
    };
  return {
    do: "set",
    webhook: saved,
    event: event("Normal", "WebhookRestored", "the webhook at Twilio is again what it was before"),
    fallback: {
      webhook: cleared,
      event: event(
        "Warning",
        "WebhookCleared",
        "Twilio refuses what was there before, so the webhook was cleared instead",
      ),
    },
  };
}

function event(type: DeletionEvent["type"], reason: DeletionEvent["reason"], message: string): DeletionEvent {
  return { type, reason, message };
}

const gone = "the number is no longer in the Twilio account";

const notInAccount: DeletionPlan = {
  do: "leave",
  event: event("Warning", "WebhookLeft", `${gone}; nothing was changed`),
  letGo: { reason: "NumberNotInAccount", why: gone },
};

const handOver: DeletionPlan = {
  do: "handOver",
  event: event("Normal", "WebhookHandedOver", "another SmsNumber takes the number over; the webhook stays"),
};

/** The message does not say where the webhook leads, because Retain does not read the number at Twilio. */
const retain: DeletionPlan = {
  do: "leave",
  event: event(
    "Normal",
    "WebhookRetained",
    "nothing was changed at Twilio, because deletionPolicy is Retain; unless somebody else changed it, the webhook still leads to this cluster",
  ),
};
