import type { Outcome } from "../../kube/summarise.ts";
import { webhookOf } from "../../twilio/webhook.ts";
import type { ClaimRecord } from "../records/record.ts";
import { candidateOf } from "./candidate.ts";
import { type ClaimDecision, decideClaim } from "./claim-decision.ts";
import type { FoundNumber } from "./found.ts";
import { outcome } from "./outcome.ts";
import { oweNumber } from "./previous/owed.ts";
import { leadsHere, type NumberWork, type StepEnd, wakeOthers } from "./work.ts";

/** An older object that may have a better right is waited for no longer than this after our own creation. */
const UNDECIDED_MS = 10_000;
const ASK_AGAIN_MS = 500;

const taken = {
  numberTaken: { reason: "NumberAlreadyClaimed", message: "another SmsNumber holds this number" },
  streamTaken: {
    reason: "WorkStreamAlreadyHasNumber",
    message: "another SmsNumber holds this WorkStream, and a stream has one number",
  },
} as const;

/** The number is this object's to configure, durably so; one that is only observed has no claim. */
export interface Held extends FoundNumber {
  claim: ClaimRecord | undefined;
}

/** Makes `Accepted` true as far as other objects are concerned: whose number it is. */
export async function holdClaim(work: NumberWork, found: FoundNumber): Promise<StepEnd<Held>> {
  const { deps, ctx, object, namespaceUid, stream } = work;
  if (object.spec.managementPolicy === "Observe") {
    await letGoOfClaim(work, found);
    await deps.refreshDigits(namespaceUid, stream);
    return { go: { ...found, claim: undefined } };
  }
  const barred = notItsTurn(work, found);
  if (barred !== undefined) return { stop: barred };
  await ctx.ensureFinalizer();
  // Another may have got it meanwhile. From here to the record there is no waiting, so that only one gets it.
  const outrun = notItsTurn(work, found);
  if (outrun !== undefined) return { stop: outrun };
  const claim = claimOf(work, found);
  // Both are in memory at once, so that one write makes both durable.
  await Promise.all([deps.records.putClaim(claim), deps.refreshDigits(namespaceUid, stream)]);
  return { go: { ...found, claim } };
}

/** Why the claim is not, or not yet, this object's to take; undefined when it is. */
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

function judgeClaim({ deps, object, namespace, stream }: NumberWork): ClaimDecision {
  const self = candidateOf(deps, object);
  const holderOf = (sid: string) => deps.records.claim(sid)?.uid;
  // Who holds the number is known without a look at others, of whom there can be ten thousand with the same digits.
  const known = decideClaim({ self, sameNumber: [], sameStream: [], holderOf });
  if (known.kind === "held" || known.kind === "numberTaken") return known;
  const claim = decideClaim({
    self,
    sameNumber: deps.seen.numbersWithDigits(object.spec.number).map((other) => candidateOf(deps, other)),
    sameStream: deps.seen.numbersOfStream(namespace, stream).map((other) => candidateOf(deps, other)),
    holderOf,
  });
  const waitedEnough = deps.clock.now() - self.createdAtMs >= UNDECIDED_MS;
  return claim.kind === "undecided" && waitedEnough ? { kind: "free" } : claim;
}

/** What is ours at Twilio stays there, and is remembered: nobody may change it as long as the number is only observed. */
async function letGoOfClaim(work: NumberWork, { seen }: FoundNumber) {
  const { deps, ctx, object } = work;
  const claim = deps.records.claimOf(object.metadata.uid!);
  if (claim === undefined) return;
  try {
    if (leadsHere(work, webhookOf(seen.number)))
      await oweNumber(deps, claim, { why: "Observing", isGone: false }, ctx.signal);
    else await deps.records.dropClaim(claim.phoneNumberSid);
  } finally {
    // Also when it could not be written down yet: the next try finds no claim any more.
    wakeOthers(work.deps, work.object);
  }
}
