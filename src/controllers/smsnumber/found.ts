import { Failure } from "../../errors.ts";
import { conditionOf } from "../../kube/conditions.ts";
import type { EventNote, Outcome } from "../../kube/summarise.ts";
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
  override: Override | undefined;
  messagingServiceSid: string | undefined;
}

/** The number in its account, and the route that its texts are to take. */
export interface FoundNumber {
  account: AccountView;
  route: RouteRecord;
  seen: SeenNumber;
}

/** Makes `NumberFound` true: the account, and the number in it. */
export async function findNumber(work: NumberWork): Promise<StepEnd<FoundNumber>> {
  const { deps, object, namespace, stream } = work;
  const key = `${namespace}/${stream}`;
  const state = deps.streams.get(key);
  // Nothing is known of the stream because Twilio does not answer: nothing can be known of the number either, for that reason.
  const failure = deps.streams.failure(key);
  if (state === undefined && failure !== undefined) throw new Failure(failure.reason, failure.message);
  // The stream's own reconciler wakes us as soon as it knows. Nothing is told by halves meanwhile: each part would be a write.
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
  const number =
    findIn(snapshot, object.spec) ??
    (await boughtJustNow(work, account)) ??
    (await stillThere(work, account));
  if (number === undefined) return { stop: await notInAccount(work) };
  if (!number.capabilities.sms)
    return { stop: outcome(work, { accepted: accepted(work), found: notCapable, url: notCapable }) };
  const route = deps.records.route(state.routeKey);
  if (route === undefined)
    return { stop: outcome(work, { accepted: accepted(work), found: "good", url: "unknown" }) };
  const isThisRoute = (url: string) => route.urls.some(({ inbound }) => inbound === url);
  return { go: { account, route, seen: seenIn(snapshot, number, isThisRoute) } };
}

function seenIn(snapshot: Snapshot, number: PhoneNumber, isThisRoute: (url: string) => boolean): SeenNumber {
  const service = snapshot.surroundings.services.get(number.sid);
  const conversationsAddress = snapshot.surroundings.conversations.has(digits(number.phoneNumber));
  return {
    number,
    override: overrideOf({ service, conversationsAddress, isThisRoute, hostOf }),
    messagingServiceSid: service?.serviceSid,
  };
}

/** The account as fresh as it needs to be for this number; where it is not quite, `work` remembers when to look again. */
async function look(work: NumberWork, account: AccountView): Promise<Snapshot> {
  const { deps, ctx, object } = work;
  const { latest, surroundingsFromMs, failedResyncs } = account;
  const settled = deps.records.claimOf(object.metadata.uid!)?.configured !== undefined;
  const { numbersSinceMs, surroundingsSinceMs, againInMs } = lookOf({
    isWired: settled && latest !== undefined && findIn(latest, object.spec) !== undefined,
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
 * A short code without replies of its own is fine in a Messaging Service, which answers for it. Nothing further is done for one
 * that is refused, so that this look is the only one that can show that it has joined a service, or left it.
 */
export async function seeService(work: NumberWork): Promise<void> {
  const { deps, refusal, namespace, stream } = work;
  const account = deps.streams.get(`${namespace}/${stream}`)?.account;
  if (refusal?.reason !== "ComplianceRepliesMissing" || account === undefined) return;
  await look(work, account);
  work.refusal = refused(deps, work.object);
}

/** Somebody buys a number and applies it at once: it may be younger than the list. One call, and only for a user's change. */
async function boughtJustNow(
  { ctx, object }: NumberWork,
  account: AccountView,
): Promise<PhoneNumber | undefined> {
  if (ctx.lane !== "change" || object.spec.type === "ShortCode") return undefined;
  return await account.find(object.spec.number, callOptions(ctx));
}

/**
 * A list can lack a number that is there: half an answer, a replica that lags. What this object holds is looked at by itself
 * before it is taken to be gone.
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
 * Twilio's word that the number is not in the account ends a claim; 401, throttling and outages do not get here. Of a number
 * that was pointed at us it is still so as far as anybody knows: in the account that it was in, which may be another one than
 * the Secret now names.
 */
async function notInAccount(work: NumberWork): Promise<Outcome> {
  const { deps, object, namespaceUid, stream } = work;
  const claim = deps.records.claimOf(object.metadata.uid!);
  // It was found once, and the status does not say yet that it is gone: an earlier try may have ended the claim, and then failed
  // to write something down.
  const isNews =
    object.status?.phoneNumberSid !== undefined &&
    conditionOf(object.status, "NumberFound")?.reason !== "NumberNotInAccount";
  const held = claim ?? (isNews ? leftByEarlierTry(work) : undefined);
  let events: EventNote[] = [];
  try {
    if (held !== undefined) events = await letGoOf(work, held);
    if (claim !== undefined || isNews) await deps.refreshDigits(namespaceUid, stream);
  } finally {
    // Once, also when it could not be written down yet: those who wake each other would never rest.
    if (claim !== undefined) wakeOthers(work.deps, work.object);
  }
  const why = {
    reason: "NumberNotInAccount",
    message: `the Twilio account does not own ${object.spec.number}${object.spec.type === "ShortCode" ? " as a short code" : ""}; compare it with Active Numbers in Twilio's console`,
  } as const;
  return { ...outcome(work, { accepted: accepted(work), found: why, url: why }), events };
}

const leftByEarlierTry = ({ deps, object }: NumberWork): HeldNumber | undefined =>
  deps.records
    .owedOf(object.metadata.uid!)
    .find(
      ({ why, phoneNumberSid }) =>
        why === "NumberNotInAccount" && deps.records.claim(phoneNumberSid) === undefined,
    );

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
