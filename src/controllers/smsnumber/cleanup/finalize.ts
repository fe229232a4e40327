import type { SmsNumber } from "../../../api/index.ts";
import { Failure } from "../../../errors.ts";
import type { ReconcileContext } from "../../../kube/controller.ts";
import type { EventNote } from "../../../kube/summarise.ts";
import type { Finalization } from "../deps.ts";
import { unlessForbidden } from "../previous/previous-webhooks.ts";
import { wakeOthers } from "../work.ts";
import { conclude, told } from "./conclude.ts";
import { type Debt, debtsOf, heldByStatus } from "./debts.ts";
import { type DecidedEnding, Endings } from "./endings.ts";
import { type Ending, giveBack, leaveObserved } from "./give-back.ts";
import { type LetGo, letGoAfter } from "./let-go.ts";
import { abortingAfter, FORCE_DELETE_ANNOTATION, isForced, urgentInMs } from "./patience.ts";

/** The finalizer may go. */
export interface CleanedUp {
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
  return async function finalize(ctx: ReconcileContext<SmsNumber>): Promise<CleanedUp> {
    if (!(await recordsAreRead(deps, ctx))) return await letGoUnrecorded(deps, ctx);
    const uid = ctx.object.metadata.uid!;
    for (const ended of endings.of(uid)) ended.event ??= await conclude(deps, ctx, ended);
    const decided = new Set(endings.of(uid).map(({ debt }) => debt.held.phoneNumberSid));
    for (const debt of await debtsOf(deps, ctx, { forced: isForced(ctx.object), decided })) {
      const ended: DecidedEnding = { debt, ending: await endingOf(deps, ctx, debt) };
      endings.add(uid, ended);
      ended.event = await conclude(deps, ctx, ended);
    }
    await leaveToHolders(deps, uid);
    await deps.previous.remove(uid, ctx.signal);
    wakeWaiting(deps, ctx.object);
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
async function letGoUnrecorded(deps: Finalization, ctx: ReconcileContext<SmsNumber>): Promise<CleanedUp> {
  const { object, signal } = ctx;
  const held = heldByStatus(object);
  if (held === undefined) return { done: true, events: [] };
  const letGo = isForced(object)
    ? forced
    : { reason: "RoutesNotLoaded", why: "gave up after waiting for the operator's own records" };
  const saved = await unlessForbidden(deps.previous.keep(held.uid, held, signal));
  if (saved !== undefined) await deps.previous.remove(held.uid, signal);
  const event = told(deps, ctx, { held, letGo, saved });
  wakeWaiting(deps, object);
  return { done: true, events: [event] };
}

/** What it owed and another SmsNumber holds by now is that one's to give back; nobody waits for this one any more. */
async function leaveToHolders({ records }: Finalization, uid: string): Promise<void> {
  for (const owed of records.owedOf(uid))
    if (owed.isGone !== true) await records.owe({ ...owed, isGone: true });
    else await records.settled(owed);
}

const forced: LetGo = { reason: "ForceDelete", why: `${FORCE_DELETE_ANNOTATION} asked to let go` };

async function endingOf(deps: Finalization, ctx: ReconcileContext<SmsNumber>, debt: Debt): Promise<Ending> {
  const { object } = ctx;
  if (isForced(object)) return { do: "letGo", letGo: forced };
  if (object.spec.managementPolicy === "Observe") return leaveObserved(deps, object, debt);
  const deadline = abortingAfter(deps.clock, deps.seen.deletionLeftMs(object));
  try {
    return await giveBack(deps, ctx, debt, deadline.signal);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const letGo = letGoAfter(error, { waitIsOver: deadline.signal.aborted });
    if (letGo === undefined) throw error;
    return { do: "letGo", letGo };
  } finally {
    deadline.cancel();
  }
}

/** Those who wait for the number or for the stream, and the stream itself. */
function wakeWaiting(deps: Finalization, object: SmsNumber) {
  wakeOthers(deps, object);
  deps.wake.stream(object.metadata.namespace!, object.spec.workStreamRef.name);
}
