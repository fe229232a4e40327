/**
 * The step that finds the number in the Twilio account, together with everything in the account that decides where
 * the number's texts go. The number's own webhook is only one way: an application on the number, a Messaging
 * Service around it, and a Conversations address each take precedence over the webhook.
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
import { refused } from "./accepted.ts";
import { callOptions, type NumberAttempt, type StepEnd } from "./attempt.ts";
import { wakeOthers } from "./candidate.ts";
import { beforeUs, formerHostOf } from "./cleanup/let-go.ts";
import { lookOf } from "./look.ts";
import { accepted, before, outcome } from "./outcome.ts";
import { oweNumber } from "./previous/owed.ts";

/** A number as Twilio has it, together with the settings that decide where its texts go. */
export interface SeenNumber {
  number: PhoneNumber;
  /** What takes precedence over the number's own webhook at Twilio; undefined when nothing does. */
  override: Override | undefined;
  messagingServiceSid: string | undefined;
}

/** The number in its Twilio account, and the route that its texts are to take. */
export interface FoundNumber {
  account: AccountView;
  route: RouteRecord;
  seen: SeenNumber;
}

/** Completes the condition `NumberFound`: finds the account of the WorkStream, and the number in the account. */
export async function findNumber(attempt: NumberAttempt): Promise<StepEnd<FoundNumber>> {
  const { deps, object, namespace, stream } = attempt;
  const key = `${namespace}/${stream}`;
  const state = deps.streams.get(key);
  // Why nothing is known of the WorkStream yet, for example because Twilio does not answer. Undefined when something
  // is known of it, or when no attempt at it has failed.
  const failure = deps.streams.failure(key);
  // While nothing is known of the WorkStream because Twilio does not answer, nothing can be known of its number
  // either. So report the WorkStream's reason for the number as well.
  if (state === undefined && failure !== undefined) throw new Failure(failure.reason, failure.message);
  // The WorkStream's reconciler wakes this SmsNumber as soon as it knows more. Until then the findings in the status
  // stay: when the process starts, a partial status would cost one more write for each of thousands of numbers.
  if (state === undefined)
    return {
      stop: outcome(attempt, {
        accepted: attempt.refusal ?? before(object, "Accepted"),
        found: before(object, "NumberFound"),
        url: before(object, "InboundUrlReady"),
      }),
    };
  if (!state.credentials.ok || state.account === undefined || state.routeKey === undefined) {
    const why = state.credentials.ok ? (state.problem ?? ("unknown" as const)) : state.credentials;
    return {
      stop: outcome(attempt, { accepted: accepted(attempt), found: before(object, "NumberFound"), url: why }),
    };
  }
  const { account } = state;
  const snapshot = await look(attempt, account);
  // Look in the cheapest place first, which is the shared list. Then make one call, in case the number was bought
  // after the list was read. At last make one call for a number that this SmsNumber holds and that the list may
  // have missed.
  const number =
    findIn(snapshot, object.spec) ??
    (await boughtJustNow(attempt, account)) ??
    (await stillThere(attempt, account));
  if (number === undefined) return { stop: await notInAccount(attempt) };
  // Twilio would refuse an SmsUrl on a number that cannot receive SMS (error 21407).
  if (!number.capabilities.sms)
    return { stop: outcome(attempt, { accepted: accepted(attempt), found: notCapable, url: notCapable }) };
  // If there is no route yet, the attempt ends here: the WorkStream's reconciler wakes this SmsNumber when it has
  // recorded the route.
  const route = deps.records.route(state.routeKey);
  if (route === undefined)
    return { stop: outcome(attempt, { accepted: accepted(attempt), found: "good", url: "unknown" }) };
  const isThisRoute = (url: string) => route.urls.some(({ inbound }) => inbound === url);
  return { go: { account, route, seen: seenIn(snapshot, number, isThisRoute) } };
}

/**
 * Returns the number together with the settings that decide where its texts go. Twilio's number has no field that
 * names its Messaging Service, so the snapshot of the account has an index from numbers to services.
 */
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
 * Returns a snapshot of the account that is as fresh as this number needs. If an older snapshot has to serve for
 * now, `attempt.againInMs` says when to read again.
 */
async function look(attempt: NumberAttempt, account: AccountView): Promise<Snapshot> {
  const { deps, ctx, object } = attempt;
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
  attempt.againInMs = againInMs;
  return await account.since(numbersSinceMs, { ...callOptions(ctx), surroundingsSinceMs });
}

/**
 * Finds out whether a refused short code has joined or left a Messaging Service. Inside a service a short code
 * needs no replies of its own, since the service answers STOP and HELP. A refused short code ends its attempt after
 * this step, so no later step could notice the change.
 */
export async function seeService(attempt: NumberAttempt): Promise<void> {
  const { deps, refusal, namespace, stream } = attempt;
  const account = deps.streams.get(`${namespace}/${stream}`)?.account;
  if (refusal?.reason !== "ComplianceRepliesMissing" || account === undefined) return;
  await look(attempt, account);
  attempt.refusal = refused(deps, attempt.object);
}

/**
 * Finds a number that is newer than the list, since users buy a number and apply its SmsNumber soon after. This
 * costs one call, which asks for the number's digits, and is done only for a user's change, so that a typo does not
 * cost a call at each resync. Short codes are skipped: nobody can buy one within minutes.
 */
async function boughtJustNow(
  { ctx, object }: NumberAttempt,
  account: AccountView,
): Promise<PhoneNumber | undefined> {
  if (ctx.lane !== "change" || object.spec.type === "ShortCode") return undefined;
  return await account.find(object.spec.number, callOptions(ctx));
}

/**
 * Asks Twilio for a held number by its SID before the number counts as gone, since that would end the claim. A list
 * can lack a number that exists: the answer may be partial, or come from a replica of Twilio's that lags behind.
 */
async function stillThere(
  { deps, ctx, object }: NumberAttempt,
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
  message: "the Twilio account owns the number, but the number cannot receive SMS",
} as const;

/**
 * Ends the claim of a number that is not in the account. This happens only after Twilio's own answer, and not after
 * a 401, throttling or an outage. The number's webhook may still lead to this cluster in its former account, which
 * may be another account than the Secret names now. So the number becomes owed.
 */
async function notInAccount(attempt: NumberAttempt): Promise<Outcome> {
  const { deps, object, namespaceUid, stream } = attempt;
  const claim = deps.records.claimOf(object.metadata.uid!);
  // True when the number was found once, and the status does not yet say that it is gone. An earlier attempt may then
  // have ended the claim and failed in a later write, so this attempt finishes its work.
  const isNews =
    object.status?.phoneNumberSid !== undefined &&
    conditionOf(object.status, "NumberFound")?.reason !== "NumberNotInAccount";
  const held = claim ?? (isNews ? leftByEarlierAttempt(attempt) : undefined);
  let events: EventNote[] = [];
  try {
    if (held !== undefined) events = await letGoOf(attempt, held);
    if (claim !== undefined || isNews) await deps.refreshDigits(namespaceUid, stream);
  } finally {
    // The attempt that ended the claim wakes the other SmsNumbers, also when a write failed; later attempts wake
    // none. If SmsNumbers woke each other at every attempt, they would never rest.
    if (claim !== undefined) wakeOthers(attempt.deps, attempt.object);
  }
  const why = {
    reason: "NumberNotInAccount",
    message: `the Twilio account does not own ${object.spec.number}${object.spec.type === "ShortCode" ? " as a short code" : ""}; compare it with Active Numbers in Twilio's console`,
  } as const;
  return { ...outcome(attempt, { accepted: accepted(attempt), found: why, url: why }), events };
}

/**
 * The number that an earlier attempt recorded as owed, for the reason NumberNotInAccount, before that attempt
 * failed.
 */
const leftByEarlierAttempt = ({ deps, object }: NumberAttempt): HeldNumber | undefined =>
  deps.records
    .owedOf(object.metadata.uid!)
    .find(
      ({ why, phoneNumberSid }) =>
        why === "NumberNotInAccount" && deps.records.claim(phoneNumberSid) === undefined,
    );

/**
 * Ends the claim. If the operator never set the number's webhook, the number is free again. Otherwise the number
 * becomes owed, with a warning in the log and an event.
 */
async function letGoOf({ deps, ctx }: NumberAttempt, held: HeldNumber): Promise<EventNote[]> {
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
  const message = `account ${accountSid} had the number until now, and the number's webhook there may still lead to this cluster; ${beforeUs(formerHost)}. When this SmsNumber is deleted, the operator tries to put the former webhook back with the last known credentials of that account`;
  return [{ type: "Warning", reason: "WebhookLeft", message }];
}
