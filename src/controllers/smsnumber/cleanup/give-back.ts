/**
 * What a deletion does at Twilio for one number. It first looks whether the number still leads to us: somebody may
 * have pointed it elsewhere, and that must not be undone.
 */

import { effectiveNumber } from "../../../api/effective.ts";
import type { SmsNumber } from "../../../api/index.ts";
import { Failure } from "../../../errors.ts";
import type { ReconcileContext } from "../../../kube/controller/controller.ts";
import type { EventNote } from "../../../kube/status/summarise.ts";
import type { CallOptions, PhoneNumber } from "../../../twilio/twilio.ts";
import { type Webhook, webhookOf } from "../../../twilio/webhook.ts";
import type { AccountView } from "../../accounts/account-view.ts";
import { findIn } from "../../accounts/snapshot.ts";
import type { Finalization } from "../deps.ts";
import { keptWhileOwed } from "../previous/owed.ts";
import { callOptions, isOursOrWas, leadsHere } from "../work.ts";
import { accountOf, type Debt } from "./debts.ts";
import { formerHostOf, type LetGo } from "./let-go.ts";
import { type DeletionPlan, planDeletion } from "./plan.ts";
import { successorOf } from "./successor.ts";

/** How a deletion ends for one number. */
export type Ending =
  /** Nothing of ours is left at Twilio, or another SmsNumber takes it over: what was saved may go. */
  | { do: "close"; note: EventNote }
  /** It stays as we set it because its object asks for that; what was saved is kept. */
  | { do: "retain"; note: EventNote }
  /** It stays as we set it although nobody wanted that; what was saved is kept. */
  | { do: "letGo"; letGo: LetGo };

/**
 * Puts the webhook back as the object's deletionPolicy says. Throws the `Failure` that prevented it; `deadline`
 * ends a call under way.
 */
export async function giveBack(
  deps: Finalization,
  ctx: ReconcileContext<SmsNumber>,
  debt: Debt,
  deadline: AbortSignal,
): Promise<Ending> {
  const { held } = debt;
  const work = { deps, object: ctx.object };
  const policy = effectiveNumber(ctx.object).deletionPolicy;
  // The `change` lane: a person who deletes something is waiting.
  const options = { ...callOptions(ctx, deadline), lane: "change" as const };
  // Retain changes nothing at Twilio, so it needs neither credentials nor an answer.
  const account = policy === "Retain" ? undefined : accountOf(deps, held);
  const number =
    account === undefined ? null : await account.fetch(ctx.object.spec.type, held.phoneNumberSid, options);
  const saved = await savedFor(deps, debt, ctx.signal);
  const successor = successorOf(deps, ctx.object, held);
  const step = planDeletion({
    policy,
    seen: number === null ? null : webhookOf(number),
    saved,
    isOurs: (url) => isOursOrWas(work, url),
    successor: successor !== undefined,
  });
  switch (step.do) {
    case "handOver":
      if (saved !== undefined) await deps.previous.save(successor!.metadata.uid!, saved, ctx.signal);
      return { do: "close", note: step.event };
    case "leave":
      if (step.letGo !== undefined) return { do: "letGo", letGo: step.letGo };
      return { do: policy === "Retain" ? "retain" : "close", note: step.event };
    case "set":
      return { do: "close", note: await set(deps, ctx, account!, number!, step, options) };
  }
}

/**
 * With `managementPolicy: Observe` nothing may be changed, so Twilio is not asked. The last reading tells whether
 * the number still leads to us, and with that whether there is something to owe.
 */
export function leaveObserved(deps: Finalization, object: SmsNumber, { held }: Debt): Ending {
  const snapshot = deps.streams.get(`${held.namespace}/${held.stream}`)?.account?.latest;
  const seen = snapshot === undefined ? undefined : findIn(snapshot, object.spec);
  const isElsewhere = seen?.sid === held.phoneNumberSid && !leadsHere({ deps, object }, webhookOf(seen));
  if (isElsewhere)
    return {
      do: "close",
      note: {
        type: "Normal",
        reason: "WebhookLeft",
        message: "the webhook at Twilio is no longer ours and was left as it is",
      },
    };
  return {
    do: "letGo",
    letGo: { reason: "Observing", why: "managementPolicy: Observe forbids changing it" },
  };
}

/** The webhook from before us: stored for the SmsNumber, or kept for the number since an earlier holder. */
async function savedFor(
  deps: Finalization,
  { held, by }: Debt,
  signal: AbortSignal,
): Promise<Webhook | undefined> {
  const own = await deps.previous.read(held.uid, signal);
  if (own !== undefined) return own;
  return by === "status" ? await deps.previous.kept(held, signal) : await keptWhileOwed(deps, held, signal);
}

/** Makes the one update, or the planned fallback where Twilio refuses the first as wrong. */
async function set(
  deps: Finalization,
  ctx: ReconcileContext<SmsNumber>,
  account: AccountView,
  number: PhoneNumber,
  step: Extract<DeletionPlan, { do: "set" }>,
  options: CallOptions,
): Promise<EventNote> {
  const change = async (webhook: Webhook) => {
    const answer = await account.update(number, webhook, options);
    // A cache or a proxy that only lets reads through: whatever the status code says, Twilio has not done it.
    if (leadsHere({ deps, object: ctx.object }, webhookOf(answer)))
      throw new Failure(
        "TwilioUnavailable",
        "Twilio accepted the update but did not change SmsUrl; the operator tries again later",
      );
    account.noteUpdated(answer);
  };
  try {
    await change(step.webhook);
    return step.event;
  } catch (error) {
    const { fallback } = step;
    if (fallback === undefined || !(error instanceof Failure) || error.reason !== "TwilioRejected")
      throw error;
    // What was there before is no longer acceptable to Twilio, for example an application that was deleted since. A
    // number without a webhook is better than one that leads to a stream that is gone.
    await change(fallback.webhook);
    const formerHost = formerHostOf(step.webhook);
    ctx.log.warn(
      { reason: error.reason, number: ctx.object.spec.number, formerHost },
      "twilio refused the webhook from before; it was cleared instead",
    );
    return fallback.event;
  }
}
