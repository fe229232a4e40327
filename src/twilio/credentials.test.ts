import assert from "node:assert/strict";
import { describe, test } from "vitest";
import { Failure } from "../errors.ts";
import { type Credentials, fingerprint, fingerprintOf, loginsOf, parseCredentials } from "./credentials.ts";

const accountSid = "AC0123456789abcdef0123456789abcdef";
const apiKeySid = "SK0123456789abcdef0123456789abcdef";
const authToken = "token-token-token-token-token-01";
const good = { accountSid, authToken };

const rows: Record<string, [Record<string, string>, { region?: string; edge?: string }, Credentials]> = {
  "an account and its token": [good, {}, good],
  "values without their trailing line break": [
    { accountSid: `${accountSid}\n`, authToken: `${authToken}\r\n` },
    {},
    good,
  ],
  "a token without the thousand line breaks after it": [
    { accountSid, authToken: `${authToken}${"\r\n".repeat(1000)}` },
    {},
    good,
  ],
  "a second token": [
    { ...good, secondaryAuthToken: "second" },
    {},
    { ...good, secondaryAuthToken: "second" },
  ],
  "a second token of 256 characters, the longest": [
    { ...good, secondaryAuthToken: "s".repeat(256) },
    {},
    { ...good, secondaryAuthToken: "s".repeat(256) },
  ],
  "an empty second token as none": [{ ...good, secondaryAuthToken: "\n" }, {}, good],
  "an API key": [{ ...good, apiKeySid, apiKeySecret: "s" }, {}, { ...good, apiKeySid, apiKeySecret: "s" }],
  "a region and its edge": [
    good,
    { region: "ie1", edge: "dublin" },
    { ...good, region: "ie1", edge: "dublin" },
  ],
  "a Secret with other keys, which it ignores": [{ ...good, username: "x" }, {}, good],
};
for (const [name, [data, where, want]] of Object.entries(rows))
  test(`parseCredentials reads ${name}`, () => assert.deepEqual(parseCredentials(data, where), want));

describe("parseCredentials refuses", () => {
  const refused: Record<
    string,
    [Record<string, string>, { region?: string; edge?: string }, string, RegExp]
  > = {
    "a Secret without an account": [{ authToken }, {}, "SecretKeyMissing", /accountSid/],
    "an empty account": [{ accountSid: "\n", authToken }, {}, "SecretKeyMissing", /accountSid/],
    "a Secret without a token": [{ accountSid }, {}, "SecretKeyMissing", /authToken/],
    "an API key's secret and no SID": [{ ...good, apiKeySecret: "s" }, {}, "SecretKeyMissing", /apiKeySid/],
    "an API key's SID and no secret": [{ ...good, apiKeySid }, {}, "SecretKeyMissing", /apiKeySecret/],
    "an account in quotes": [
      { ...good, accountSid: `"${accountSid}"` },
      {},
      "AccountSidMalformed",
      /accountSid/,
    ],
    "a blank before the account": [
      { ...good, accountSid: ` ${accountSid}` },
      {},
      "AccountSidMalformed",
      /accountSid/,
    ],
    "an account SID with a path after it": [
      { ...good, accountSid: `${accountSid}/../x` },
      {},
      "AccountSidMalformed",
      /accountSid/,
    ],
    "the SID of an API key as account": [
      { ...good, accountSid: apiKeySid },
      {},
      "AccountSidMalformed",
      /accountSid/,
    ],
    "the SID of an account as API key": [
      { ...good, apiKeySid: accountSid, apiKeySecret: "s" },
      {},
      "AccountSidMalformed",
      /apiKeySid/,
    ],
    "a token of two lines": [
      { ...good, authToken: "one\ntwo" },
      {},
      "SecretKeyMissing",
      /authToken.*one line/,
    ],
    "a token of 264 characters": [
      { ...good, authToken: "token-token".repeat(24) },
      {},
      "SecretKeyMissing",
      /^authToken .*256 characters/,
    ],
    "a second token of 257 characters": [
      { ...good, secondaryAuthToken: "one\n".padEnd(257, "x") },
      {},
      "SecretKeyMissing",
      /^secondaryAuthToken .*256 characters/,
    ],
    "an API key's secret of 257 characters": [
      { ...good, apiKeySid, apiKeySecret: "s".repeat(257) },
      {},
      "SecretKeyMissing",
      /^apiKeySecret .*256 characters/,
    ],
    "values that only the prototype of the data has": [
      Object.create({ accountSid, authToken }),
      {},
      "SecretKeyMissing",
      /accountSid/,
    ],
    "a region without its edge": [good, { region: "ie1" }, "TwilioRejected", /together/],
    "a region that is not a label of a host name": [
      good,
      { region: "ie1.example.com", edge: "dublin" },
      "TwilioRejected",
      /lower-case/,
    ],
    "an edge that is not a label of a host name": [
      good,
      { region: "ie1", edge: "-x" },
      "TwilioRejected",
      /lower-case/,
    ],
  };
  for (const [name, [data, where, reason, message]] of Object.entries(refused))
    test(name, () =>
      assert.throws(
        () => parseCredentials(data, where),
        (error) => {
          assert.ok(error instanceof Failure);
          assert.equal(error.reason, reason);
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /token-token|0123456789abcdef|one\n|example/);
          return true;
        },
      ),
    );
});

/** The ways in which a value can be spoiled on its way into a Secret, and what the error must then say. */
const spoilings: Record<string, [spoil: (value: string) => string, said: string]> = {
  "double quotes": [(value) => `"${value}"`, "is in quotes"],
  "single quotes": [(value) => `'${value}'`, "is in quotes"],
  backquotes: [(value) => `\`${value}\``, "is in quotes"],
  "typographic quotes": [(value) => `\u201C${value}\u201D`, "is in quotes"],
  "a quote only at the end": [(value) => `${value}"`, "is in quotes"],
  "quotes and a comma, from JSON": [(value) => `"${value}",`, "is in quotes"],
  "quotes with a line break within": [(value) => `"${value}\n"`, "is in quotes"],
  "a blank before it": [(value) => ` ${value}`, "begins or ends with a blank"],
  "a blank behind it": [(value) => `${value} `, "begins or ends with a blank"],
  "a blank before its line break": [(value) => `${value} \n`, "begins or ends with a blank"],
  "a blank in it": [(value) => `${value.slice(0, 9)} ${value.slice(9)}`, "has a blank in it"],
  "a tab behind it": [(value) => `${value}\t`, "has a blank in it"],
  "a line break in it": [(value) => `${value.slice(0, 9)}\n${value.slice(9)}`, "is not one line of text"],
  "a line break before it": [(value) => `\n${value}`, "is not one line of text"],
  "a non-breaking space": [(value) => `\u00A0${value}`, "a non-breaking space in it (U+00A0)"],
  "a byte order mark": [(value) => `\uFEFF${value}`, "begins with a byte order mark"],
  "a zero-width space": [
    (value) => `${value.slice(0, 9)}\u200B${value.slice(9)}`,
    "a zero-width space in it (U+200B)",
  ],
  "a zero-width joiner": [(value) => `${value}\u200D`, "a zero-width joiner in it (U+200D)"],
  "a mark that changes the direction of writing": [
    (value) => `\u202A${value}`,
    "an invisible character in it (U+202A)",
  ],
  "a Cyrillic letter that looks like a Latin one": [
    (value) => `${value}\u0430`,
    "none of Twilio's values has (U+0430)",
  ],
  "a value that was cut off with an ellipsis": [
    (value) => `${value.slice(0, 9)}\u2026`,
    "none of Twilio's values has (U+2026)",
  ],
  "a mask of asterisks in its place": [() => "********************************", "is a mask"],
  "base64 encoded twice": [(value) => Buffer.from(value).toString("base64"), "was encoded in base64 twice"],
  "base64 encoded twice, with the line break of echo": [
    (value) => Buffer.from(`${value}\n`).toString("base64"),
    "was encoded in base64 twice",
  ],
  "NAME=value": [(value) => `TWILIO_AUTH_TOKEN=${value}`, "is written as NAME=value"],
  "NAME=value in quotes": [(value) => `TWILIO_AUTH_TOKEN="${value}"`, "is written as NAME=value"],
  "export NAME=value": [(value) => `export TOKEN=${value}`, "is written as NAME=value"],
  "name: value, as in YAML": [(value) => `authToken: ${value}`, "is written as NAME=value"],
  JSON: [(value) => JSON.stringify({ authToken: value }), "is JSON"],
  "JSON of many lines": [
    (value) => JSON.stringify({ a: "b".repeat(300), authToken: value }, null, 2),
    "is JSON",
  ],
  "a JSON list": [(value) => JSON.stringify([value]), "is JSON"],
  "a Helm template that was not filled in": [() => "{{ .Values.authToken }}", "is a placeholder"],
  "a variable that was not filled in": [() => `\${TWILIO_AUTH_TOKEN}`, "is a placeholder"],
  "a placeholder copied from a manual": [() => "<your auth token>", "is a placeholder"],
  "a comma after the value": [(value) => `${value},`, "ends with a comma"],
  "UTF-16": [(value) => Buffer.from(`\uFEFF${value}`, "utf16le").toString("utf8"), "is UTF-16"],
  "bytes that are not text": [
    (value) => Buffer.from([...Buffer.from(value), 0xff, 0xfe]).toString("utf8"),
    "is not UTF-8",
  ],
  "a NUL after the value": [(value) => `${value}\0`, "a control character"],
  "the value written twenty times": [(value) => value.repeat(20), "has more than 256 characters"],
};

describe("the error for a spoiled value says what happened to the value and does not show it", () => {
  const real = {
    authToken: "0123456789abcdef0123456789abcdef",
    apiKeySecret: "aBcDeFgHiJkLmNoPqRsTuVwXyZ012345",
  };
  const whole = { accountSid, apiKeySid, secondaryAuthToken: real.authToken, ...real };
  test("a Secret with values as Twilio makes them causes no error", () =>
    assert.deepEqual(parseCredentials(whole, {}), whole));
  for (const [name, [spoil, said]] of Object.entries(spoilings))
    for (const key of Object.keys(whole) as (keyof typeof whole)[])
      test(`for ${key} spoiled by ${name}`, () => {
        const value = spoil(whole[key]);
        assert.throws(
          () => parseCredentials({ ...whole, [key]: value }, {}),
          (error) => {
            assert.ok(error instanceof Failure);
            assert.equal(error.reason, key.endsWith("Sid") ? "AccountSidMalformed" : "SecretKeyMissing");
            assert.ok(error.message.startsWith(`${key} in the Secret `), error.message);
            assert.ok(error.message.includes(said), error.message);
            assert.doesNotMatch(error.message, /0123|aBcD|MDEy|QUMw|YUJj|[^\x20-\x7e]/);
            return true;
          },
        );
      });
  test("a SID in the place of a token is reported as a SID", () =>
    assert.throws(
      () => parseCredentials({ ...good, authToken: accountSid }, {}),
      /authToken in the Secret is a SID/,
    ));
});

describe("the fingerprint of credentials", () => {
  const base: Credentials = { ...good, region: "ie1", edge: "dublin" };
  test("is the same for the same credentials", () =>
    assert.equal(fingerprintOf(base), fingerprintOf({ ...base })));
  const changes: Record<string, Partial<Credentials>> = {
    account: { accountSid: `AC${"f".repeat(32)}` },
    token: { authToken: "other" },
    "second token": { secondaryAuthToken: "s" },
    "API key": { apiKeySid, apiKeySecret: "s" },
    region: { region: "au1" },
    edge: { edge: "sydney" },
  };
  for (const [what, change] of Object.entries(changes))
    test(`changes with the ${what}`, () =>
      assert.notEqual(fingerprintOf({ ...base, ...change }), fingerprintOf(base)));
  test("is a hash, which holds nothing of the credentials", () =>
    assert.match(fingerprintOf(base), /^[0-9a-f]{24}$/));
  test("differs for two lists of values that only differ in where a value ends", () =>
    assert.notEqual(fingerprint("AC1", "b", "a"), fingerprint("AC1", "", "ab")));
});

test("REST calls log in with the API key alone when there is one, and otherwise with the tokens in turn", () => {
  const tokens = { ...good, secondaryAuthToken: "second" };
  assert.deepEqual(loginsOf(tokens), [
    { user: accountSid, password: authToken },
    { user: accountSid, password: "second" },
  ]);
  assert.deepEqual(loginsOf({ ...tokens, apiKeySid, apiKeySecret: "s" }), [
    { user: apiKeySid, password: "s" },
  ]);
});
