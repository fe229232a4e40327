/**
 * The finalizer of an SmsNumber gives the webhook back before the object is removed. It is made for three
 * situations that do occur: Twilio does not answer, the process ends at any point, and a namespace is deleted
 * together with its Secrets. So it has a deadline, and every step can be repeated. A number that could not be given
 * back is recorded as owed, reported in the log and an event, and counted (ADR 31).
 */

import { effectiveNumber } from "../../../api/effective.ts";
import type { SmsNumber } from "../../../api/index.ts";
import { Failure } from "../../../errors.ts";
import type { ReconcileContext } from "../../../kube/controller/controller.ts";
import type { EventNote } from "../../../kube/status/summarise.ts";
import { wakeOthers } from "../candidate.ts";
import type { Finalization } from "../deps.ts";
import { unlessForbidden } from "../previous/previous-webhooks.ts";
import { conclude, told } from "./conclude.ts";
import { type Debt, debtsOf, heldByStatus } from "./debts.ts";
import { type DecidedEnding, Endings } from "./endings.ts";
import { type Ending, giveBack, leaveObserved } from "./give-back.ts";
import { type LetGo, letGoAfter } from "./let-go.ts";
import { abortingAfter, FORCE_DELETE_ANNOTATION, isForced, urgentInMs } from "./patience.ts";

/** The result of a finished cleanup: the finalizer may be removed once `events` are recorded. */
export interface CleanedUp {
  done: true;
  events: EventNote[];
}

/**
 * Returns the finalize function. It resolves once everything that it changed is durable, and throws a `Failure`
 * when the cleanup must be tried again.
 *
 * If waiting cannot help (a bad token, a number that is gone), the number is let go immediately with a warning. In
 * an outage of Twilio the number is let go when DELETE_TIMEOUT is over, which also ends a call in progress. An
 * attempt that follows a failed attempt continues from what the failed attempt had decided.
 */
export function smsNumberFinalizer(deps: Finalization, endings = new Endings()) {
  return async function finalize(ctx: ReconcileContext<SmsNumber>): Promise<CleanedUp> {
    if (!(await recordsAreRead(deps, ctx))) return await letGoUnrecorded(deps, ctx);
    const uid = ctx.object.metadata.uid!;
    // First finish what earlier attempts decided. Their changes at Twilio are done already; only the record of the
    // ending and its event are missing.
    for (const ended of endings.of(uid)) ended.event ??= await conclude(deps, ctx, ended);
    const decided = new Set(endings.of(uid).map(({ debt }) => debt.held.phoneNumberSid));
    for (const debt of await debtsOf(deps, ctx, { forced: isForced(ctx.object), decided })) {
      const ended: DecidedEnding = { debt, ending: await endingOf(deps, ctx, debt) };
      // How the number was let go is kept in memory before it is written to the records. If that write fails, the next
      // attempt must use what is kept and not decide again, because the first decision has already changed the number.
      endings.add(uid, ended);
      ended.event = await conclude(deps, ctx, ended);
    }
    await leaveToHolders(deps, uid);
    // Once the SmsNumber is gone, nothing needs the saved webhook that is stored under its UID any more.
    await deps.previous.remove(uid, ctx.signal);
    wakeWaiting(deps, ctx.object);
    return { done: true, events: endings.of(uid).flatMap(({ event }) => event ?? []) };
  };
}

/**
 * How long every deletion waits for the records at least, even a forced one: after a start the records are loaded
 * within a moment. A deletion that may still wait for Twilio waits for the records longer.
 */
const RECORDS_WAIT_MS = 2000;

/**
 * Waits for the records. Returns false if they were not loaded in all the time that the deletion may wait, for
 * example because one of their Secrets is damaged. Throws if the deletion is urgent and may still wait (Retain,
 * Observe): urgent deletions share a few workers, and this one must not hold a worker while it waits.
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
      "waiting for the operator's own records; the operator's log says why they cannot be read",
    );
  } finally {
    deadline.cancel();
  }
}

/**
 * Lets the number go while the records cannot be read. Only the status says which number the SmsNumber held.
 * Nothing is recorded, because a write before the records are read would replace what is stored. Once the records
 * can be read, their upkeep, which runs once a minute, finds that the SmsNumber is gone and records the number as
 * owed.
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
 * Records that this SmsNumber is gone, for each number that it owed and that another SmsNumber now holds. The new
 * holder will give the number back. Resolves once the records are durable.
 */
async function leaveToHolders({ records }: Finalization, uid: string): Promise<void> {
  for (const owed of records.owedOf(uid))
    if (owed.isGone !== true) await records.owe({ ...owed, isGone: true });
    else await records.durable(owed);
}

/** How a number is let go with the annotation `smschannel.dev/force-delete`: the user has decided not to wait. */
const forced: LetGo = { reason: "ForceDelete", why: `the annotation ${FORCE_DELETE_ANNOTATION} is set` };

/**
 * Decides how the deletion ends for one number. With force-delete and with Observe, Twilio is not called at all.
 */
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

/**
 * Wakes the SmsNumbers that wait for the number or the WorkStream, and the WorkStream itself, because its condition
 * NumberReady may change.
 */
function wakeWaiting(deps: Finalization, object: SmsNumber) {
  wakeOthers(deps, object);
  deps.wake.stream(object.metadata.namespace!, object.spec.workStreamRef.name);
}
