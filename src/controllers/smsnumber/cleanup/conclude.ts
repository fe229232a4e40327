import type { SmsNumber } from "../../../api/index.ts";
import type { ReconcileContext } from "../../../kube/controller.ts";
import type { EventNote } from "../../../kube/summarise.ts";
import type { Webhook } from "../../../twilio/webhook.ts";
import type { HeldNumber } from "../../records/record.ts";
import type { Finalization } from "../deps.ts";
import { forgetOwed, oweNumber, settleOwed } from "../previous/owed.ts";
import { type Debt, UNKNOWN_ACCOUNT } from "./debts.ts";
import type { DecidedEnding } from "./endings.ts";
import { beforeUs, formerHostOf, type LetGo, letGoEvent, letGoFields } from "./let-go.ts";

/** Records how it ended, and gives the event that tells of it. */
export async function conclude(
  deps: Finalization,
  ctx: ReconcileContext<SmsNumber>,
  { debt, ending }: DecidedEnding,
): Promise<EventNote> {
  const { held } = debt;
  switch (ending.do) {
    case "settle":
      if (debt.by === "status") await forgetOwed(deps, held, ctx.signal);
      else await settleOwed(deps, held.phoneNumberSid, ctx.signal);
      // Another may have it by now, if this is not the first try.
      if (deps.records.claimOf(held.uid)?.phoneNumberSid === held.phoneNumberSid)
        await deps.records.dropClaim(held.phoneNumberSid);
      // The try before this one may have changed the records without making that durable.
      await deps.records.settled(held);
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

async function owe(deps: Finalization, { signal }: ReconcileContext<SmsNumber>, { held }: Debt, why: string) {
  const saved = await oweNumber(deps, held, { why, isGone: true }, signal);
  await deps.refreshDigits(held.namespaceUid, held.stream);
  return saved;
}

async function tell(
  deps: Finalization,
  ctx: ReconcileContext<SmsNumber>,
  debt: Debt,
  letGo: LetGo,
): Promise<EventNote> {
  const saved = await owe(deps, ctx, debt, letGo.reason);
  return told(deps, ctx, { held: debt.held, letGo, saved });
}

/** In a namespace that goes no event is taken, so the log line says all of it. */
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
