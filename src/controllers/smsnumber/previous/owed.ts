/**
 * The steps by which a number becomes owed and stops being owed (ADR 31). A number is owed when no SmsNumber holds
 * it and its webhook was not given back. It may then still lead to this cluster, and the saved webhook waits for
 * the next holder. Each function can be repeated after it was interrupted at any point; the order of its writes
 * makes that safe.
 */

import type { Clock } from "../../../clock.ts";
import type { Webhook } from "../../../twilio/webhook.ts";
import type { HeldNumber } from "../../records/record.ts";
import type { Records } from "../../records/records.ts";
import type { NumberRef, PreviousWebhooks } from "./previous-webhooks.ts";

/** The stores of the records and of the saved webhooks. */
export interface OwedDeps {
  clock: Clock;
  records: Records;
  previous: PreviousWebhooks;
}

/**
 * Makes a number owed when its holder lets it go without giving the webhook back. Copies the saved webhook from the
 * SmsNumber to the number, records the number as owed (the same write ends the claim), and then deletes the
 * SmsNumber's copy. Returns the saved webhook.
 */
export async function oweNumber(
  { clock, records, previous }: OwedDeps,
  held: HeldNumber,
  { why, isGone }: { why: string; isGone: boolean },
  signal: AbortSignal,
): Promise<Webhook | undefined> {
  const { phoneNumberSid, accountSid, number, namespace, namespaceUid, stream, name, uid, configured } = held;
  const own = await previous.keep(uid, held, signal);
  // If nothing is saved for the SmsNumber, then either an earlier attempt has made the number owed already, or this
  // SmsNumber held the number without ever setting its webhook. In the second case a webhook that is kept for the
  // number is from an earlier holder.
  const saved = own ?? (await previous.kept(held, signal));
  await records.owe({
    ...{ phoneNumberSid, accountSid, number, namespace, namespaceUid, stream, name, uid, why },
    sinceMs: clock.now(),
    // The URL that the operator set stays recorded while the SmsNumber exists and may still give the number back.
    // Texts still arrive at that URL, and the receiver goes on accepting them.
    ...(isGone ? { isGone } : configured === undefined ? {} : { configured }),
  });
  await previous.remove(uid, signal);
  return saved;
}

/**
 * Returns the webhook that is kept for a number, if the number is owed. For a number that is not owed, a kept
 * webhook is out of date and must not be restored.
 */
export async function keptWhileOwed(
  { records, previous }: Pick<OwedDeps, "records" | "previous">,
  number: NumberRef,
  signal: AbortSignal,
): Promise<Webhook | undefined> {
  return records.owed(number.phoneNumberSid) === undefined ? undefined : await previous.kept(number, signal);
}

/**
 * Makes a number no longer owed, for example after an SmsNumber has set the operator's webhook again, and deletes
 * the webhook that was kept for the number. Costs nothing if the number is not owed.
 */
export async function dropOwedIfAny(
  deps: Pick<OwedDeps, "records" | "previous">,
  phoneNumberSid: string,
  signal: AbortSignal,
): Promise<void> {
  const owed = deps.records.owed(phoneNumberSid);
  if (owed !== undefined) await dropOwed(deps, owed, signal);
}

/**
 * Makes a number no longer owed, and deletes the Secret with the webhook that was kept for the number. The Secret
 * is deleted first: only the record says that the Secret exists, so the other order could leave the Secret behind
 * for ever.
 */
export async function dropOwed(
  { records, previous }: Pick<OwedDeps, "records" | "previous">,
  number: NumberRef,
  signal: AbortSignal,
): Promise<void> {
  await previous.dropKept(number, signal);
  await records.dropOwed(number.phoneNumberSid);
}
