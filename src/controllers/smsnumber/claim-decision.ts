/**
 * Who holds a number, and which number a WorkStream has. Pure.
 *
 * Nobody gets a claim by naming a number: only an object whose account owns the number (`found`) counts, so that a
 * typo or malice in one namespace takes nothing from another. Whoever holds a claim keeps it, whoever else appears:
 * a number in use must not change hands because an object was recreated with an older time. Among those without a
 * claim the oldest object wins, as in the Gateway API.
 */

/** An SmsNumber as far as claims are concerned. */
export interface Candidate {
  /** Claims are held by UID, so that an object recreated under the same name does not inherit one by accident. */
  uid: string;
  namespace: string;
  name: string;
  stream: string;
  createdAtMs: number;
  /**
   * `managementPolicy: Manage`, not being deleted, and accepted as far as wiring needs it (its WorkStream exists,
   * say).
   */
  eligible: boolean;
  /**
   * Does the account of its WorkStream own the number, and can the number take SMS? Undefined while that is not
   * known.
   */
  found: boolean | undefined;
  /** Twilio's SID of the number once it was found; for a number that it holds, always. */
  phoneNumberSid: string | undefined;
}

/**
 * `held`: it has the claim. `numberTaken` and `streamTaken`: another object has the number, or another number has
 * the stream.
 */
export type ClaimDecision =
  | { kind: "held" }
  /** Nobody holds it, and it is this object's turn. */
  | { kind: "free" }
  /** An older object may have a better right, but its account was not read yet; ask again soon. */
  | { kind: "undecided" }
  | { kind: "numberTaken" }
  | { kind: "streamTaken" };

/** Everything the decision depends on. */
export interface ClaimQuestion {
  self: Candidate;
  /** All SmsNumbers with the same digits, in every namespace of this release; may include self. */
  sameNumber: readonly Candidate[];
  /** All SmsNumbers of the same WorkStream; may include self. */
  sameStream: readonly Candidate[];
  /** UID of the holder by Twilio's SID, as recorded. */
  holderOf(phoneNumberSid: string): string | undefined;
}

/**
 * Decides what `self` may do with its number. Records come before precedence: a recorded holder wins against any
 * age.
 */
export function decideClaim({ self, sameNumber, sameStream, holderOf }: ClaimQuestion): ClaimDecision {
  const holds = (candidate: Candidate) =>
    candidate.phoneNumberSid !== undefined && holderOf(candidate.phoneNumberSid) === candidate.uid;
  if (holds(self)) return { kind: "held" };
  const holder = self.phoneNumberSid === undefined ? undefined : holderOf(self.phoneNumberSid);
  if (holder !== undefined) return { kind: "numberTaken" };
  // A stream has one number: the receiver must know from which number a conversation is answered.
  if (sameStream.some((other) => other.uid !== self.uid && holds(other))) return { kind: "streamTaken" };

  const byNumber = precedence(self, sameNumber);
  if (byNumber === "behind") return { kind: "numberTaken" };
  const byStream = precedence(self, sameStream);
  if (byStream === "behind") return { kind: "streamTaken" };
  return byNumber === "unclear" || byStream === "unclear" ? { kind: "undecided" } : { kind: "free" };
}

/**
 * The only candidate for whom a number that nobody holds can be free: the oldest whose account owns the number, or
 * may own it.
 */
export function firstInLine(candidates: readonly Candidate[]): Candidate | undefined {
  return candidates
    .filter(({ eligible, found }) => eligible && found !== false)
    .reduce<Candidate | undefined>(
      (first, each) => (first === undefined || comesBefore(each, first) ? each : first),
      undefined,
    );
}

/** Is an older object ahead of us in the line, for certain or perhaps? */
function precedence(self: Candidate, others: readonly Candidate[]): "first" | "behind" | "unclear" {
  const older = others.filter(
    (other) => other.uid !== self.uid && other.eligible && comesBefore(other, self),
  );
  if (older.some(({ found }) => found === true)) return "behind";
  return older.some(({ found }) => found === undefined) ? "unclear" : "first";
}

/**
 * The oldest first, then by namespace and name, so that every process decides alike. Creation times have whole
 * seconds; one `kubectl apply` makes many objects in the same one.
 */
function comesBefore(a: Candidate, b: Candidate): boolean {
  if (a.createdAtMs !== b.createdAtMs) return a.createdAtMs < b.createdAtMs;
  if (a.namespace !== b.namespace) return a.namespace < b.namespace;
  return a.name < b.name;
}
