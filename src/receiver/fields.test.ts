import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fieldOf, parseForm } from "../twilio/form.ts";
import { signatureBase } from "../twilio/signature.ts";
import { accountIn, readFields } from "./fields.ts";

const URL_OF_STREAM = "https://sms.example.com/inbound/team-a/support";

/** Expects that readFields() gives the same result for a body as the general code in src/twilio. */
function agree(body: Buffer) {
  const form = parseForm(body);
  const fields = readFields(body);
  if (form === undefined) return expect(fields).toBeUndefined();
  const bases = fields!.bases(URL_OF_STREAM).map((base) => Buffer.from(base).toString("latin1"));
  const wanted = [signatureBase(URL_OF_STREAM, form.pairs)];
  if (form.bytes !== undefined) wanted.push(signatureBase(URL_OF_STREAM, form.bytes, "latin1"));
  expect(bases).toEqual(wanted.map((base) => base.toString("latin1")));
  for (const [name] of form.pairs) expect(fields!.get(name)).toBe(fieldOf(form.pairs, name));
  expect(fields!.get("NotThere")).toBe(fieldOf(form.pairs, "NotThere"));
}

const rows: Record<string, string> = {
  "an empty body": "",
  "only separators": "&&&",
  "a name without a value": "Body&To=1",
  "an empty name": "=x&a=1",
  "values with = in them": "a=b=c&d==",
  "percent escapes in upper and lower case": "a=%2B%2b%e2%82%AC&b=1+2",
  "a lone percent sign": "a=100%&b=%zz&c=%2",
  "a percent sign before a separator": "a=%&b=%4&c=1",
  "bytes above 127 that are not escaped": "a=\xc3\xa9",
  "bytes that are not UTF-8": "a=%ff%fe&b=1",
  "half a character at the end of one value, the other half in the next": "=%A9&a=%C3",
  "a NUL byte and a lone surrogate": "a=%00&b=%ED%A0%80",
  "a replacement character that was sent as such": "a=%EF%BF%BD",
  "a byte order mark": "a=%EF%BB%BFx",
  "a name that comes twice": "a=2&b=1&a=1&a=2",
  "an escaped name": "%61=1&b+c=2",
  "names that begin alike": "ReasonX=1&Reason=2&Re=3",
  "more fields than the fast reader takes": Array.from({ length: 65 }, (_, i) => `f${i}=${i}`).join("&"),
  "more fields than the general reader takes": "a=1&".repeat(1001),
};
for (const [name, body] of Object.entries(rows))
  test(`the fast and the general reader of forms agree on ${name}`, () => agree(Buffer.from(body, "latin1")));

describe("readFields(), given a body near the limits for unusual bodies,", () => {
  const fields = (count: number, one: (i: number) => string) =>
    Buffer.from(Array.from({ length: count }, (_, i) => one(i)).join("&"));
  const rows: Record<string, [body: Buffer, isRead: boolean]> = {
    "128 fields": [fields(128, (i) => `n${i}=%ff`), true],
    "129 fields": [fields(129, (i) => `n${i}=%ff`), false],
    "129 fields that are usual except for their number": [fields(129, (i) => `n${i}=1`), false],
    "100 names of 300 characters that begin alike": [fields(100, (i) => `${"n".repeat(300)}${i}=1`), true],
    "256 separators": [Buffer.from("&".repeat(256)), true],
    "257 separators": [Buffer.from("&".repeat(257)), false],
    "a name of 64 characters beside many bytes": [
      Buffer.from(`${"n".repeat(64)}=${"x".repeat(40_000)}`),
      true,
    ],
    "a name of 65 characters beside many bytes": [
      Buffer.from(`${"n".repeat(65)}=${"x".repeat(40_000)}`),
      false,
    ],
  };
  for (const [name, [body, isRead]] of Object.entries(rows))
    test(`${isRead ? "reads" : "refuses"} ${name}`, () => {
      if (isRead) agree(body);
      else expect(readFields(body)).toBeUndefined();
    });
});

describe("accountIn() returns the account of a body, or an empty string, when AccountSid is", () => {
  const rows: Record<string, [body: string, account: string]> = {
    "the first field": ["AccountSid=AC1&To=1", "AC1"],
    "in the middle": ["To=1&AccountSid=AC1&From=2", "AC1"],
    "the last field": ["To=1&AccountSid=AC1", "AC1"],
    "after a name with the same ending": ["ParentAccountSid=AC2&AccountSid=AC1", "AC1"],
    "after a value that contains it, percent-encoded": ["Body=AccountSid%3DAC2&AccountSid=AC1", "AC1"],
    "there twice, and the first one counts, as in readFields()": ["AccountSid=AC1&AccountSid=AC2", "AC1"],
    "without a value": ["AccountSid=&To=1", ""],
    missing: ["To=1", ""],
    "after nine names with the same ending, where it is not found, because Twilio sends fewer such names": [
      `${"xAccountSid=1&".repeat(9)}AccountSid=AC1`,
      "",
    ],
  };
  for (const [name, [body, account]] of Object.entries(rows))
    test(name, () => expect(accountIn(Buffer.from(body))).toBe(account));
});

test("readFields() reads an unusual body up to 32 KiB, and a usual body of any size", () => {
  const unusual = (length: number) => Buffer.from(`a=%ff&b=${"x".repeat(length)}`);
  agree(unusual(30_000));
  expect(readFields(unusual(40_000))).toBeUndefined();
  agree(Buffer.from(`a=1&b=${"x".repeat(200_000)}`));
});

test("the fast and the general reader of forms agree on any bytes", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "a",
      "B",
      "Body",
      "%",
      "%2",
      "%20",
      "%C3",
      "%A9",
      "%ff",
      "+",
      "=",
      "&",
      "\xe9",
      "\x00",
      "€",
    ),
    fc.string({ maxLength: 3 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => agree(Buffer.from(pieces.join(""), "utf8"))),
    { numRuns: 2000 },
  );
});

test("readFields() reads a body that is longer than all bodies before it", () => {
  agree(Buffer.from(`Body=${"%41".repeat(20_000)}&To=1`));
  agree(Buffer.from("Body=short&To=1"));
});
