import type { SmsNumber } from "../../api/index.ts";
import { Failure } from "../../errors.ts";
import type { ReconcileContext } from "../../kube/controller.ts";
import type { EventNote } from "../../kube/summarise.ts";
import { type Debt, debtsOf, UNKNOWN_ACCOUNT } from "./debts.ts";
import type { Finalization } from "./deps.ts";
import { type Ending, giveBack, leaveObserved } from "./give-back.ts";
import { beforeUs, formerHostOf, type LetGo, letGoEvent, letGoFields } from "./let-go.ts";
import { forgetOwed, oweNumber, settleOwed } from "./owed.ts";

/** Ends the wait for Twilio at once. */
export const FORCE_DELETE_ANNOTATION = "smschannel.dev/force-delete";

/** The finalizer may go. */
export interface Finalized {
  done: true;
  events: EventNote[];
}

/**
 * Gives a number's webhook back before its SmsNumber goes. Never stands in the way for long: what no waiting will mend lets go
 * at once with a warning, an outage of Twilio after DELETE_TIMEOUT; until then it throws the Failure. The time-out ends what
 * is under way as well: a call, and the waiting for one. What was not given back is told, counted and kept.
 */
export function smsNumberFinalizer(deps: Finalization) {
  return async function finalize(ctx: ReconcileContext<SmsNumber>): Promise<Finalized> {
    const events: EventNote[] = [];
    for (const debt of await debtsOf(deps, ctx, { forced: isForced(ctx.object) }))
      events.push(await conclude(deps, ctx, debt, await endingOf(deps, ctx, debt)));
    await deps.previous.remove(ctx.object.metadata.uid!, ctx.signal);
    wakeOthers(deps, ctx.object);
    return { done: true, events };
  };
}

const isForced = ({ metadata }: SmsNumber) => metadata.annotations?.[FORCE_DELETE_ANNOTATION] === "true";

/**
 * In how many milliseconds a deletion may wait for Twilio no more, 0 or less for now: its time-out is over, it is forced, or it
 * changes nothing there. Undefined while there is no deletion.
 */
export function urgentInMs(number: SmsNumber, leftMs: () => number): number | undefined {
  const { metadata, spec } = number;
  if (metadata.deletionTimestamp === undefined) return undefined;
  const changesNothing = spec.deletionPolicy === "Retain" || spec.managementPolicy === "Observe";
  return isForced(number) || changesNothing ? 0 : leftMs();
}

async function endingOf(deps: Finalization, ctx: ReconcileContext<SmsNumber>, debt: Debt): Promise<Ending> {
  const { object } = ctx;
  if (isForced(object))
    return {
      do: "letGo",
      letGo: { reason: "ForceDelete", why: `${FORCE_DELETE_ANNOTATION} asked to let go` },
    };
  if (object.spec.managementPolicy === "Observe") return leaveObserved(deps, object, debt);
  const deadline = deadlineOf(deps, object);
  try {
    return await giveBack(deps, ctx, debt, deadline.signal);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { reason, message } = error;
    if (error.class !== "transient") return { do: "letGo", letGo: { reason, why: message } };
    if (!deadline.signal.aborted) throw error;
    return { do: "letGo", letGo: { reason, why: `gave up after waiting for Twilio: ${message}` } };
  } finally {
    deadline.cancel();
  }
}

/** Aborts as a time-out does when the deletion has waited long enough for Twilio. */
function deadlineOf({ clock, deletionLeftMs }: Finalization, object: SmsNumber) {
  const controller = new AbortController();
  const end = () => controller.abort(new DOMException("the deletion has waited long enough", "TimeoutError"));
  const left = deletionLeftMs(object);
  if (left <= 0) end();
  return { signal: controller.signal, cancel: left <= 0 ? () => {} : clock.after(left, end) };
}

/** Records how it ended, and gives the event that tells of it. */
async function conclude(
  deps: Finalization,
  ctx: ReconcileContext<SmsNumber>,
  debt: Debt,
  ending: Ending,
): Promise<EventNote> {
  const { held } = debt;
  switch (ending.do) {
    case "settle":
      if (debt.by === "status") await forgetOwed(deps, held, ctx.signal);
      else await settleOwed(deps, held.phoneNumberSid, ctx.signal);
      if (debt.by === "claim") await deps.records.dropClaim(held.phoneNumberSid);
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

/** In a namespace that goes no event is taken, so the log line says all of it. */
async function tell(
  deps: Finalization,
  ctx: ReconcileContext<SmsNumber>,
  debt: Debt,
  letGo: LetGo,
): Promise<EventNote> {
  const { held } = debt;
  const saved = await owe(deps, ctx, debt, letGo.reason);
  const left = {
    number: held.number,
    phoneNumberSid: held.phoneNumberSid,
    accountSid: held.accountSid === UNKNOWN_ACCOUNT ? undefined : held.accountSid,
    formerHost: saved === undefined ? undefined : formerHostOf(saved),
    keptIn: saved === undefined ? undefined : deps.previous.keptIn(held),
  };
  deps.countLetGo(letGo.reason);
  ctx.log.warn(
    letGoFields(letGo, left),
    "number let go; its webhook at twilio may still lead to this cluster",
  );
  return letGoEvent(letGo, left);
}

/** Who waits for the number or the stream. */
function wakeOthers(deps: Finalization, { metadata, spec }: SmsNumber) {
  const { namespace = "", uid } = metadata;
  const waiting = [
    ...deps.numbersWithDigits(spec.number),
    ...deps.numbersOfStream(namespace, spec.workStreamRef.name),
  ];
  for (const { metadata: other } of waiting)
    if (other.uid !== uid) deps.wakeNumber(other.namespace!, other.name);
  deps.wakeStream(namespace, spec.workStreamRef.name);
}
