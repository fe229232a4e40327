/**
 * The changes that a deletion makes at Twilio for one number. The deletion first checks whether the number still
 * leads to this operator: somebody may have pointed the number elsewhere, and the deletion must not undo that.
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
import { callOptions } from "../attempt.ts";
import type { Finalization } from "../deps.ts";
import { isOursOrWas, leadsHere } from "../ours.ts";
import { keptWhileOwed } from "../previous/owed.ts";
import { accountOf, type Debt } from "./debts.ts";
import { formerHostOf, type LetGo } from "./let-go.ts";
import { type DeletionPlan, planDeletion } from "./plan.ts";
import { successorOf } from "./successor.ts";

/** How a deletion ends for one number. */
export type Ending =
  /**
   * The operator's webhook is gone from Twilio, or another SmsNumber takes the number over. The saved webhook may
   * be deleted.
   */
  | { do: "close"; note: EventNote }
  /**
   * The operator's webhook stays at Twilio because the SmsNumber's spec asks for that. The saved webhook is kept.
   */
  | { do: "retain"; note: EventNote }
  /** The operator's webhook stays at Twilio although nobody wanted that. The saved webhook is kept. */
  | { do: "letGo"; letGo: LetGo };

/**
 * Puts the webhook back as the SmsNumber's deletionPolicy says. Throws a `Failure` if that is not possible. When
 * `deadline` aborts, a call in progress ends.
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
  // The calls use the lane `change`, since a person who deletes something is waiting.
  const options = { ...callOptions(ctx, deadline), lane: "change" as const };
  // With Retain nothing changes at Twilio, so neither credentials nor an answer from Twilio are needed.
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
      return {
        do: "close",
        note: await set(deps, ctx, { account: account!, number: number!, step }, options),
      };
  }
}

/**
 * Decides how a deletion ends when the SmsNumber has `managementPolicy: Observe`. That policy forbids changes, so Twilio
 * is not called. The last reading of the account shows whether the number still leads to this operator, and so whether
 * the number becomes owed.
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
        message: "the webhook at Twilio no longer leads to this operator and was left as it is",
      },
    };
  return {
    do: "letGo",
    letGo: { reason: "Observing", why: "managementPolicy: Observe forbids changing it" },
  };
}

/**
 * Returns the webhook that the number had before this operator. It was saved for this SmsNumber, or it was kept for
 * the number when an earlier holder let the number go.
 */
async function savedFor(
  deps: Finalization,
  { held, by }: Debt,
  signal: AbortSignal,
): Promise<Webhook | undefined> {
  const own = await deps.previous.read(held.uid, signal);
  if (own !== undefined) return own;
  return by === "status" ? await deps.previous.kept(held, signal) : await keptWhileOwed(deps, held, signal);
}

/** An update at Twilio that `planDeletion` has decided. */
interface PlannedUpdate {
  account: AccountView;
  number: PhoneNumber;
  step: Extract<DeletionPlan, { do: "set" }>;
}

/** Makes the planned update, or the planned fallback if Twilio rejects the update as invalid. */
async function set(
  deps: Finalization,
  ctx: ReconcileContext<SmsNumber>,
  { account, number, step }: PlannedUpdate,
  options: CallOptions,
): Promise<EventNote> {
  const change = async (webhook: Webhook) => {
    const answer = await account.update(number, webhook, options);
    // If the number in Twilio's answer still leads to this operator, Twilio has not made the change, whatever the
    // status code says. A cache, or a proxy that only passes reads on, can cause this.
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
    // Twilio no longer accepts the saved webhook, for example because its application was deleted. A number without
    // a webhook is better than a number that leads to a WorkStream that is gone.
    await change(fallback.webhook);
    const formerHost = formerHostOf(step.webhook);
    ctx.log.warn(
      { reason: error.reason, number: ctx.object.spec.number, formerHost },
      "twilio refused the number's former webhook; the webhook was cleared instead",
    );
    return fallback.event;
  }
}
