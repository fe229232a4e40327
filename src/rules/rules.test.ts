import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { facts } from "./facts.ts";
import { environment, judge } from "./rules.ts";

/** For each case: an expression, and a part of the message about it; undefined when the expression is good. */
const rows: Record<string, [when: string, complaint: string | undefined]> = {
  "it may look for a word in the text": ["message.text.matches('(?i)invoice')", undefined],
  "it may combine a word and a day": [
    "message.text.contains('x') && time.weekday in ['Saturday', 'Sunday']",
    undefined,
  ],
  "it may compare times": [
    "time.now - message.receivedAt > duration('5m') || time.minuteOfDay >= 1020",
    undefined,
  ],
  "it may be a single bool": ["customer.returning", undefined],
  "it may use a list of words": ["['a', 'b'].exists(word, message.text.startsWith(word))", undefined],
  "it may use every field": [
    `[${Object.entries(facts)
      .flatMap(([name, fields]) => Object.keys(fields).map((field) => `type(${name}.${field}) == string`))
      .join(", ")}].all(each, each)`,
    undefined,
  ],
  "an unknown variable is refused": ["sender == 'x'", "Unknown variable: sender (at character 1)"],
  "an unknown field is refused": ["message.body == 'x'", "No such key: body (at character 9)"],
  "a text cannot be compared with a number": ["message.text == 1", "no such overload: string == int"],
  "an unknown function is refused": ["message.text.like('x')", "string.like(string)"],
  "a function on a whole variable is refused": ["message.contains('x')", "'message.contains(string)'"],
  "an unfinished expression is refused": ["message.segments > ", "Unexpected token: EOF (at character 20)"],
  "its value must not be a number": ["message.segments", "of type int"],
  "its value must not have the type dyn": ["dyn(true)", "of type dyn"],
  "its value must not be a text": ["'true'", "of type string"],
  "a name of 1,000 letters is refused": ["a".repeat(1000), "Unknown variable"],
  "brackets that are 500 deep are refused": [`${"(".repeat(500)}true${")".repeat(496)}`, "maxDepth"],
  "a pattern that is not closed is refused": ["message.text.matches('(a')", "missing closing )"],
  "a pattern that looks ahead is refused, as RE2 cannot do so": [
    "message.text.matches('a(?=b)')",
    "Perl syntax",
  ],
  "a pattern that refers back is refused": [String.raw`message.text.matches(r'(.)\1')`, "invalid escape"],
  "a pattern that would grow to a billion states is refused": [
    "message.text.matches('((x{1000}){1000}){1000}')",
    "invalid repeat count",
  ],
  "a pattern that comes from the customer is refused": ["'x'.matches(message.text)", "written out in quotes"],
  "a pattern that is no text is refused": ["message.text.matches(1)", "written out in quotes"],
  "matches on a number is refused": ["message.segments.matches('1')", "matches is for texts, not for int"],
  "matches on a whole variable is refused": ["message.matches('1')", "matches is for texts, not for message"],
  "a bad pattern is refused in a part that is never evaluated": [
    "true || message.text.matches('(')",
    "missing closing )",
  ],
  "a bad pattern is refused within a list function": [
    "['a'].exists(each, each.matches('['))",
    "missing closing ]",
  ],
};

describe("an expression is checked", () => {
  for (const [name, [when, complaint]] of Object.entries(rows))
    test(name, () => {
      const said = judge(when);
      if (complaint === undefined) expect(said).toMatchObject({ good: true });
      else expect(said).toEqual({ good: false, message: expect.stringContaining(complaint) });
    });
});

const asked = {
  message: { text: "My INVOICE", segments: 1n, numMedia: 0n, receivedAt: new Date(0) },
  customer: { number: "+14155550100", country: "US", returning: false, lastQueue: "" },
  number: { number: "14252306549", type: "LongCode", language: "en", open: true },
  time: { now: new Date(60_000), weekday: "Thursday", minuteOfDay: 1n },
};

describe("an expression is evaluated correctly", () => {
  for (const [when, want] of [
    ["message.text.matches('(?i)invoice')", true],
    ["message.text.matches('invoice')", false],
    ["message.text.matches('^invoice')", false],
    [String.raw`customer.number.matches(r'^\+1415\d{7}$')`, true],
    ["['In', 'Xx'].exists(each, each.matches('^I')) && message.segments == 1", true],
    ["time.now - message.receivedAt == duration('1m')", true],
    ["size(message.text) > 3 && !customer.returning", true],
  ] as const)
    test(when, () => expect(environment.parse(when)(asked)).toBe(want));
});

// JavaScript's own RegExp would take longer for this text than the age of the universe.
test("a harmful text takes almost no time to match against a harmful pattern", () => {
  const evil = { ...asked, message: { ...asked.message, text: `${"a".repeat(1600)}!` } };
  expect(environment.parse("message.text.matches('^(a+)+$')")(evil)).toBe(false);
});

test("the CRD's description of routing rules names every field", () => {
  const crd = readFileSync(join(import.meta.dirname, "../../crds/workstreams.yaml"), "utf8");
  const described = crd.replaceAll(/\s+/g, "");
  for (const [name, fields] of Object.entries(facts))
    expect(described).toContain(`${name}{${Object.keys(fields).join(",")}}`);
});
