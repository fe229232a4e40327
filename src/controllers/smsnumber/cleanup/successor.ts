import type { SmsNumber } from "../../../api/index.ts";
import type { HeldNumber } from "../../records/record.ts";
import { candidateOf } from "../candidate.ts";
import { decideClaim, firstInLine } from "../claim-decision.ts";
import type { Finalization } from "../deps.ts";
import { isSuspended } from "../work.ts";

type Succession = Pick<Finalization, "streams" | "records" | "seen">;

/**
 * Who gets the number next: the first in line among those whose account owns it. One that would not point it at itself is no
 * successor: its texts would go on to a stream that is gone.
 */
export function successorOf(deps: Succession, object: SmsNumber, held: HeldNumber): SmsNumber | undefined {
  const others = deps.seen
    .numbersWithDigits(held.number)
    .filter(({ metadata }) => metadata.uid !== object.metadata.uid);
  const candidates = others.map((other) => candidateOf(deps, other));
  const holderOf = (sid: string) => {
    const uid = deps.records.claim(sid)?.uid;
    return uid === held.uid ? undefined : uid;
  };
  // Nobody else can be free to take it: each look costs as much as there are others, of whom there can be ten thousand.
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
