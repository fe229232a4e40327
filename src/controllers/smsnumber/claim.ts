/**
 * The step that claims a number. Once a number is claimed, only the SmsNumber that claimed it may change the
 * number's webhook. A claim is durable before the first change at Twilio, so that after a crash no two SmsNumbers
 * both believe that they hold the number (ADR 13).
 */

import type { Outcome } from "../../kube/status/summarise.ts";
import { webhookOf } from "../../twilio/webhook.ts";
import type { ClaimRecord } from "../records/record.ts";
import type { NumberAttempt, StepEnd } from "./attempt.ts";
import { candidateOf, wakeOthers } from "./candidate.ts";
import { type ClaimDecision, decideClaim } from "./claim-decision.ts";
import type { FoundNumber } from "./found.ts";
import { leadsHere } from "./ours.ts";
import { outcome } from "./outcome.ts";
import { oweNumber } from "./previous/owed.ts";

/**
 * How long a new SmsNumber waits for older ones whose Twilio account was not read yet, counted from its creation. A
 * first reading takes a second or two, and ten seconds are enough for an account that Twilio throttles. An account
 * that cannot be read must not block the number for all other SmsNumbers.
 */
const UNDECIDED_MS = 10_000;
/**
 * How soon an SmsNumber that waits for an older one decides about its claim again. Nothing wakes it when the older
 * one's account has been read. Deciding again makes no request.
 */
const ASK_AGAIN_MS = 500;

const taken = {
  numberTaken: { reason: "NumberAlreadyClaimed", message: "another SmsNumber already holds this number" },
  streamTaken: {
    reason: "WorkStreamAlreadyHasNumber",
    message: "another SmsNumber already serves this WorkStream, and a WorkStream can have only one number",
  },
} as const;

/**
 * A number that this SmsNumber holds: the claim is durable, so this SmsNumber may set the webhook. `claim` is
 * undefined for a number that is only observed.
 */
export interface NumberToWire extends FoundNumber {
  claim: ClaimRecord | undefined;
}

/** Completes the condition `Accepted`: may this SmsNumber have the number? Takes the claim if it is free. */
export async function holdClaim(attempt: NumberAttempt, found: FoundNumber): Promise<StepEnd<NumberToWire>> {
  const { deps, ctx, effective, namespaceUid, stream } = attempt;
  if (effective.managementPolicy === "Observe") {
    await letGoOfClaim(attempt, found);
    await deps.refreshDigits(namespaceUid, stream);
    return { go: { ...found, claim: undefined } };
  }
  const barred = notItsTurn(attempt, found);
  if (barred !== undefined) return { stop: barred };
  // The finalizer comes before the claim: an SmsNumber that could be deleted without a finalizer would leave a
  // claim that nothing ends.
  await ctx.ensureFinalizer();
  // Adding the finalizer took a round trip, and another SmsNumber may have claimed the number meanwhile. From here
  // to `putClaim` nothing is awaited, so exactly one SmsNumber gets the claim.
  const outrun = notItsTurn(attempt, found);
  if (outrun !== undefined) return { stop: outrun };
  const claim = claimOf(attempt, found);
  // The claim and the route's digits change in memory in the same turn of the event loop, so that one write of the
  // Secret makes both durable.
  await Promise.all([deps.records.putClaim(claim), deps.refreshDigits(namespaceUid, stream)]);
  return { go: { ...found, claim } };
}

/** The outcome of the attempt when this SmsNumber may not take the claim, or not yet. Undefined when it may. */
function notItsTurn(attempt: NumberAttempt, { seen }: FoundNumber): Outcome | undefined {
  const decision = judgeClaim(attempt);
  if (decision.kind === "undecided")
    return {
      ...outcome(attempt, { accepted: "unknown", found: "good", url: "unknown" }, seen),
      requeueAfterMs: ASK_AGAIN_MS,
    };
  if (decision.kind !== "numberTaken" && decision.kind !== "streamTaken") return undefined;
  const why = taken[decision.kind];
  return outcome(attempt, { accepted: why, found: "good", url: why }, seen);
}

/**
 * The claim as it will be recorded. What an earlier claim of the same number remembers (the webhook that was set,
 * the repairs) is kept.
 */
function claimOf(
  { deps, object, namespace, namespaceUid, stream }: NumberAttempt,
  { seen, route }: FoundNumber,
): ClaimRecord {
  return {
    ...(deps.records.claim(seen.number.sid) ?? {}),
    phoneNumberSid: seen.number.sid,
    accountSid: route.accountSid,
    number: object.spec.number,
    namespace,
    namespaceUid,
    stream,
    name: object.metadata.name,
    uid: object.metadata.uid!,
  };
}

/** Decides about the claim from memory, without waiting for anything. */
function judgeClaim({ deps, object, namespace, stream }: NumberAttempt): ClaimDecision {
  const self = candidateOf(deps, object);
  const holderOf = (sid: string) => deps.records.claim(sid)?.uid;
  // First decide without the other SmsNumbers: the records alone say which SmsNumber holds a number. Otherwise each
  // of ten thousand SmsNumbers with the same digits would examine ten thousand others.
  const known = decideClaim({ self, sameNumber: [], sameStream: [], holderOf });
  if (known.kind === "held" || known.kind === "numberTaken") return known;
  const claim = decideClaim({
    self,
    sameNumber: deps.seen.numbersWithDigits(object.spec.number).map((other) => candidateOf(deps, other)),
    sameStream: deps.seen.numbersOfStream(namespace, stream).map((other) => candidateOf(deps, other)),
    holderOf,
  });
  // When the wait for older SmsNumbers is over, this SmsNumber gets the number. If an older SmsNumber's account
  // turns out to own the number later, that SmsNumber reports the number as taken.
  const waitedEnough = deps.clock.now() - self.createdAtMs >= UNDECIDED_MS;
  return claim.kind === "undecided" && waitedEnough ? { kind: "free" } : claim;
}

/**
 * Gives up the claim of an SmsNumber that was changed to `managementPolicy: Observe`. The webhook at Twilio stays
 * as it is, since Observe forbids a change. If it leads to this operator, the number is recorded as owed, so that
 * the saved webhook, which the number had before this operator, is not lost.
 */
async function letGoOfClaim(attempt: NumberAttempt, { seen }: FoundNumber) {
  const { deps, ctx, object } = attempt;
  const claim = deps.records.claimOf(object.metadata.uid!);
  if (claim === undefined) return;
  try {
    if (leadsHere(attempt, webhookOf(seen.number)))
      await oweNumber(deps, claim, { why: "Observing", isGone: false }, ctx.signal);
    else await deps.records.dropClaim(claim.phoneNumberSid);
  } finally {
    // The other SmsNumbers are woken also when the write failed: memory no longer has the claim, so the next
    // attempt would return early and wake none of them.
    wakeOthers(attempt.deps, attempt.object);
  }
}
