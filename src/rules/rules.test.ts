import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { facts } from "./facts.ts";
import { environment, judge } from "./rules.ts";

/** An expression, and a part of the message about it; undefined when it is good. */
const rows: Record<string, [when: string, complaint: string | undefined]> = {
  "a word in the text": ["message.text.matches('(?i)invoice')", undefined],
  "a word and a day": ["message.text.contains('x') && time.weekday in ['Saturday', 'Sunday']", undefined],
  "a time": ["time.now - message.receivedAt > duration('5m') || time.minuteOfDay >= 1020", undefined],
  "a bool by itself": ["customer.returning", undefined],
  "a list of words": ["['a', 'b'].exists(word, message.text.startsWith(word))", undefined],
  "every field": [
    `[${Object.entries(facts)
      .flatMap(([name, fields]) => Object.keys(fields).map((field) => `type(${name}.${field}) == string`))
      .join(", ")}].all(each, each)`,
    undefined,
  ],
  "no such variable": ["sender == 'x'", "Unknown variable: sender (at character 1)"],
  "no such field": ["message.body == 'x'", "No such key: body (at character 9)"],
  "a text compared with a number": ["message.text == 1", "no such overload: string == int"],
  "no such function": ["message.text.like('x')", "string.like(string)"],
  "a whole variable": ["message.contains('x')", "'message.contains(string)'"],
  "not finished": ["message.segments > ", "Unexpected token: EOF (at character 20)"],
  "a number": ["message.segments", "of type int"],
  "a value of any type": ["dyn(true)", "of type dyn"],
  "a text": ["'true'", "of type string"],
  "the letter a, 1,000 times": ["a".repeat(1000), "Unknown variable"],
  "brackets, 500 deep": [`${"(".repeat(500)}true${")".repeat(496)}`, "maxDepth"],
  "a pattern that is not closed": ["message.text.matches('(a')", "missing closing )"],
  "a pattern that looks ahead, which RE2 cannot": ["message.text.matches('a(?=b)')", "Perl syntax"],
  "a pattern that refers back": [String.raw`message.text.matches(r'(.)\1')`, "invalid escape"],
  "a pattern that would grow to a million states": [
    "message.text.matches('((x{1000}){1000}){1000}')",
    "invalid repeat count",
  ],
  "a pattern that comes from the customer": ["'x'.matches(message.text)", "written out in quotes"],
  "a pattern that is no text": ["message.text.matches(1)", "written out in quotes"],
  "matches on a number": ["message.segments.matches('1')", "matches is for texts, not for int"],
  "matches on a whole variable": ["message.matches('1')", "matches is for texts, not for message"],
  "a bad pattern in the part that is never evaluated": [
    "true || message.text.matches('(')",
    "missing closing )",
  ],
  "a bad pattern in a list": ["['a'].exists(each, each.matches('['))", "missing closing ]"],
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

describe("an expression is evaluated", () => {
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

// JavaScript's own RegExp would need longer for this than the age of the universe.
test("a bad text against a bad pattern takes almost no time", () => {
  const evil = { ...asked, message: { ...asked.message, text: `${"a".repeat(1600)}!` } };
  expect(environment.parse("message.text.matches('^(a+)+$')")(evil)).toBe(false);
});

test("the description in the CRD names every field", () => {
  const crd = readFileSync(join(import.meta.dirname, "../../crds/workstreams.yaml"), "utf8");
  const described = crd.replaceAll(/\s+/g, "");
  for (const [name, fields] of Object.entries(facts))
    expect(described).toContain(`${name}{${Object.keys(fields).join(",")}}`);
});
