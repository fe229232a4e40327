/**
 * Who holds a number, and which number a WorkStream has. Pure.
 *
 * Nobody gets a claim by naming a number: only an object whose account owns it (`found`) counts, so that a typo or malice in
 * one namespace takes nothing from another. Whoever holds a claim keeps it.
 */
export interface Candidate {
  uid: string;
  namespace: string;
  name: string;
  stream: string;
  createdAtMs: number;
  /** `managementPolicy: Manage`, not being deleted, and nothing is missing without which it is not wired: its WorkStream, say. */
  eligible: boolean;
  /** Does the account of its WorkStream own the number, and does it take SMS? Undefined: not known yet. */
  found: boolean | undefined;
  /** Twilio's SID of the number, once found; of one that it holds, always. */
  phoneNumberSid: string | undefined;
}

export type ClaimDecision =
  | { kind: "held" }
  /** Free, and this object's turn. */
  | { kind: "free" }
  /** An older object may have a better right, but is not known well enough yet; ask again soon. */
  | { kind: "undecided" }
  | { kind: "numberTaken" }
  | { kind: "streamTaken" };

export interface ClaimInput {
  self: Candidate;
  /** All SmsNumbers with the same digits, in every namespace of this release; may include self. */
  sameNumber: readonly Candidate[];
  /** All SmsNumbers of the same WorkStream; may include self. */
  sameStream: readonly Candidate[];
  /** UID of the holder by Twilio's SID, as recorded. */
  holderOf(phoneNumberSid: string): string | undefined;
}

/** Decides what `self` may do with its number. */
export function decideClaim({ self, sameNumber, sameStream, holderOf }: ClaimInput): ClaimDecision {
  const holds = (candidate: Candidate) =>
    candidate.phoneNumberSid !== undefined && holderOf(candidate.phoneNumberSid) === candidate.uid;
  if (holds(self)) return { kind: "held" };
  const holder = self.phoneNumberSid === undefined ? undefined : holderOf(self.phoneNumberSid);
  if (holder !== undefined) return { kind: "numberTaken" };
  if (sameStream.some((other) => other.uid !== self.uid && holds(other))) return { kind: "streamTaken" };

  const byNumber = precedence(self, sameNumber);
  if (byNumber === "behind") return { kind: "numberTaken" };
  const byStream = precedence(self, sameStream);
  if (byStream === "behind") return { kind: "streamTaken" };
  return byNumber === "unclear" || byStream === "unclear" ? { kind: "undecided" } : { kind: "free" };
}

/** The only one of these for whom a number that nobody holds can be free. Its account owns the number, or may own it. */
export function firstInLine(candidates: readonly Candidate[]): Candidate | undefined {
  return candidates
    .filter(({ eligible, found }) => eligible && found !== false)
    .reduce<Candidate | undefined>(
      (first, each) => (first === undefined || comesBefore(each, first) ? each : first),
      undefined,
    );
}

/** Is somebody before us in the line, for certain or perhaps? */
function precedence(self: Candidate, others: readonly Candidate[]): "first" | "behind" | "unclear" {
  const older = others.filter(
    (other) => other.uid !== self.uid && other.eligible && comesBefore(other, self),
  );
  if (older.some(({ found }) => found === true)) return "behind";
  return older.some(({ found }) => found === undefined) ? "unclear" : "first";
}

/** The oldest first, then by namespace and name, so that every replica decides alike. */
function comesBefore(a: Candidate, b: Candidate): boolean {
  if (a.createdAtMs !== b.createdAtMs) return a.createdAtMs < b.createdAtMs;
  if (a.namespace !== b.namespace) return a.namespace < b.namespace;
  return a.name < b.name;
}
