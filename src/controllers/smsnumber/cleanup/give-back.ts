import type { SmsNumber } from "../../../api/index.ts";
import { Failure } from "../../../errors.ts";
import type { ReconcileContext } from "../../../kube/controller.ts";
import type { EventNote } from "../../../kube/summarise.ts";
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

/** How a deletion ends for a number. */
export type Ending =
  /** Nothing of ours is left at Twilio, or the next one has it: what was saved may go. */
  | { do: "settle"; note: EventNote }
  /** It stays as we set it, as its object asks; what was saved is kept. */
  | { do: "retain"; note: EventNote }
  /** It stays as we set it, and nobody wanted that; what was saved is kept. */
  | { do: "letGo"; letGo: LetGo };

/** Puts the webhook back as the object's policy says. Throws the Failure that came in the way. */
export async function giveBack(
  deps: Finalization,
  ctx: ReconcileContext<SmsNumber>,
  debt: Debt,
  deadline: AbortSignal,
): Promise<Ending> {
  const { held } = debt;
  const work = { deps, object: ctx.object };
  const policy = ctx.object.spec.deletionPolicy ?? "Restore";
  const options = { ...callOptions(ctx, deadline), lane: "change" as const };
  // Who changes nothing at Twilio asks nothing there, and waits for nothing.
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
      return { do: "settle", note: step.event };
    case "leave":
      if (step.letGo !== undefined) return { do: "letGo", letGo: step.letGo };
      return { do: policy === "Retain" ? "retain" : "settle", note: step.event };
    case "set":
      return { do: "settle", note: await set(deps, ctx, account!, number!, step, options) };
  }
}

/**
 * The number's own webhook while its SmsNumber may change nothing. The last look at the account tells whether it still leads
 * to us; Twilio is not asked, since nothing depends on it.
 */
export function leaveObserved(deps: Finalization, object: SmsNumber, { held }: Debt): Ending {
  const snapshot = deps.streams.get(`${held.namespace}/${held.stream}`)?.account?.latest;
  const seen = snapshot === undefined ? undefined : findIn(snapshot, object.spec);
  const isElsewhere = seen?.sid === held.phoneNumberSid && !leadsHere({ deps, object }, webhookOf(seen));
  if (isElsewhere)
    return {
      do: "settle",
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
    // A cache, or something that only lets reads through: Twilio has not done it, whatever the answer says.
    if (leadsHere({ deps, object: ctx.object }, webhookOf(answer)))
      throw new Failure("TwilioUnavailable", "Twilio took the update but kept SmsUrl; tried again later");
    account.noteUpdated(answer);
  };
  try {
    await change(step.webhook);
    return step.event;
  } catch (error) {
    const { fallback } = step;
    if (fallback === undefined || !(error instanceof Failure) || error.reason !== "TwilioRejected")
      throw error;
    // What was there is no longer acceptable to Twilio (an application since deleted, say): better nothing than us.
    await change(fallback.webhook);
    const formerHost = formerHostOf(step.webhook);
    ctx.log.warn(
      { reason: error.reason, number: ctx.object.spec.number, formerHost },
      "twilio refused the webhook from before; it was cleared instead",
    );
    return fallback.event;
  }
}
