import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Candidate, type ClaimDecision, decideClaim, firstInLine } from "./claim-decision.ts";

const candidate = (more: Partial<Candidate>): Candidate => ({
  uid: "self",
  namespace: "b",
  name: "line",
  stream: "support",
  createdAtMs: 100,
  eligible: true,
  found: true,
  phoneNumberSid: "PN1",
  ...more,
});
const self = candidate({});
const other = (more: Partial<Candidate> = {}) =>
  candidate({ uid: "other", namespace: "a", stream: "sales", ...more });

interface ClaimRow {
  self?: Candidate;
  sameNumber?: Candidate[];
  sameStream?: Candidate[];
  holders?: Record<string, string>;
  want: ClaimDecision["kind"];
}

const rows: Record<string, ClaimRow> = {
  "the number is free for the only SmsNumber that names it": { want: "free" },
  "the holder of the number keeps it": { holders: { PN1: "self" }, want: "held" },
  "the holder of the number keeps it when an older SmsNumber appears": {
    holders: { PN1: "self" },
    sameNumber: [other({ createdAtMs: 1 })],
    want: "held",
  },
  "the number is taken when another SmsNumber holds it": {
    holders: { PN1: "other" },
    sameNumber: [other()],
    want: "numberTaken",
  },
  "the number is taken when its holder is in a namespace that is no longer watched": {
    holders: { PN1: "gone" },
    want: "numberTaken",
  },
  "an older SmsNumber whose account owns the number gets it first": {
    sameNumber: [other({ createdAtMs: 1 })],
    want: "numberTaken",
  },
  "an older SmsNumber whose account does not own the number does not count": {
    sameNumber: [other({ createdAtMs: 1, found: false, phoneNumberSid: undefined })],
    want: "free",
  },
  "the decision waits for an older SmsNumber whose account was not read yet": {
    sameNumber: [other({ createdAtMs: 1, found: undefined, phoneNumberSid: undefined })],
    want: "undecided",
  },
  "an older SmsNumber that only observes does not count": {
    sameNumber: [other({ createdAtMs: 1, eligible: false })],
    want: "free",
  },
  "a younger SmsNumber whose account owns the number does not count": {
    sameNumber: [other({ createdAtMs: 200 })],
    want: "free",
  },
  "among SmsNumbers of the same age, the one whose namespace comes first by name wins": {
    sameNumber: [other()],
    want: "numberTaken",
  },
  "among SmsNumbers of the same age and namespace, the one whose name comes first wins": {
    sameNumber: [other({ namespace: "b", name: "zebra" })],
    want: "free",
  },
  "the stream is taken when another SmsNumber holds a number for it": {
    holders: { PN2: "other" },
    sameStream: [other({ stream: "support", phoneNumberSid: "PN2", createdAtMs: 300 })],
    want: "streamTaken",
  },
  "the stream is taken when an older SmsNumber names a number for it that the account owns": {
    sameStream: [other({ stream: "support", phoneNumberSid: "PN2", createdAtMs: 1 })],
    want: "streamTaken",
  },
  "the stream is free when an older SmsNumber names a number for it that the account does not own": {
    sameStream: [other({ stream: "support", phoneNumberSid: undefined, found: false, createdAtMs: 1 })],
    want: "free",
  },
};

describe("decideClaim decides whether an SmsNumber may have its number", () => {
  for (const [name, row] of Object.entries(rows))
    test(name, () =>
      expect(
        decideClaim({
          self: row.self ?? self,
          sameNumber: [self, ...(row.sameNumber ?? [])],
          sameStream: [self, ...(row.sameStream ?? [])],
          holderOf: (sid) => row.holders?.[sid],
        }).kind,
      ).toBe(row.want),
    );
});

test("a number that no SmsNumber holds is free only for the first SmsNumber in line", () => {
  const line = fc.uniqueArray(
    fc.record({
      namespace: fc.constantFrom("a", "b", "c"),
      name: fc.constantFrom("x", "y", "z"),
      createdAtMs: fc.integer({ min: 1, max: 3 }),
      eligible: fc.boolean(),
      found: fc.constantFrom(true, false, undefined),
    }),
    { selector: ({ namespace, name }) => `${namespace}/${name}` },
  );
  fc.assert(
    fc.property(line, (facts) => {
      const sameNumber = facts.map((each) => candidate({ ...each, uid: `${each.namespace}/${each.name}` }));
      const free = sameNumber.filter(
        (self) =>
          self.eligible &&
          self.found === true &&
          decideClaim({ self, sameNumber, sameStream: [], holderOf: () => undefined }).kind === "free",
      );
      const first = firstInLine(sameNumber);
      expect(free).toEqual(first?.found === true ? [first] : []);
    }),
  );
});
