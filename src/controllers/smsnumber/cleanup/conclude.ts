/**
 * The second half of each ending: record it, then say it. The event comes last so that a process which ends in
 * between leaves the record, from which the next one tells it: a line twice is better than none.
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

/** Records how it ended, and returns the event that tells of it. Can be repeated. */
export async function conclude(
  deps: Finalization,
  ctx: ReconcileContext<SmsNumber>,
  { debt, ending }: DecidedEnding,
): Promise<EventNote> {
  const { held } = debt;
  switch (ending.do) {
    case "close":
      // By the status alone nobody knows whether something is kept for the number, so delete it unasked.
      if (debt.by === "status") await dropOwed(deps, held, ctx.signal);
      else await dropOwedIfAny(deps, held.phoneNumberSid, ctx.signal);
      // In a repeated attempt the claim may belong to the successor by now.
      if (deps.records.claimOf(held.uid)?.phoneNumberSid === held.phoneNumberSid)
        await deps.records.dropClaim(held.phoneNumberSid);
      // An earlier attempt may have changed the records in memory without getting them written; the calls above
      // then find nothing to do.
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

/** The number becomes owed, and its digits leave the route. */
async function owe(deps: Finalization, { signal }: ReconcileContext<SmsNumber>, { held }: Debt, why: string) {
  const saved = await oweNumber(deps, held, { why, isGone: true }, signal);
  await deps.refreshDigits(held.namespaceUid, held.stream);
  return saved;
}

/** Owes the number, then tells of it. */
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
 * Counts and logs it, and returns the event. The log line says all of it too: a namespace that is being deleted
 * takes no events.
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
