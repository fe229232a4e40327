/**
 * The finalizer of an SmsNumber: gives the webhook back before the object goes. It is written against three things
 * that do happen: Twilio is away, the process ends at any point, and a namespace is deleted with its Secrets and
 * everything else in it at once. So it has a deadline, every step can be repeated, and what could not be given back
 * is recorded as owed, told in log and event, and counted (ADR 31).
 */

import { effectiveNumber } from "../../../api/effective.ts";
import type { SmsNumber } from "../../../api/index.ts";
import { Failure } from "../../../errors.ts";
import type { ReconcileContext } from "../../../kube/controller/controller.ts";
import type { EventNote } from "../../../kube/status/summarise.ts";
import type { Finalization } from "../deps.ts";
import { unlessForbidden } from "../previous/previous-webhooks.ts";
import { wakeOthers } from "../work.ts";
import { conclude, told } from "./conclude.ts";
import { type Debt, debtsOf, heldByStatus } from "./debts.ts";
import { type DecidedEnding, Endings } from "./endings.ts";
import { type Ending, giveBack, leaveObserved } from "./give-back.ts";
import { type LetGo, letGoAfter } from "./let-go.ts";
import { abortingAfter, FORCE_DELETE_ANNOTATION, isForced, urgentInMs } from "./patience.ts";

/** The finalizer may go, after these events. */
export interface CleanedUp {
  done: true;
  events: EventNote[];
}

/**
 * Returns the finalize function. It resolves once everything that it changed is durable, and throws a `Failure` to
 * be tried again. What no waiting will mend (a bad token, a number that is gone) lets the number go at once with a
 * warning; an outage of Twilio does so after DELETE_TIMEOUT, which also ends a call that is under way. An attempt
 * that follows a failed one goes on from what that one had decided.
 */
export function smsNumberFinalizer(deps: Finalization, endings = new Endings()) {
  return async function finalize(ctx: ReconcileContext<SmsNumber>): Promise<CleanedUp> {
    if (!(await recordsAreRead(deps, ctx))) return await letGoUnrecorded(deps, ctx);
    const uid = ctx.object.metadata.uid!;
    // First finish what earlier attempts decided: at Twilio that is done already, only the record and the event are
    // missing.
    for (const ended of endings.of(uid)) ended.event ??= await conclude(deps, ctx, ended);
    const decided = new Set(endings.of(uid).map(({ debt }) => debt.held.phoneNumberSid));
    for (const debt of await debtsOf(deps, ctx, { forced: isForced(ctx.object), decided })) {
      const ended: DecidedEnding = { debt, ending: await endingOf(deps, ctx, debt) };
      // Before it is recorded: should the record fail, the next attempt must not decide again, as Twilio now shows
      // the result of this decision.
      endings.add(uid, ended);
      ended.event = await conclude(deps, ctx, ended);
    }
    await leaveToHolders(deps, uid);
    // The copy under the SmsNumber's UID is of no use to anybody once the object is gone.
    await deps.previous.remove(uid, ctx.signal);
    wakeWaiting(deps, ctx.object);
    return { done: true, events: endings.of(uid).flatMap(({ event }) => event ?? []) };
  };
}

/**
 * A deletion waits for the records as it does for Twilio, and at least this long: at a start they come within a
 * moment, even for a forced deletion.
 */
const RECORDS_WAIT_MS = 2000;

/**
 * False: the records did not come in all the time that the deletion may wait, for example because one of their
 * Secrets is damaged. Throws when the deletion may wait longer but is urgent all the same (Retain, Observe): urgent
 * objects share few workers, which this one must not hold.
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
    throw new Failure(
      "RoutesNotLoaded",
      "waiting for the operator's own records; its log says why they cannot be read",
    );
  } finally {
    deadline.cancel();
  }
}

/**
 * Only the status tells what the object held. Nothing is recorded: a write before the records are read would
 * replace what is stored. Once they are read, the upkeep finds there that the SmsNumber is gone, and records what
 * is owed.
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

/**
 * Another SmsNumber holds by now what this one owed, and so will give it back. The record only says that this
 * object is gone.
 */
async function leaveToHolders({ records }: Finalization, uid: string): Promise<void> {
  for (const owed of records.owedOf(uid))
    if (owed.isGone !== true) await records.owe({ ...owed, isGone: true });
    else await records.durable(owed);
}

/** For `smschannel.dev/force-delete`: the user has decided not to wait. */
const forced: LetGo = { reason: "ForceDelete", why: `${FORCE_DELETE_ANNOTATION} asked to let go` };

/** Decides for one number. With force-delete and Observe Twilio is not called at all. */
async function endingOf(deps: Finalization, ctx: ReconcileContext<SmsNumber>, debt: Debt): Promise<Ending> {
  const { object } = ctx;
  if (isForced(object)) return { do: "letGo", letGo: forced };
  if (effectiveNumber(object).managementPolicy === "Observe") return leaveObserved(deps, object, debt);
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

/** Wakes the SmsNumbers that wait for the number or the stream, and the stream itself, whose NumberReady may turn. */
function wakeWaiting(deps: Finalization, object: SmsNumber) {
  wakeOthers(deps, object);
  deps.wake.stream(object.metadata.namespace!, object.spec.workStreamRef.name);
}
