/**
 * How a number becomes owed and stops being so (ADR 31). A number is owed when nobody holds it and its webhook was
 * not given back: it may still lead to this cluster, and what was there before must wait for the next holder. Each
 * function can be repeated after it was cut off at any point; the order of the writes inside sees to that.
 */

import type { Clock } from "../../../clock.ts";
import type { Webhook } from "../../../twilio/webhook.ts";
import type { HeldNumber } from "../../records/record.ts";
import type { Records } from "../../records/records.ts";
import type { NumberRef, PreviousWebhooks } from "./previous-webhooks.ts";

/** Where the record stands, and where the webhook is kept. */
export interface OwedDeps {
  clock: Clock;
  records: Records;
  previous: PreviousWebhooks;
}

/**
 * The holder lets the number go without giving it back. Moves the saved webhook from the SmsNumber to the number,
 * records the number as owed (which ends the claim in the same write), then deletes the first copy. Returns the
 * saved webhook.
 */
export async function oweNumber(
  { clock, records, previous }: OwedDeps,
  held: HeldNumber,
  { why, isGone }: { why: string; isGone: boolean },
  signal: AbortSignal,
): Promise<Webhook | undefined> {
  const { phoneNumberSid, accountSid, number, namespace, namespaceUid, stream, name, uid, configured } = held;
  const own = await previous.keep(uid, held, signal);
  // Nothing under the SmsNumber: it is owed already, or this object held the number without ever pointing it at us.
  // What is kept is then from the holder before.
  const saved = own ?? (await previous.kept(held, signal));
  await records.owe({
    ...{ phoneNumberSid, accountSid, number, namespace, namespaceUid, stream, name, uid, why },
    sinceMs: clock.now(),
    // The URL is recorded as long as the SmsNumber may still give the number back: texts arrive by it, and the
    // receiver keeps taking them.
    ...(isGone ? { isGone } : configured === undefined ? {} : { configured }),
  });
  await previous.remove(uid, signal);
  return saved;
}

/**
 * What is kept for a number that is owed. A Secret of one that is not owed is a leftover from an earlier time with
 * us, and must not be restored.
 */
export async function keptWhileOwed(
  { records, previous }: Pick<OwedDeps, "records" | "previous">,
  number: NumberRef,
  signal: AbortSignal,
): Promise<Webhook | undefined> {
  return records.owed(number.phoneNumberSid) === undefined ? undefined : await previous.kept(number, signal);
}

/**
 * The number is held and pointed at us again: what was kept for it is history. Costs nothing where nothing is owed.
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
 * It was given back. The Secret goes first: only the record tells that there is one, so the other order could leave
 * a Secret behind for ever.
 */
export async function dropOwed(
  { records, previous }: Pick<OwedDeps, "records" | "previous">,
  number: NumberRef,
  signal: AbortSignal,
): Promise<void> {
  await previous.dropKept(number, signal);
  await records.dropOwed(number.phoneNumberSid);
}
