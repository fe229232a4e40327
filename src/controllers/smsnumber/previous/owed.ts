import type { Clock } from "../../../clock.ts";
import type { Webhook } from "../../../twilio/webhook.ts";
import type { HeldNumber } from "../../records/record.ts";
import type { Records } from "../../records/records.ts";
import type { NumberRef, PreviousWebhooks } from "./previous-webhooks.ts";

export interface OwedDeps {
  clock: Clock;
  records: Records;
  previous: PreviousWebhooks;
}

/**
 * Its holder lets the number go, and it is not given back: from now on it is owed, and what was saved for it waits for whoever
 * holds it next. Gives that. May be repeated after it was cut off at any point.
 */
export async function oweNumber(
  { clock, records, previous }: OwedDeps,
  held: HeldNumber,
  { why, isGone }: { why: string; isGone: boolean },
  signal: AbortSignal,
): Promise<Webhook | undefined> {
  const { phoneNumberSid, accountSid, number, namespace, namespaceUid, stream, name, uid, configured } = held;
  const own = await previous.keep(uid, held, signal);
  // It is owed already, or this one held it and never pointed it at us: what is kept is from the one before.
  const saved = own ?? (await previous.kept(held, signal));
  await records.owe({
    ...{ phoneNumberSid, accountSid, number, namespace, namespaceUid, stream, name, uid, why },
    sinceMs: clock.now(),
    // The URL that it points at is kept for as long as its SmsNumber may still give it back.
    ...(isGone ? { isGone } : configured === undefined ? {} : { configured }),
  });
  await previous.remove(uid, signal);
  return saved;
}

/** What is kept for a number that is owed. Of one that is not, it would be from an earlier time with us. */
export async function keptWhileOwed(
  { records, previous }: Pick<OwedDeps, "records" | "previous">,
  number: NumberRef,
  signal: AbortSignal,
): Promise<Webhook | undefined> {
  return records.owed(number.phoneNumberSid) === undefined ? undefined : await previous.kept(number, signal);
}

/** The number is held again: what was kept for it meanwhile is history. Costs nothing where nothing is owed. */
export async function settleOwed(
  deps: Pick<OwedDeps, "records" | "previous">,
  phoneNumberSid: string,
  signal: AbortSignal,
): Promise<void> {
  const owed = deps.records.owed(phoneNumberSid);
  if (owed !== undefined) await forgetOwed(deps, owed, signal);
}

/** It was given back. What is kept goes first, as only the record tells of it. */
export async function forgetOwed(
  { records, previous }: Pick<OwedDeps, "records" | "previous">,
  number: NumberRef,
  signal: AbortSignal,
): Promise<void> {
  await previous.forget(number, signal);
  await records.dropOwed(number.phoneNumberSid);
}
