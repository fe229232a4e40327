import assert from "node:assert/strict";
import { describe, test } from "vitest";
import { Failure } from "../errors.ts";
import { type Credentials, fingerprint, fingerprintOf, loginsOf, parseCredentials } from "./credentials.ts";

const accountSid = "AC0123456789abcdef0123456789abcdef";
const apiKeySid = "SK0123456789abcdef0123456789abcdef";
const authToken = "token-token-token-token-token-01";
const good = { accountSid, authToken };

const rows: Record<string, [Record<string, string>, { region?: string; edge?: string }, Credentials]> = {
  "account and token": [good, {}, good],
  "a trailing line break is cut off": [
    { accountSid: `${accountSid}\n`, authToken: `${authToken}\r\n` },
    {},
    good,
  ],
  "blanks at the end of a token are the user's": [
    { ...good, authToken: `${authToken} ` },
    {},
    { ...good, authToken: `${authToken} ` },
  ],
  "a second token": [
    { ...good, secondaryAuthToken: "second" },
    {},
    { ...good, secondaryAuthToken: "second" },
  ],
  "the longest second token": [
    { ...good, secondaryAuthToken: "s".repeat(256) },
    {},
    { ...good, secondaryAuthToken: "s".repeat(256) },
  ],
  "an empty second token is none": [{ ...good, secondaryAuthToken: "\n" }, {}, good],
  "an API key": [{ ...good, apiKeySid, apiKeySecret: "s" }, {}, { ...good, apiKeySid, apiKeySecret: "s" }],
  "a region and its edge": [
    good,
    { region: "ie1", edge: "dublin" },
    { ...good, region: "ie1", edge: "dublin" },
  ],
  "other keys are of no interest": [{ ...good, username: "x" }, {}, good],
};
for (const [name, [data, where, want]] of Object.entries(rows))
  test(name, () => assert.deepEqual(parseCredentials(data, where), want));

describe("refused", () => {
  const refused: Record<
    string,
    [Record<string, string>, { region?: string; edge?: string }, string, RegExp]
  > = {
    "no account": [{ authToken }, {}, "SecretKeyMissing", /accountSid/],
    "an empty account": [{ accountSid: "\n", authToken }, {}, "SecretKeyMissing", /accountSid/],
    "no token": [{ accountSid }, {}, "SecretKeyMissing", /authToken/],
    "a key's secret without its SID": [{ ...good, apiKeySecret: "s" }, {}, "SecretKeyMissing", /apiKeySid/],
    "a key's SID without its secret": [{ ...good, apiKeySid }, {}, "SecretKeyMissing", /apiKeySecret/],
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
    "a path in the account": [
      { ...good, accountSid: `${accountSid}/../x` },
      {},
      "AccountSidMalformed",
      /accountSid/,
    ],
    "a key's SID as account": [{ ...good, accountSid: apiKeySid }, {}, "AccountSidMalformed", /accountSid/],
    "an account as key": [
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
    "a token that is a file": [
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
    "a key's secret of 257 characters": [
      { ...good, apiKeySid, apiKeySecret: "s".repeat(257) },
      {},
      "SecretKeyMissing",
      /^apiKeySecret .*256 characters/,
    ],
    "a key that only the prototype has": [
      Object.create({ accountSid, authToken }),
      {},
      "SecretKeyMissing",
      /accountSid/,
    ],
    "a region without its edge": [good, { region: "ie1" }, "TwilioRejected", /together/],
    "a region that is no label": [
      good,
      { region: "ie1.example.com", edge: "dublin" },
      "TwilioRejected",
      /lower-case/,
    ],
    "an edge that is no label": [good, { region: "ie1", edge: "-x" }, "TwilioRejected", /lower-case/],
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

describe("the fingerprint", () => {
  const base: Credentials = { ...good, region: "ie1", edge: "dublin" };
  test("is the same for the same credentials", () =>
    assert.equal(fingerprintOf(base), fingerprintOf({ ...base })));
  const changes: Record<string, Partial<Credentials>> = {
    account: { accountSid: `AC${"f".repeat(32)}` },
    token: { authToken: "other" },
    "second token": { secondaryAuthToken: "s" },
    key: { apiKeySid, apiKeySecret: "s" },
    region: { region: "au1" },
    edge: { edge: "sydney" },
  };
  for (const [what, change] of Object.entries(changes))
    test(`changes with the ${what}`, () =>
      assert.notEqual(fingerprintOf({ ...base, ...change }), fingerprintOf(base)));
  test("holds nothing of what it is made from", () => assert.match(fingerprintOf(base), /^[0-9a-f]{24}$/));
  test("tells apart what only a boundary distinguishes", () =>
    assert.notEqual(fingerprint("AC1", "b", "a"), fingerprint("AC1", "", "ab")));
});

test("with an API key REST logs in with it alone, else with one token after the other", () => {
  const tokens = { ...good, secondaryAuthToken: "second" };
  assert.deepEqual(loginsOf(tokens), [
    { user: accountSid, password: authToken },
    { user: accountSid, password: "second" },
  ]);
  assert.deepEqual(loginsOf({ ...tokens, apiKeySid, apiKeySecret: "s" }), [
    { user: apiKeySid, password: "s" },
  ]);
});
