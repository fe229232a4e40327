import type { SmsNumber } from "../../../api/index.ts";
import type { HeldNumber } from "../../records/record.ts";
import { candidateOf } from "../candidate.ts";
import { decideClaim, firstInLine } from "../claim-decision.ts";
import type { Finalization } from "../deps.ts";
import { isSuspended } from "../work.ts";

/** It asks the same questions as a claim, and needs no more. */
type Succession = Pick<Finalization, "streams" | "records" | "seen">;

/**
 * Who gets the number next: the first in line among those whose account owns it. Handing over at once keeps texts
 * arriving: the webhook stays, and no number is cleared only to be pointed at us again a second later. A suspended
 * SmsNumber is no successor, since it would not point the number at itself and texts would go on to a stream that
 * is gone.
 */
export function successorOf(deps: Succession, object: SmsNumber, held: HeldNumber): SmsNumber | undefined {
  const others = deps.seen
    .numbersWithDigits(held.number)
    .filter(({ metadata }) => metadata.uid !== object.metadata.uid);
  const candidates = others.map((other) => candidateOf(deps, other));
  // As if our own claim had ended already.
  const holderOf = (sid: string) => {
    const uid = deps.records.claim(sid)?.uid;
    return uid === held.uid ? undefined : uid;
  };
  // Only the first in line can find the number free. Deciding for each of the others would look at all others each
  // time, and there can be ten thousand.
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
