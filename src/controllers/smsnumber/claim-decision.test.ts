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
  "alone, it is free": { want: "free" },
  "held already": { holders: { PN1: "self" }, want: "held" },
  "held already, though an older one came along": {
    holders: { PN1: "self" },
    sameNumber: [other({ createdAtMs: 1 })],
    want: "held",
  },
  "another holds the number": { holders: { PN1: "other" }, sameNumber: [other()], want: "numberTaken" },
  "another of a namespace that is gone from view still holds it": {
    holders: { PN1: "gone" },
    want: "numberTaken",
  },
  "an older one owns it too": { sameNumber: [other({ createdAtMs: 1 })], want: "numberTaken" },
  "an older one names it, but its account does not own it": {
    sameNumber: [other({ createdAtMs: 1, found: false, phoneNumberSid: undefined })],
    want: "free",
  },
  "an older one names it and is not looked up yet": {
    sameNumber: [other({ createdAtMs: 1, found: undefined, phoneNumberSid: undefined })],
    want: "undecided",
  },
  "an older one only observes": { sameNumber: [other({ createdAtMs: 1, eligible: false })], want: "free" },
  "a younger one owns it too": { sameNumber: [other({ createdAtMs: 200 })], want: "free" },
  "of the same age, the namespace decides": { sameNumber: [other()], want: "numberTaken" },
  "of the same age and namespace, the name decides": {
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
