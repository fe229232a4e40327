/** What a deletion does with the webhook at Twilio, decided from what is there. Pure. */

import { pointsAt, type Webhook } from "../../../twilio/webhook.ts";
import type { LetGo } from "./let-go.ts";

/** What a deletion does at Twilio before the finalizer goes. */
export type DeletionPlan =
  /** One update, then done. `fallback` is tried when Twilio refuses the first as wrong: a number left pointing at us is worse. */
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
  /** Nothing is changed. With `letGo` something of ours may be left there although nobody wanted that. */
  | { do: "leave"; event: DeletionEvent; letGo?: LetGo };

/** The event that tells the user how it ended. */
export interface DeletionEvent {
  type: "Normal" | "Warning";
  reason: "WebhookRestored" | "WebhookCleared" | "WebhookRetained" | "WebhookLeft" | "WebhookHandedOver";
  message: string;
}

/** Everything the plan depends on. */
export interface DeletionInput {
  policy: "Restore" | "Clear" | "Retain";
  /** The number as Twilio has it; null when it is no longer in the account. Not needed for Retain. */
  seen: Webhook | null;
  /** The webhook from before us; undefined when there was nothing worth saving. */
  saved: Webhook | undefined;
  isOurs(url: string): boolean;
  /** Another SmsNumber waits for this number. */
  successor: boolean;
}

/** URL and fallback are emptied in one update: Twilio refuses a fallback URL without a URL (error 21406). */
const cleared: Webhook = {
  smsUrl: "",
  smsMethod: "POST",
  smsFallbackUrl: "",
  smsFallbackMethod: "POST",
  smsApplicationSid: "",
};

/** Decides what is done at Twilio when an SmsNumber that held its number is deleted. Pure. */
export function planDeletion({ policy, seen, saved, isOurs, successor }: DeletionInput): DeletionPlan {
  // Before the number is looked at: Retain does not call Twilio, so nothing was seen.
  if (policy === "Retain") return successor ? handOver : retain;
  if (seen === null) return notInAccount;
  // Somebody has pointed the number elsewhere since. What is not ours stays.
  if (seen.smsApplicationSid !== "" || !pointsAt(seen, isOurs))
    return {
      do: "leave",
      event: event("Normal", "WebhookLeft", "the webhook at Twilio is no longer ours and was left as it is"),
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

/** The message does not say what is there now, since nobody looked. */
const retain: DeletionPlan = {
  do: "leave",
  event: event(
    "Normal",
    "WebhookRetained",
    "nothing was changed at Twilio, as deletionPolicy: Retain asks; unless somebody else changed it, the webhook still leads to this cluster",
  ),
};
