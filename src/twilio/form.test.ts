import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, test, vi } from "vitest";
import { fieldOf, type Pair, parseForm } from "./form.ts";

// Tests of random requests take a second on an idle machine and longer on a busy one, so they may take a minute.
vi.setConfig({ testTimeout: 60_000 });

const parse = (body: string | Uint8Array) =>
  parseForm(typeof body === "string" ? Buffer.from(body, "latin1") : body);

const rows: Record<string, [string, Pair[]]> = {
  "plus is a blank, %2B is a plus": [
    "Body=a+b&From=%2B1425",
    [
      ["Body", "a b"],
      ["From", "+1425"],
    ],
  ],
  "an empty value stays": [
    "Body=&To=1",
    [
      ["Body", ""],
      ["To", "1"],
    ],
  ],
  "a name without an equals sign has an empty value": [
    "Body&To=1",
    [
      ["Body", ""],
      ["To", "1"],
    ],
  ],
  "an empty name stays": ["=x", [["", "x"]]],
  "empty parts are skipped": ["&&a=1&", [["a", "1"]]],
  "duplicate fields keep their order": [
    "a=2&b=3&a=1",
    [
      ["a", "2"],
      ["b", "3"],
      ["a", "1"],
    ],
  ],
  "the value goes on after a second equals sign": ["a=b=c", [["a", "b=c"]]],
  "a lone percent sign stands for itself": [
    "Body=100%&a=%zz&b=%4",
    [
      ["Body", "100%"],
      ["a", "%zz"],
      ["b", "%4"],
    ],
  ],
  "a lone percent sign does not affect the characters after it": ["Body=%+%C3%A9", [["Body", "% é"]]],
  "several bytes make one character": ["Body=%F0%9F%98%80+%e4%bd%a0", [["Body", "😀 你"]]],
  "raw UTF-8 without escapes is read": ["Body=\xc3\xa9", [["Body", "é"]]],
  "a NUL byte is a character": ["Body=a%00b", [["Body", "a\u0000b"]]],
  "a byte order mark stays": ["Body=%EF%BB%BFa", [["Body", "\ufeffa"]]],
  "a leading question mark is part of the name": ["?a=1", [["?a", "1"]]],
  "__proto__ is a name like any other": ["__proto__=1", [["__proto__", "1"]]],
  "an empty body has no fields": ["", []],
};
for (const [name, [body, want]] of Object.entries(rows))
  test(`in a form, ${name}`, () => {
    assert.deepEqual(parse(body), { pairs: want, bytes: undefined });
  });

describe("a form value that is not UTF-8", () => {
  test("has U+FFFD in `pairs` and its own bytes in `bytes`", () => {
    assert.deepEqual(parse("Body=a%FFb&To=%2B1"), {
      pairs: [
        ["Body", "a\ufffdb"],
        ["To", "+1"],
      ],
      bytes: [
        ["Body", "a\xffb"],
        ["To", "+1"],
      ],
    });
  });
  test("has its own bytes in `bytes` also when it is a surrogate written as three bytes", () => {
    assert.deepEqual(parse("Body=%ED%A0%80")?.bytes, [["Body", "\xed\xa0\x80"]]);
  });
  test("is told apart from a U+FFFD that was sent as UTF-8", () => {
    assert.deepEqual(parse("Body=%EF%BF%BD"), { pairs: [["Body", "\ufffd"]], bytes: undefined });
  });
});

test("parseForm() reads a form of 1,000 fields and refuses a form of 1,001", () => {
  assert.equal(parse("a=1&".repeat(1000))?.pairs.length, 1000);
  assert.equal(parse("a=1&".repeat(1001)), undefined);
});

test("parseForm() reads only the given part of a larger buffer", () => {
  const pool = Buffer.from("xxxxa=1&b=2yyyy");
  assert.deepEqual(parse(pool.subarray(4, 11))?.pairs, [
    ["a", "1"],
    ["b", "2"],
  ]);
});

test("fieldOf() finds the first field with a name", () => {
  assert.equal(
    fieldOf(
      [
        ["a", "1"],
        ["b", "2"],
        ["a", "3"],
      ],
      "a",
    ),
    "1",
  );
  assert.equal(fieldOf([["a", "1"]], "toString"), undefined);
});

test("parseForm() reads any body as the URL standard does", () => {
  const atoms = fc.constantFrom(
    "&",
    "=",
    "+",
    "%",
    "%2",
    "%2B",
    "%FF",
    "%C3%A9",
    "%c3",
    "%00",
    "a",
    "Body",
    "\xe9",
    "\xc3\xa9",
    "?",
    ";",
  );
  fc.assert(
    fc.property(fc.array(atoms, { maxLength: 30 }), (parts) => {
      const body = Buffer.from(parts.join(""), "latin1");
      // URLSearchParams takes text and drops a leading question mark, so the body gets one more question mark, and bytes above 127 are
      // escaped.
      const escaped = parts.join("").replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16)}`);
      assert.deepEqual(parse(body)?.pairs, [...new URLSearchParams(`?${escaped}`)]);
    }),
    { numRuns: 2000 },
  );
});

test("parseForm() decodes whatever a client encodes as a form", () => {
  const unit = fc.constantFrom(
    "a",
    " ",
    "+",
    "%",
    "&",
    "=",
    "\0",
    "\r",
    "\n",
    "é",
    "你",
    "😀",
    "\ud800",
    "\udc00",
    "\ufffd",
  );
  const text = fc.string({ unit, maxLength: 8 });
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text), { maxLength: 20 }), (pairs) => {
      const given = new URLSearchParams(pairs);
      assert.deepEqual(parse(given.toString())?.pairs, [...given]);
    }),
    { numRuns: 500 },
  );
});

test("parseForm() reads the recorded webhooks of Twilio as the fields that were recorded with them", () => {
  const { samples } = JSON.parse(
    readFileSync(new URL("../../test/fixtures/twilio/webhook-requests.json", import.meta.url), "utf8"),
  );
  let forms = 0;
  for (const { body, params, method } of samples) {
    if (method !== "POST" || typeof body !== "string" || body.startsWith("{")) continue;
    assert.deepEqual(parse(Buffer.from(body, "utf8"))?.pairs, params);
    forms++;
  }
  assert.ok(forms > 10, `${forms} forms`);
});
