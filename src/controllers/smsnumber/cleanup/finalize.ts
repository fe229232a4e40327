import type { SmsNumber } from "../../../api/index.ts";
import type { Clock } from "../../../clock.ts";
import { Failure } from "../../../errors.ts";
import type { ReconcileContext } from "../../../kube/controller.ts";
import type { EventNote } from "../../../kube/summarise.ts";
import type { Webhook } from "../../../twilio/webhook.ts";
import type { HeldNumber } from "../../records/record.ts";
import type { Finalization } from "../deps.ts";
import { forgetOwed, oweNumber, settleOwed } from "../previous/owed.ts";
import { unlessForbidden } from "../previous/previous-webhooks.ts";
import { type Debt, debtsOf, heldByStatus, UNKNOWN_ACCOUNT } from "./debts.ts";
import { type Ended, Endings } from "./endings.ts";
import { type Ending, giveBack, leaveObserved } from "./give-back.ts";
import { beforeUs, formerHostOf, type LetGo, letGoEvent, letGoFields } from "./let-go.ts";

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
 * is under way as well: a call, and the waiting for one. What was not given back is told, counted and kept. It is done when all
 * of that is durable: an attempt that fails in between is repeated from what it had decided.
 */
export function smsNumberFinalizer(deps: Finalization, endings = new Endings()) {
  return async function finalize(ctx: ReconcileContext<SmsNumber>): Promise<Finalized> {
    if (!(await recordsAreRead(deps, ctx))) return await letGoUnrecorded(deps, ctx);
    const uid = ctx.object.metadata.uid!;
    for (const ended of endings.of(uid)) ended.event ??= await conclude(deps, ctx, ended);
    const decided = new Set(endings.of(uid).map(({ debt }) => debt.held.phoneNumberSid));
    for (const debt of await debtsOf(deps, ctx, { forced: isForced(ctx.object), decided })) {
      const ended: Ended = { debt, ending: await endingOf(deps, ctx, debt) };
      endings.add(uid, ended);
      ended.event = await conclude(deps, ctx, ended);
    }
    await leaveToHolders(deps, uid);
    await deps.previous.remove(uid, ctx.signal);
    wakeOthers(deps, ctx.object);
    return { done: true, events: endings.of(uid).flatMap(({ event }) => event ?? []) };
  };
}

/** A deletion waits for the records as for Twilio, and this long in any case: at a start they come within a moment. */
const RECORDS_WAIT_MS = 2000;

/**
 * False: they have not come in all the time that the deletion may wait, as when one of their Secrets is damaged. Throws while it
 * may wait and is urgent all the same: there are few places for what is urgent.
 */
async function recordsAreRead(
  deps: Finalization,
  { object, signal }: ReconcileContext<SmsNumber>,
): Promise<boolean> {
  const leftMs = () => (isForced(object) ? 0 : deps.seen.deletionLeftMs(object));
  const mayWaitMs = urgentInMs(object, leftMs) ?? 0;
  const deadline = abortingAfter(deps.clock, Math.max(mayWaitMs, RECORDS_WAIT_MS));
  try {
    await deps.recordsLoaded(AbortSignal.any([signal, deadline.signal]));
    return true;
  } catch (error) {
    if (signal.aborted || !deadline.signal.aborted) throw error;
    if (mayWaitMs > 0 || leftMs() <= 0) return false;
    throw new Failure("RoutesNotLoaded", "waiting for the operator's own records, which its log tells of");
  } finally {
    deadline.cancel();
  }
}

/**
 * Nobody knows what it held but its status. Nothing is recorded: what is written before the records are read would take their
 * place. Once they are, the upkeep finds in them that the SmsNumber is gone.
 */
async function letGoUnrecorded(deps: Finalization, ctx: ReconcileContext<SmsNumber>): Promise<Finalized> {
  const { object, signal } = ctx;
  const held = heldByStatus(object);
  if (held === undefined) return { done: true, events: [] };
  const letGo = isForced(object)
    ? forced
    : { reason: "RoutesNotLoaded", why: "gave up after waiting for the operator's own records" };
  const saved = await unlessForbidden(deps.previous.keep(held.uid, held, signal));
  if (saved !== undefined) await deps.previous.remove(held.uid, signal);
  const event = told(deps, ctx, { held, letGo, saved });
  wakeOthers(deps, object);
  return { done: true, events: [event] };
}

/** What it owed and another SmsNumber holds by now is that one's to give back; nobody waits for this one any more. */
async function leaveToHolders({ records }: Finalization, uid: string): Promise<void> {
  for (const owed of records.owedOf(uid))
    if (owed.isGone !== true) await records.owe({ ...owed, isGone: true });
    else await records.settled(owed);
}

const forced: LetGo = { reason: "ForceDelete", why: `${FORCE_DELETE_ANNOTATION} asked to let go` };
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
  if (isForced(object)) return { do: "letGo", letGo: forced };
  if (object.spec.managementPolicy === "Observe") return leaveObserved(deps, object, debt);
  const deadline = abortingAfter(deps.clock, deps.seen.deletionLeftMs(object));
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

/** Aborts as a time-out does when the deletion has waited long enough. */
function abortingAfter(clock: Clock, left: number) {
  const controller = new AbortController();
  const end = () => controller.abort(new DOMException("the deletion has waited long enough", "TimeoutError"));
  if (left <= 0) end();
  return { signal: controller.signal, cancel: left <= 0 ? () => {} : clock.after(left, end) };
}

/** Records how it ended, and gives the event that tells of it. */
async function conclude(
  deps: Finalization,
  ctx: ReconcileContext<SmsNumber>,
  { debt, ending }: Ended,
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
function told(
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

/** Who waits for the number or the stream. */
function wakeOthers(deps: Finalization, { metadata, spec }: SmsNumber) {
  const { namespace = "", uid } = metadata;
  const waiting = [
    ...deps.seen.numbersWithDigits(spec.number),
    ...deps.seen.numbersOfStream(namespace, spec.workStreamRef.name),
  ];
  for (const { metadata: other } of waiting)
    if (other.uid !== uid) deps.wake.number(other.namespace!, other.name);
  deps.wake.stream(namespace, spec.workStreamRef.name);
}
