import type { SmsNumber } from "../../../api/index.ts";
import type { HeldNumber } from "../../records/record.ts";
import { candidateOf } from "../candidate.ts";
import { decideClaim, firstInLine } from "../claim-decision.ts";
import type { Finalization } from "../deps.ts";
import { isSuspended } from "../seen.ts";

/** The dependencies of `successorOf`: only those that a decision about a claim needs. */
type Succession = Pick<Finalization, "streams" | "records" | "seen">;

/**
 * Returns the SmsNumber that gets the number next: the first in line whose Twilio account owns the number. Handing
 * the number over keeps texts arriving, because the webhook stays. Otherwise the deletion would clear the webhook,
 * and the next SmsNumber would set it again a second later. A suspended SmsNumber is no successor: it would not set
 * the webhook to its own WorkStream, so texts would keep going to the WorkStream of the deleted SmsNumber.
 */
export function successorOf(deps: Succession, object: SmsNumber, held: HeldNumber): SmsNumber | undefined {
  const others = deps.seen
    .numbersWithDigits(held.number)
    .filter(({ metadata }) => metadata.uid !== object.metadata.uid);
  const candidates = others.map((other) => candidateOf(deps, other));
  // Look claims up as if the claim of the deleted SmsNumber had ended already.
  const holderOf = (sid: string) => {
    const uid = deps.records.claim(sid)?.uid;
    return uid === held.uid ? undefined : uid;
  };
  // Only the first in line may claim a number that nobody holds, so decide for that SmsNumber alone. Deciding for
  // each of the other SmsNumbers would examine all others each time, and there can be ten thousand.
  const self = firstInLine(candidates);
  const other = others.find(({ metadata }) => metadata.uid === self?.uid);
  if (self === undefined || other === undefined) return undefined;
  if (isSuspended(deps, other) || deps.streams.get(self.stream)?.credentials.ok !== true) return undefined;
  if (self.found !== true || self.phoneNumberSid !== held.phoneNumberSid) return undefined;
  const sameStream = deps.seen
    .numbersOfStream(self.namespace, self.stream.split("/")[1]!)
    .filter(({ metadata }) => metadata.uid !== held.uid)
    .map((each) => candidateOf(deps, each));
  const isFree = decideClaim({ self, sameNumber: candidates, sameStream, holderOf }).kind === "free";
  return isFree ? other : undefined;
}
