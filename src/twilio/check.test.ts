import assert from "node:assert/strict";
import { describe, test } from "vitest";
import type { Reason } from "../api/reasons.ts";
import { Failure } from "../errors.ts";
import { type AccountSeen, type CheckCalls, checkCredentials, KeyRefused } from "./check.ts";
import type { Credentials } from "./credentials.ts";
import type { CredentialCheck } from "./resources.ts";

const sid = `AC${"1".repeat(32)}`;
const parent = `AC${"2".repeat(32)}`;
const key = { apiKeySid: `SK${"1".repeat(32)}`, apiKeySecret: "key" };
const one = { accountSid: sid, authToken: "one" };
const both = { ...one, secondaryAuthToken: "two" };

const account: AccountSeen = { status: "active", type: "Full", ownerAccountSid: sid, authToken: "one" };
const sub: AccountSeen = { ...account, ownerAccountSid: parent };
const fail = (reason: Reason) => new Failure(reason, reason);

/** A fake Twilio for a check. `accounts` and `keys` hold its answer for each token or key secret. Every other login gets 401. */
function twilio(
  accounts: Record<string, AccountSeen | Failure>,
  keys: Record<string, true | Failure> = {},
): CheckCalls {
  const answer = <T>(found: T | Failure | undefined): T => {
    if (found === undefined) throw fail("TwilioUnauthorized");
    if (found instanceof Failure) throw found;
    return found;
  };
  return {
    fetchAccount: async ({ user, password }) =>
      answer(accounts[`${user === parent ? "parent:" : ""}${password}`]),
    listOne: async ({ password }) => void answer(keys[password]),
  };
}

const accepted = { authToken: "accepted", promoted: false, accountStatus: "active", type: "Full" } as const;

const good: Record<string, [Credentials, CheckCalls, CredentialCheck]> = {
  "one token": [one, twilio({ one: account }), accepted],
  "both tokens of a rotation": [
    both,
    twilio({ one: account, two: account }),
    { ...accepted, secondaryAuthToken: "accepted" },
  ],
  "a good first token beside a second token that is not valid yet, or no longer": [
    both,
    twilio({ one: account }),
    { ...accepted, secondaryAuthToken: "refused" },
  ],
  "a second token that was promoted, while the first is refused": [
    both,
    twilio({ two: { ...account, authToken: "two" } }),
    { ...accepted, authToken: "refused", secondaryAuthToken: "accepted", promoted: true },
  ],
  "a key that may list numbers": [
    { ...one, ...key },
    twilio({ one: account }, { key: true }),
    { ...accepted, apiKey: "accepted" },
  ],
  "a trial account": [one, twilio({ one: { ...account, type: "Trial" } }), { ...accepted, type: "Trial" }],
  "a subaccount with its own token": [one, twilio({ one: sub }), { ...accepted, ownerAccountSid: parent }],
  "a subaccount whose second token is under the key authToken": [
    one,
    twilio({ one: { ...sub, authToken: "not in the Secret" } }),
    { ...accepted, ownerAccountSid: parent },
  ],
  "a subaccount in a region whose answer has no token": [
    one,
    twilio({ one: { ...sub, authToken: "" } }),
    { ...accepted, ownerAccountSid: parent },
  ],
};
describe("checkCredentials accepts", () => {
  for (const [name, [credentials, calls, want]] of Object.entries(good))
    test(name, async () => assert.deepEqual(await checkCredentials(credentials, calls), want));
});

const bad: Record<string, [Credentials, CheckCalls, Reason, RegExp?]> = {
  "the only token is refused": [one, twilio({}), "TwilioUnauthorized"],
  "both tokens are refused": [both, twilio({}), "TwilioUnauthorized"],
  "the API key is refused though the token is good": [
    { ...one, ...key },
    twilio({ one: account }),
    "TwilioUnauthorized",
    /apiKeySid/,
  ],
  "the token is refused though the API key is good": [
    { ...one, ...key },
    twilio({}, { key: true }),
    "TwilioUnauthorized",
  ],
  "the API key lacks a permission": [
    { ...one, ...key },
    twilio({ one: account }, { key: fail("TwilioPermissionMissing") }),
    "TwilioPermissionMissing",
  ],
  "the account is suspended": [one, twilio({ one: { ...account, status: "suspended" } }), "AccountSuspended"],
  "the account is closed": [one, twilio({ one: { ...account, status: "closed" } }), "AccountSuspended"],
  "Twilio answers with the error that the account is not active": [
    one,
    twilio({ one: fail("AccountSuspended") }),
    "AccountSuspended",
  ],
  "the token in the Secret of a subaccount is that of its parent": [
    one,
    twilio({
      one: { ...sub, authToken: "the subaccount's" },
      "parent:one": { ...sub, authToken: "the subaccount's" },
    }),
    "SubaccountNeedsOwnToken",
  ],
  "Twilio does not answer about one of the tokens": [
    both,
    twilio({ one: account, two: fail("TwilioUnavailable") }),
    "TwilioUnavailable",
  ],
  "Twilio throttles the request with the API key": [
    { ...one, ...key },
    twilio({ one: account }, { key: fail("TwilioThrottled") }),
    "TwilioThrottled",
  ],
};
describe("the error for a refused API key lists the accepted tokens", () => {
  const tokens: Record<string, [CheckCalls, readonly string[]]> = {
    "when both tokens are accepted": [twilio({ one: account, two: account }), ["one", "two"]],
    "when only the promoted token is accepted": [twilio({ two: { ...account, authToken: "two" } }), ["two"]],
    "when the API key lacks a permission": [
      twilio({ one: account }, { key: fail("TwilioPermissionMissing") }),
      ["one"],
    ],
  };
  for (const [name, [calls, want]] of Object.entries(tokens))
    test(name, async () => {
      await assert.rejects(checkCredentials({ ...both, ...key }, calls), (error) => {
        assert.ok(error instanceof KeyRefused);
        assert.deepEqual(error.acceptedTokens, want);
        return true;
      });
    });
});

describe("checkCredentials throws when", () => {
  for (const [name, [credentials, calls, reason, message = /./]] of Object.entries(bad))
    test(name, async () => {
      await assert.rejects(checkCredentials(credentials, calls), (error) => {
        assert.ok(error instanceof Failure);
        assert.equal(error.reason, reason);
        assert.match(error.message, message);
        return true;
      });
    });
});
