/**
 * The step that takes a number: from here on this object, and no other, may change the number's webhook. A claim is
 * durable before the first change at Twilio, so that after a crash no two objects believe the number theirs
 * (ADR 13).
 */

import type { Outcome } from "../../kube/status/summarise.ts";
import { webhookOf } from "../../twilio/webhook.ts";
import type { ClaimRecord } from "../records/record.ts";
import { candidateOf } from "./candidate.ts";
import { type ClaimDecision, decideClaim } from "./claim-decision.ts";
import type { FoundNumber } from "./found.ts";
import { outcome } from "./outcome.ts";
import { oweNumber } from "./previous/owed.ts";
import { leadsHere, type NumberWork, type StepEnd, wakeOthers } from "./work.ts";

/**
 * How long an object waits, after its own creation, for older ones whose account was not read yet. A first reading
 * takes a second or two; ten are enough for one that is throttled, and an account that cannot be read must not
 * block the number for everybody.
 */
const UNDECIDED_MS = 10_000;
/** Nothing wakes the waiting object when the other's account is read, so it asks again. Nothing is called for that. */
const ASK_AGAIN_MS = 500;

const taken = {
  numberTaken: { reason: "NumberAlreadyClaimed", message: "another SmsNumber holds this number" },
  streamTaken: {
    reason: "WorkStreamAlreadyHasNumber",
    message: "another SmsNumber holds this WorkStream, and a stream has one number",
  },
} as const;

/**
 * The number is this object's to configure, and that is durable. `claim` is undefined for a number that is only
 * observed.
 */
export interface NumberToWire extends FoundNumber {
  claim: ClaimRecord | undefined;
}

/** Completes `Accepted`: is this number this object's? Takes the claim if it is free. */
export async function holdClaim(work: NumberWork, found: FoundNumber): Promise<StepEnd<NumberToWire>> {
  const { deps, ctx, effective, namespaceUid, stream } = work;
  if (effective.managementPolicy === "Observe") {
    await letGoOfClaim(work, found);
    await deps.refreshDigits(namespaceUid, stream);
    return { go: { ...found, claim: undefined } };
  }
  const barred = notItsTurn(work, found);
  if (barred !== undefined) return { stop: barred };
  // Before the claim: an object that could be deleted without its finalizer would leave a claim that nobody ends.
  await ctx.ensureFinalizer();
  // Adding the finalizer took a round trip, and another object may have taken the number meanwhile. From here to
  // `putClaim` nothing is awaited, so exactly one of them gets it.
  const outrun = notItsTurn(work, found);
  if (outrun !== undefined) return { stop: outrun };
  const claim = claimOf(work, found);
  // Both changes reach memory in the same turn, so that one write of the Secret makes both durable.
  await Promise.all([deps.records.putClaim(claim), deps.refreshDigits(namespaceUid, stream)]);
  return { go: { ...found, claim } };
}

/** The outcome when the claim is not, or not yet, this object's to take; undefined when it is. */
function notItsTurn(work: NumberWork, { seen }: FoundNumber): Outcome | undefined {
  const decision = judgeClaim(work);
  if (decision.kind === "undecided")
    return {
      ...outcome(work, { accepted: "unknown", found: "good", url: "unknown" }, seen),
      requeueAfterMs: ASK_AGAIN_MS,
    };
  if (decision.kind !== "numberTaken" && decision.kind !== "streamTaken") return undefined;
  const why = taken[decision.kind];
  return outcome(work, { accepted: why, found: "good", url: why }, seen);
}

/**
 * The claim as it will be recorded. What an earlier claim of this number remembers (what was configured, repairs)
 * is kept.
 */
function claimOf(
  { deps, object, namespace, namespaceUid, stream }: NumberWork,
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

/** Decides from memory, without waiting for anybody. */
function judgeClaim({ deps, object, namespace, stream }: NumberWork): ClaimDecision {
  const self = candidateOf(deps, object);
  const holderOf = (sid: string) => deps.records.claim(sid)?.uid;
  // First without the others: who holds a number is known from the records, and ten thousand objects with the same
  // digits would each look at ten thousand others.
  const known = decideClaim({ self, sameNumber: [], sameStream: [], holderOf });
  if (known.kind === "held" || known.kind === "numberTaken") return known;
  const claim = decideClaim({
    self,
    sameNumber: deps.seen.numbersWithDigits(object.spec.number).map((other) => candidateOf(deps, other)),
    sameStream: deps.seen.numbersOfStream(namespace, stream).map((other) => candidateOf(deps, other)),
    holderOf,
  });
  // After that the number is given to this object. Should the older one turn out to own the number later, it finds
  // it taken, and says so.
  const waitedEnough = deps.clock.now() - self.createdAtMs >= UNDECIDED_MS;
  return claim.kind === "undecided" && waitedEnough ? { kind: "free" } : claim;
}

/**
 * The object was changed to Observe: it gives up its claim. What is set at Twilio stays, since Observe forbids
 * changing it, and the number is recorded as owed so that the webhook from before us is not lost.
 */
async function letGoOfClaim(work: NumberWork, { seen }: FoundNumber) {
  const { deps, ctx, object } = work;
  const claim = deps.records.claimOf(object.metadata.uid!);
  if (claim === undefined) return;
  try {
    if (leadsHere(work, webhookOf(seen.number)))
      await oweNumber(deps, claim, { why: "Observing", isGone: false }, ctx.signal);
    else await deps.records.dropClaim(claim.phoneNumberSid);
  } finally {
    // Also when the write failed: memory has no claim any more, so the next attempt would not come here and would
    // wake nobody.
    wakeOthers(work.deps, work.object);
  }
}
