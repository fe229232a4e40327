/**
 * The step that finds the number in the Twilio account, with everything there that decides where its texts go. A
 * number's own webhook is only one of the ways: an application on it, a Messaging Service around it or a
 * Conversations address each take precedence.
 */

import { Failure } from "../../errors.ts";
import { conditionOf } from "../../kube/status/conditions.ts";
import type { EventNote, Outcome } from "../../kube/status/summarise.ts";
import type { PhoneNumber } from "../../twilio/twilio.ts";
import { hostOf } from "../../twilio/webhook.ts";
import type { AccountView } from "../accounts/account-view.ts";
import { type Override, overrideOf } from "../accounts/precedence.ts";
import { digits, findIn, type Snapshot } from "../accounts/snapshot.ts";
import type { HeldNumber, RouteRecord } from "../records/record.ts";
import { beforeUs, formerHostOf } from "./cleanup/let-go.ts";
import { lookOf } from "./look.ts";
import { accepted, before, outcome } from "./outcome.ts";
import { oweNumber } from "./previous/owed.ts";
import { callOptions, type NumberWork, refused, type StepEnd, wakeOthers } from "./work.ts";

/** A number as Twilio has it, with what decides where its texts go. */
export interface SeenNumber {
  number: PhoneNumber;
  /** What takes precedence over the number's own webhook, if anything. */
  override: Override | undefined;
  messagingServiceSid: string | undefined;
}

/** The number in its account, and the route that its texts are to take. */
export interface FoundNumber {
  account: AccountView;
  route: RouteRecord;
  seen: SeenNumber;
}

/** Completes `NumberFound`: the account of the stream, and the number in it. */
export async function findNumber(work: NumberWork): Promise<StepEnd<FoundNumber>> {
  const { deps, object, namespace, stream } = work;
  const key = `${namespace}/${stream}`;
  const state = deps.streams.get(key);
  // Nothing is known of the stream because Twilio does not answer: nothing can be known of the number either, for that reason.
  const failure = deps.streams.failure(key);
  // Nothing is known of the stream because Twilio does not answer. The number cannot be known either, and for the
  // same reason: say that one.
  if (state === undefined && failure !== undefined) throw new Failure(failure.reason, failure.message);
  // The stream's reconciler wakes us as soon as it knows. Write no partial status meanwhile: each part costs a
  // write for each of thousands of numbers at a start.
  if (state === undefined)
    return {
      stop: outcome(work, {
        accepted: work.refusal ?? before(object, "Accepted"),
        found: before(object, "NumberFound"),
        url: before(object, "InboundUrlReady"),
      }),
    };
  if (!state.credentials.ok || state.account === undefined || state.routeKey === undefined) {
    const why = state.credentials.ok ? (state.problem ?? ("unknown" as const)) : state.credentials;
    return {
      stop: outcome(work, { accepted: accepted(work), found: before(object, "NumberFound"), url: why }),
    };
  }
  const { account } = state;
  const snapshot = await look(work, account);
  // Cheapest first: the shared list, one call for a number that is younger than it, one call for a number that it
  // may have missed.
  const number =
    findIn(snapshot, object.spec) ??
    (await boughtJustNow(work, account)) ??
    (await stillThere(work, account));
  if (number === undefined) return { stop: await notInAccount(work) };
  // Twilio would refuse an SmsUrl on it with error 21407.
  if (!number.capabilities.sms)
    return { stop: outcome(work, { accepted: accepted(work), found: notCapable, url: notCapable }) };
  // The route is recorded by the stream's reconciler, which wakes us then.
  const route = deps.records.route(state.routeKey);
  if (route === undefined)
    return { stop: outcome(work, { accepted: accepted(work), found: "good", url: "unknown" }) };
  const isThisRoute = (url: string) => route.urls.some(({ inbound }) => inbound === url);
  return { go: { account, route, seen: seenIn(snapshot, number, isThisRoute) } };
}

/** Twilio's number has no field that names its service; the snapshot's index over the services tells. */
function seenIn(snapshot: Snapshot, number: PhoneNumber, isThisRoute: (url: string) => boolean): SeenNumber {
  const service = snapshot.surroundings.services.get(number.sid);
  const conversationsAddress = snapshot.surroundings.conversations.has(digits(number.phoneNumber));
  return {
    number,
    override: overrideOf({ service, conversationsAddress, isThisRoute, hostOf }),
    messagingServiceSid: service?.serviceSid,
  };
}

/**
 * A snapshot of the account, as fresh as this number needs it. If it had to be older, `work.againInMs` says when to
 * look again.
 */
async function look(work: NumberWork, account: AccountView): Promise<Snapshot> {
  const { deps, ctx, object } = work;
  const { latest, surroundingsFromMs, failedResyncs } = account;
  const isConfigured = deps.records.claimOf(object.metadata.uid!)?.configured !== undefined;
  const { numbersSinceMs, surroundingsSinceMs, againInMs } = lookOf({
    isWired: isConfigured && latest !== undefined && findIn(latest, object.spec) !== undefined,
    isReady: before(object, "InboundUrlReady") === "good",
    touchedAtMs: deps.seen.touchedAt(object),
    nowMs: deps.clock.monotonic(),
    numbersReadMs: latest?.takenAtMs,
    surroundingsReadMs: latest?.surroundings.takenAtMs,
    surroundingsFromMs,
    resyncsFail: failedResyncs > 0,
  });
  work.againInMs = againInMs;
  return await account.since(numbersSinceMs, { ...callOptions(ctx), surroundingsSinceMs });
}

/**
 * A short code without replies of its own is fine inside a Messaging Service, which answers STOP and HELP for it. A
 * refused short code goes no further than this, so this look is the only one that can show that it has joined a
 * service, or left it.
 */
export async function seeService(work: NumberWork): Promise<void> {
  const { deps, refusal, namespace, stream } = work;
  const account = deps.streams.get(`${namespace}/${stream}`)?.account;
  if (refusal?.reason !== "ComplianceRepliesMissing" || account === undefined) return;
  await look(work, account);
  work.refusal = refused(deps, work.object);
}

/**
 * Somebody buys a number and applies it at once: it may be younger than the list. One call by its digits, and only
 * for a user's change, so that a typo does not cost a call at each resync. Short codes cannot be bought within
 * minutes.
 */
async function boughtJustNow(
  { ctx, object }: NumberWork,
  account: AccountView,
): Promise<PhoneNumber | undefined> {
  if (ctx.lane !== "change" || object.spec.type === "ShortCode") return undefined;
  return await account.find(object.spec.number, callOptions(ctx));
}

/**
 * A list can lack a number that is there: a partial answer, a replica of Twilio's that lags. A number that this
 * object holds is asked for by its SID before it is taken to be gone, since that would end the claim.
 */
async function stillThere(
  { deps, ctx, object }: NumberWork,
  account: AccountView,
): Promise<PhoneNumber | undefined> {
  const claim = deps.records.claimOf(object.metadata.uid!);
  if (claim === undefined) return undefined;
  const number = await account.fetch(object.spec.type, claim.phoneNumberSid, callOptions(ctx));
  if (number === null || digits(number.phoneNumber) !== object.spec.number) return undefined;
  account.noteUpdated(number);
  return number;
}

const notCapable = {
  reason: "NumberNotSmsCapable",
  message: "the Twilio account owns the number, but it cannot take SMS",
} as const;

/**
 * Only Twilio's own answer that the number is not in the account gets here, not 401, throttling or an outage. It
 * ends the claim. The number's webhook may still lead to us in the account that it was in, which may be another
 * than the Secret now names, so the number becomes owed.
 */
async function notInAccount(work: NumberWork): Promise<Outcome> {
  const { deps, object, namespaceUid, stream } = work;
  const claim = deps.records.claimOf(object.metadata.uid!);
  // It was found once and the status does not yet say that it is gone: an earlier attempt may have ended the claim
  // and then failed to write something down. Then finish its work here.
  const isNews =
    object.status?.phoneNumberSid !== undefined &&
    conditionOf(object.status, "NumberFound")?.reason !== "NumberNotInAccount";
  const held = claim ?? (isNews ? leftByEarlierAttempt(work) : undefined);
  let events: EventNote[] = [];
  try {
    if (held !== undefined) events = await letGoOf(work, held);
    if (claim !== undefined || isNews) await deps.refreshDigits(namespaceUid, stream);
  } finally {
    // Once, and also when the write failed. Objects that wake each other at every attempt would never rest.
    if (claim !== undefined) wakeOthers(work.deps, work.object);
  }
  const why = {
    reason: "NumberNotInAccount",
    message: `the Twilio account does not own ${object.spec.number}${object.spec.type === "ShortCode" ? " as a short code" : ""}; compare it with Active Numbers in Twilio's console`,
  } as const;
  return { ...outcome(work, { accepted: accepted(work), found: why, url: why }), events };
}

/** What an earlier attempt recorded as owed for this reason before it failed. */
const leftByEarlierAttempt = ({ deps, object }: NumberWork): HeldNumber | undefined =>
  deps.records
    .owedOf(object.metadata.uid!)
    .find(
      ({ why, phoneNumberSid }) =>
        why === "NumberNotInAccount" && deps.records.claim(phoneNumberSid) === undefined,
    );

/**
 * Ends the claim. A number that we never pointed at us is just free again; another is owed, with a warning in log
 * and event.
 */
async function letGoOf({ deps, ctx }: NumberWork, held: HeldNumber): Promise<EventNote[]> {
  const claim = deps.records.claimOf(held.uid);
  if (claim !== undefined && claim.configured === undefined) {
    await deps.records.dropClaim(claim.phoneNumberSid);
    return [];
  }
  const { accountSid, phoneNumberSid, number } = held;
  const saved = await oweNumber(deps, held, { why: "NumberNotInAccount", isGone: false }, ctx.signal);
  const formerHost = saved === undefined ? undefined : formerHostOf(saved);
  ctx.log.warn(
    { number, phoneNumberSid, accountSid, formerHost: formerHost ?? "none" },
    "number no longer in the account; its webhook at twilio may still lead to this cluster",
  );
  const message = `account ${accountSid} had the number until now, and its webhook there may still lead to this cluster; ${beforeUs(formerHost)}. It is put back when this SmsNumber is deleted, as far as the account's last credentials allow`;
  return [{ type: "Warning", reason: "WebhookLeft", message }];
}
