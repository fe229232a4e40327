/**
 * The second half of a deletion, once it is decided how the deletion ends for a number: record the ending, then
 * report it with an event. If the process ends between the record and the event, the next process reports the
 * ending from the record. An event that appears twice is better than none.
 */

import type { SmsNumber } from "../../../api/index.ts";
import type { ReconcileContext } from "../../../kube/controller/controller.ts";
import type { EventNote } from "../../../kube/status/summarise.ts";
import type { Webhook } from "../../../twilio/webhook.ts";
import type { HeldNumber } from "../../records/record.ts";
import type { Finalization } from "../deps.ts";
import { dropOwed, dropOwedIfAny, oweNumber } from "../previous/owed.ts";
import { type Debt, UNKNOWN_ACCOUNT } from "./debts.ts";
import type { DecidedEnding } from "./endings.ts";
import { beforeUs, formerHostOf, type LetGo, letGoEvent, letGoFields } from "./let-go.ts";

/** Records how the deletion ended for one number, and returns the event that reports it. Can be repeated. */
export async function conclude(
  deps: Finalization,
  ctx: ReconcileContext<SmsNumber>,
  { debt, ending }: DecidedEnding,
): Promise<EventNote> {
  const { held } = debt;
  switch (ending.do) {
    case "close":
      // When only the SmsNumber's status names the number, it is unknown whether a saved webhook is kept for the
      // number. So delete the saved webhook in case there is one.
      if (debt.by === "status") await dropOwed(deps, held, ctx.signal);
      else await dropOwedIfAny(deps, held.phoneNumberSid, ctx.signal);
      // An earlier attempt may have ended the claim already. Then a successor may hold the number, and the
      // successor's claim stays.
      if (deps.records.claimOf(held.uid)?.phoneNumberSid === held.phoneNumberSid)
        await deps.records.dropClaim(held.phoneNumberSid);
      // An earlier attempt may have changed the records in memory and then failed to write them. The calls above
      // then find nothing left to do, so make sure here that the records are written.
      await deps.records.durable(held);
      await deps.refreshDigits(held.namespaceUid, held.stream);
      return ending.note;
    case "retain": {
      const saved = await owe(deps, ctx, debt, "Retain");
      const formerHost = saved === undefined ? undefined : formerHostOf(saved);
      return { ...ending.note, message: `${ending.note.message}; ${beforeUs(formerHost)}` };
    }
    case "letGo":
      return await tell(deps, ctx, debt, ending.letGo);
  }
}

/** Makes the number owed, and removes its digits from the route. */
async function owe(deps: Finalization, { signal }: ReconcileContext<SmsNumber>, { held }: Debt, why: string) {
  const saved = await oweNumber(deps, held, { why, isGone: true }, signal);
  await deps.refreshDigits(held.namespaceUid, held.stream);
  return saved;
}

/** Makes the number owed, then reports that it was let go. */
async function tell(
  deps: Finalization,
  ctx: ReconcileContext<SmsNumber>,
  debt: Debt,
  letGo: LetGo,
): Promise<EventNote> {
  const saved = await owe(deps, ctx, debt, letGo.reason);
  return told(deps, ctx, { held: debt.held, letGo, saved });
}

/**
 * Counts and logs that a number was let go, and returns the event. The log line repeats all that the event says,
 * because a namespace that is being deleted accepts no events.
 */
export function told(
  deps: Finalization,
  ctx: ReconcileContext<SmsNumber>,
  { held, letGo, saved }: { held: HeldNumber; letGo: LetGo; saved: Webhook | undefined },
): EventNote {
  const left = {
    number: held.number,
    phoneNumberSid: held.phoneNumberSid,
    accountSid: held.accountSid === UNKNOWN_ACCOUNT ? undefined : held.accountSid,
    formerHost: saved === undefined ? undefined : formerHostOf(saved),
    keptIn: saved === undefined ? undefined : deps.previous.keptIn(held),
  };
  deps.metrics.countLetGo(letGo.reason);
  ctx.log.warn(
    letGoFields(letGo, left),
    "number let go; its webhook at twilio may still lead to this cluster",
  );
  return letGoEvent(letGo, left);
}
