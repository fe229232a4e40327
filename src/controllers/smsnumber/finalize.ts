import type { SmsNumber } from "../../api/index.ts";
import { Failure } from "../../errors.ts";
import type { ReconcileContext } from "../../kube/controller.ts";
import type { EventNote } from "../../kube/summarise.ts";
import type { CallOptions, PhoneNumber } from "../../twilio/twilio.ts";
import type { Account } from "../accounts/accounts.ts";
import type { ClaimRecord } from "../records/record.ts";
import { routeKey } from "../records/record.ts";
import { decideClaim } from "./claims.ts";
import { type DeletionPlan, planDeletion } from "./deletion.ts";
import type { Finalization } from "./deps.ts";
import { update } from "./inbound-url.ts";
import { fetchNumber } from "./number-look.ts";
import { candidateOf } from "./observe.ts";
import { webhookOf } from "./webhook.ts";
import { callOptions, isOurs, isSuspended } from "./work.ts";

/** Ends the wait for Twilio at once. */
export const FORCE_DELETE_ANNOTATION = "smschannel.dev/force-delete";

/** The finalizer may go. */
export interface Finalized {
  done: true;
  events: EventNote[];
}

/**
 * Puts a number's webhook back before its SmsNumber goes. Never stands in the way for long: what no waiting will mend lets go
 * at once with a warning, an outage of Twilio after DELETE_TIMEOUT; until then it throws the Failure. The time-out ends what
 * is under way as well: a call, and the waiting for one.
 */
export function smsNumberFinalizer(deps: Finalization) {
  return async function finalize(ctx: ReconcileContext<SmsNumber>): Promise<Finalized> {
    const { object } = ctx;
    const recorded = deps.records.claimOf(object.metadata.uid!);
    if (isForced(object)) return await letGoAtOnce(deps, ctx, recorded);
    const claim = recorded ?? (await unrecordedClaim(deps, ctx));
    if (claim === undefined) return await finish(deps, ctx, undefined, []);
    const deadline = deadlineOf(deps, object);
    try {
      const event = await restore(deps, ctx, claim, deadline.signal);
      return await finish(deps, ctx, claim, event === undefined ? [] : [event]);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (error.class !== "transient") return await finish(deps, ctx, claim, [letGo(error.message)]);
      if (!deadline.signal.aborted) throw error;
      return await giveUp(deps, ctx, claim, error);
    } finally {
      deadline.cancel();
    }
  };
}

const isForced = ({ metadata }: SmsNumber) => metadata.annotations?.[FORCE_DELETE_ANNOTATION] === "true";

/**
 * In how many milliseconds a deletion may wait for Twilio no more, 0 or less for now: its time-out is over, it is forced, or it
 * changes nothing there. Undefined while there is no deletion.
 */
export function urgentInMs(number: SmsNumber, leftMs: () => number): number | undefined {
  if (number.metadata.deletionTimestamp === undefined) return undefined;
  return isForced(number) || number.spec.deletionPolicy === "Retain" ? 0 : leftMs();
}

/** Nothing is looked up, since that could take its time: a webhook that only the status tells of was ours as well. */
async function letGoAtOnce(
  deps: Finalization,
  ctx: ReconcileContext<SmsNumber>,
  claim: ClaimRecord | undefined,
): Promise<Finalized> {
  const wasWired = claim !== undefined || ctx.object.status?.configuredUrl !== undefined;
  const why = `${FORCE_DELETE_ANNOTATION} asked to let go`;
  return await finish(deps, ctx, claim, wasWired ? [letGo(why)] : []);
}

/** Aborts as a time-out does when the deletion has waited long enough for Twilio. */
function deadlineOf({ clock, deletionLeftMs }: Finalization, object: SmsNumber) {
  const controller = new AbortController();
  const end = () => controller.abort(new DOMException("the deletion has waited long enough", "TimeoutError"));
  const left = deletionLeftMs(object);
  if (left <= 0) end();
  return { signal: controller.signal, cancel: left <= 0 ? () => {} : clock.after(left, end) };
}

async function giveUp(
  deps: Finalization,
  ctx: ReconcileContext<SmsNumber>,
  claim: ClaimRecord,
  { reason, message }: Failure,
): Promise<Finalized> {
  deps.countGaveUp();
  ctx.log.error({ reason }, "finalizer gave up; the webhook at twilio was left as it is");
  return await finish(deps, ctx, claim, [letGo(`gave up after waiting for Twilio: ${message}`)]);
}

/**
 * Its status says that it was wired, but not by our records: another release had it a moment ago, or the records were lost.
 * Unless the number has been somebody else's since, it is put back all the same.
 */
async function unrecordedClaim(
  deps: Finalization,
  { object, signal }: ReconcileContext<SmsNumber>,
): Promise<ClaimRecord | undefined> {
  const { phoneNumberSid, configuredUrl } = object.status ?? {};
  if (phoneNumberSid === undefined || configuredUrl === undefined) return undefined;
  if (deps.records.claim(phoneNumberSid) !== undefined) return undefined;
  const { name, namespace = "", uid = "" } = object.metadata;
  const stream = object.spec.workStreamRef.name;
  const state = deps.streams.get(`${namespace}/${stream}`);
  const isPatient = object.spec.deletionPolicy !== "Retain" && deps.deletionLeftMs(object) > 0;
  if (isPatient && state === undefined && deps.workStream(namespace, stream) !== undefined)
    throw new Failure(
      "RoutesNotLoaded",
      "waiting for what is known of its WorkStream, to put the webhook back",
    );
  const namespaceUid = await deps.namespaceUid(namespace, signal);
  const accountSid =
    state?.account?.twilio.accountSid ?? deps.records.routesOf(namespaceUid, stream)[0]?.accountSid;
  if (accountSid === undefined) return undefined;
  return {
    phoneNumberSid,
    accountSid,
    number: object.spec.number,
    namespace,
    namespaceUid,
    stream,
    name,
    uid,
  };
}

function letGo(why: string): EventNote {
  return {
    type: "Warning",
    reason: "WebhookLeft",
    message: `the webhook at Twilio was left as it is: ${why}`,
  };
}

async function restore(
  deps: Finalization,
  ctx: ReconcileContext<SmsNumber>,
  claim: ClaimRecord,
  deadline: AbortSignal,
): Promise<EventNote | undefined> {
  const policy = ctx.object.spec.deletionPolicy ?? "Restore";
  const options = { ...callOptions(ctx, deadline), lane: "change" as const };
  // Who changes nothing at Twilio asks nothing there, and waits for nothing.
  const account = policy === "Retain" ? undefined : accountOf(deps, claim);
  const number =
    account === undefined
      ? null
      : await fetchNumber(account, ctx.object.spec.type, claim.phoneNumberSid, options);
  const saved = await deps.previous.read(claim.uid, ctx.signal);
  const successor = successorOf(deps, ctx.object, claim);
  const step = planDeletion({
    policy,
    seen: number === null ? null : webhookOf(number),
    saved,
    isOurs: (url) => isOurs(deps, url),
    successor: successor !== undefined,
  });
  if (step.do === "handOver" && saved !== undefined)
    await deps.previous.save(successor!.metadata.uid!, saved, ctx.signal);
  if (step.do === "set" && account !== undefined && number !== null)
    await set(deps, account, number, step, options);
  return step.event;
}

async function set(
  deps: Finalization,
  account: Account,
  number: PhoneNumber,
  step: Extract<DeletionPlan, { do: "set" }>,
  options: CallOptions,
) {
  deps.guard();
  try {
    account.noteUpdated(await update(account, number, step.webhook, options));
  } catch (error) {
    if (step.fallback === undefined || !(error instanceof Failure) || error.reason !== "TwilioRejected")
      throw error;
    // What was there is no longer acceptable to Twilio (an application since deleted, say): better nothing than us.
    account.noteUpdated(await update(account, number, step.fallback, options));
  }
}

/** With the credentials of the living stream, else those recorded: Argo CD deletes the Secret in the same sync. */
function accountOf(deps: Finalization, claim: ClaimRecord): Account {
  const live = deps.streams.get(`${claim.namespace}/${claim.stream}`)?.account;
  if (live !== undefined && live.twilio.accountSid === claim.accountSid) return live;
  const route = deps.records.route(routeKey(claim));
  if (route === undefined)
    throw new Failure("SecretNotFound", "no credentials of its account are known any more");
  return deps.accounts.once(route.credentials);
}

/**
 * Who gets the number next: the first in line among those whose account owns it. One that would not point it at itself is no
 * successor: its texts would go on to a stream that is gone.
 */
function successorOf(deps: Finalization, object: SmsNumber, claim: ClaimRecord): SmsNumber | undefined {
  const others = deps
    .numbersWithDigits(claim.number)
    .filter(({ metadata }) => metadata.uid !== object.metadata.uid);
  const candidates = others.map((other) => candidateOf(deps, other));
  const holderOf = (sid: string) => {
    const uid = deps.records.claim(sid)?.uid;
    return uid === claim.uid ? undefined : uid;
  };
  return others.find((other, at) => {
    const self = candidates[at]!;
    if (isSuspended(deps, other) || deps.streams.get(self.stream)?.credentials.ok !== true) return false;
    if (!self.eligible || self.found !== true || self.phoneNumberSid !== claim.phoneNumberSid) return false;
    const sameStream = deps
      .numbersOfStream(self.namespace, self.stream.split("/")[1]!)
      .filter(({ metadata }) => metadata.uid !== claim.uid)
      .map((other) => candidateOf(deps, other));
    return decideClaim({ self, sameNumber: candidates, sameStream, holderOf }).kind === "free";
  });
}

async function finish(
  deps: Finalization,
  { object, signal }: ReconcileContext<SmsNumber>,
  claim: ClaimRecord | undefined,
  events: EventNote[],
): Promise<Finalized> {
  if (claim !== undefined) {
    await deps.records.dropClaim(claim.phoneNumberSid);
    await deps.refreshDigits(claim.namespaceUid, claim.stream);
  }
  await deps.previous.remove(object.metadata.uid!, signal);
  const waiting = [
    ...deps.numbersWithDigits(object.spec.number),
    ...deps.numbersOfStream(object.metadata.namespace!, object.spec.workStreamRef.name),
  ];
  for (const { metadata } of waiting)
    if (metadata.uid !== object.metadata.uid) deps.wakeNumber(metadata.namespace!, metadata.name);
  deps.wakeStream(object.metadata.namespace!, object.spec.workStreamRef.name);
  return { done: true, events };
}
