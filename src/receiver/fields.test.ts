import fc from "fast-check";
import { expect, test } from "vitest";
import { fieldOf, parseForm } from "../twilio/form.ts";
import { signatureBase } from "../twilio/signature.ts";
import { readFields } from "./fields.ts";

const URL_OF_STREAM = "https://sms.example.com/inbound/team-a/support";

/** What the general code says of the same body. */
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
  "escapes in upper and lower case": "a=%2B%2b%e2%82%AC&b=1+2",
  "a lone percent sign": "a=100%&b=%zz&c=%2",
  "a percent sign before a separator": "a=%&b=%4&c=1",
  "bytes above 127 that are not escaped": "a=\xc3\xa9",
  "bytes that are no UTF-8": "a=%ff%fe&b=1",
  "half a character at the end of one value, the other half in the next": "=%A9&a=%C3",
  "a NUL byte and a lone surrogate": "a=%00&b=%ED%A0%80",
  "a replacement character that was sent as such": "a=%EF%BF%BD",
  "a byte order mark": "a=%EF%BB%BFx",
  "a name that comes twice": "a=2&b=1&a=1&a=2",
  "an escaped name": "%61=1&b+c=2",
  "names that begin alike": "ReasonX=1&Reason=2&Re=3",
  "more fields than the quick way takes": Array.from({ length: 65 }, (_, i) => `f${i}=${i}`).join("&"),
  "more fields than anybody takes": "a=1&".repeat(1001),
};
for (const [name, body] of Object.entries(rows)) test(name, () => agree(Buffer.from(body, "latin1")));

test("what is unusual is read up to 32 KiB, what is usual at any size", () => {
  const unusual = (length: number) => Buffer.from(`a=%ff&b=${"x".repeat(length)}`);
  agree(unusual(30_000));
  expect(readFields(unusual(40_000))).toBeUndefined();
  agree(Buffer.from(`a=1&b=${"x".repeat(200_000)}`));
});

test("any bytes mean the same to both ways of reading", () => {
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

test("a body that is longer than all before it", () => {
  agree(Buffer.from(`Body=${"%41".repeat(20_000)}&To=1`));
  agree(Buffer.from("Body=short&To=1"));
});
