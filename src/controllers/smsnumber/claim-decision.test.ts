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
  "the number is free for an object that is alone": { want: "free" },
  "an object that holds the number goes on holding it": { holders: { PN1: "self" }, want: "held" },
  "an object that holds the number goes on holding it when an older one appears": {
    holders: { PN1: "self" },
    sameNumber: [other({ createdAtMs: 1 })],
    want: "held",
  },
  "another holds the number": { holders: { PN1: "other" }, sameNumber: [other()], want: "numberTaken" },
  "another of a namespace that is gone from view still holds it": {
    holders: { PN1: "gone" },
    want: "numberTaken",
  },
  "an older object whose account owns the number gets it first": {
    sameNumber: [other({ createdAtMs: 1 })],
    want: "numberTaken",
  },
  "an older object whose account does not own the number is passed over": {
    sameNumber: [other({ createdAtMs: 1, found: false, phoneNumberSid: undefined })],
    want: "free",
  },
  "the decision waits for an older object whose account was not read yet": {
    sameNumber: [other({ createdAtMs: 1, found: undefined, phoneNumberSid: undefined })],
    want: "undecided",
  },
  "an older object that only observes is passed over": {
    sameNumber: [other({ createdAtMs: 1, eligible: false })],
    want: "free",
  },
  "a younger object whose account owns the number comes later": {
    sameNumber: [other({ createdAtMs: 200 })],
    want: "free",
  },
  "between objects of the same age the namespace decides": { sameNumber: [other()], want: "numberTaken" },
  "between objects of the same age and namespace the name decides": {
    sameNumber: [other({ namespace: "b", name: "zebra" })],
    want: "free",
  },
  "another number holds the stream": {
    holders: { PN2: "other" },
    sameStream: [other({ stream: "support", phoneNumberSid: "PN2", createdAtMs: 300 })],
    want: "streamTaken",
  },
  "an older number of the stream is good": {
    sameStream: [other({ stream: "support", phoneNumberSid: "PN2", createdAtMs: 1 })],
    want: "streamTaken",
  },
  "an older number of the stream is a typo": {
    sameStream: [other({ stream: "support", phoneNumberSid: undefined, found: false, createdAtMs: 1 })],
    want: "free",
  },
};

describe("decideClaim", () => {
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

test("a number that nobody holds is free for nobody but the first in line", () => {
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
