/**
 * Decides which SmsNumber holds a number, and which number a WorkStream has. Pure.
 *
 * Naming a number in a spec is not enough for a claim: only an SmsNumber whose Twilio account owns the number
 * (`found`) counts. So a typo or malice in one namespace takes nothing from another. The holder of a claim keeps
 * it, whatever other SmsNumbers appear: a number in use must not change hands because an older SmsNumber comes to
 * name it too. Among SmsNumbers without a claim the oldest wins, as in the Gateway API.
 */

/** The facts about an SmsNumber that decide about claims. */
export interface Candidate {
  /**
   * Claims are held by UID, so that an SmsNumber which is recreated under the same name does not inherit a claim by
   * accident.
   */
  uid: string;
  namespace: string;
  name: string;
  stream: string;
  createdAtMs: number;
  /**
   * True when the SmsNumber has `managementPolicy: Manage`, is not being deleted, and breaks no rule that stops the
   * operator from setting its webhook (its WorkStream exists, for example).
   */
  eligible: boolean;
  /**
   * Does the Twilio account of the SmsNumber's WorkStream own the number, and can the number receive SMS? Undefined
   * while that is not known.
   */
  found: boolean | undefined;
  /** Twilio's SID of the number: known once the number was found, and always known for the holder of the claim. */
  phoneNumberSid: string | undefined;
}

/**
 * `held`: this SmsNumber has the claim. `numberTaken`: another SmsNumber has the number. `streamTaken`: the
 * WorkStream already has another number.
 */
export type ClaimDecision =
  | { kind: "held" }
  /** No SmsNumber holds the number, and it is this SmsNumber's turn to claim it. */
  | { kind: "free" }
  /**
   * An older SmsNumber may have a better right, but its Twilio account was not read yet, so `decideClaim` must be
   * asked again soon.
   */
  | { kind: "undecided" }
  | { kind: "numberTaken" }
  | { kind: "streamTaken" };

/** The input of the decision about a claim. */
export interface ClaimQuestion {
  self: Candidate;
  /**
   * All SmsNumbers with the same digits, in every namespace that this installation watches. The list may include
   * `self`.
   */
  sameNumber: readonly Candidate[];
  /** All SmsNumbers of the same WorkStream. The list may include `self`. */
  sameStream: readonly Candidate[];
  /**
   * Looks up the recorded holder of a number by Twilio's SID of the number, and returns the UID of that SmsNumber.
   */
  holderOf(phoneNumberSid: string): string | undefined;
}

/**
 * Decides whether `self` may claim its number. The records count more than age: a recorded holder wins over an
 * older SmsNumber.
 */
export function decideClaim({ self, sameNumber, sameStream, holderOf }: ClaimQuestion): ClaimDecision {
  const holds = (candidate: Candidate) =>
    candidate.phoneNumberSid !== undefined && holderOf(candidate.phoneNumberSid) === candidate.uid;
  if (holds(self)) return { kind: "held" };
  const holder = self.phoneNumberSid === undefined ? undefined : holderOf(self.phoneNumberSid);
  if (holder !== undefined) return { kind: "numberTaken" };
  // A stream has only one number, because the receiver must know which number to answer a conversation from.
  if (sameStream.some((other) => other.uid !== self.uid && holds(other))) return { kind: "streamTaken" };

  const byNumber = precedence(self, sameNumber);
  if (byNumber === "behind") return { kind: "numberTaken" };
  const byStream = precedence(self, sameStream);
  if (byStream === "behind") return { kind: "streamTaken" };
  return byNumber === "unclear" || byStream === "unclear" ? { kind: "undecided" } : { kind: "free" };
}

/**
 * Returns the first candidate in line: the oldest SmsNumber whose Twilio account owns the number or may own it. If
 * no SmsNumber holds the number, no other candidate may claim it.
 */
export function firstInLine(candidates: readonly Candidate[]): Candidate | undefined {
  return candidates
    .filter(({ eligible, found }) => eligible && found !== false)
    .reduce<Candidate | undefined>(
      (first, each) => (first === undefined || comesBefore(each, first) ? each : first),
      undefined,
    );
}

/** Is an older SmsNumber ahead of `self` in the line: no (`first`), yes (`behind`), or perhaps (`unclear`)? */
function precedence(self: Candidate, others: readonly Candidate[]): "first" | "behind" | "unclear" {
  const older = others.filter(
    (other) => other.uid !== self.uid && other.eligible && comesBefore(other, self),
  );
  if (older.some(({ found }) => found === true)) return "behind";
  return older.some(({ found }) => found === undefined) ? "unclear" : "first";
}

/**
 * Is `a` before `b` in the line? The oldest comes first, then the order is by namespace and name, so that every
 * process decides alike. Age alone is not enough: creation times have whole seconds, and one `kubectl apply` makes
 * many objects within the same second.
 */
function comesBefore(a: Candidate, b: Candidate): boolean {
  if (a.createdAtMs !== b.createdAtMs) return a.createdAtMs < b.createdAtMs;
  if (a.namespace !== b.namespace) return a.namespace < b.namespace;
  return a.name < b.name;
}
