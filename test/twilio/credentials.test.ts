import { describe, expect, test } from "vitest";
import {
  type Answer,
  accountOf,
  allOf,
  change,
  client,
  credentials,
  demoAccount,
  failure,
  json,
  resync,
  server,
  simulator,
} from "./support.ts";

const sid = (prefix: string, n: number) => prefix + String(n).padStart(32, "0");
const standard = { apiKeySid: sid("SK", 1), apiKeySecret: "simulator-secret-standard" };
const restricted = { apiKeySid: sid("SK", 3), apiKeySecret: "simulator-secret-restricted" };

describe("a check of credentials", () => {
  test("accepts a good token", async () => {
    const account = accountOf(client((await simulator()).url));
    expect(await account.check(change)).toEqual({
      authToken: "accepted",
      promoted: false,
      accountStatus: "active",
      type: "Full",
    });
  });

  test("refuses a wrong token with one request", async () => {
    const twilio = await simulator();
    const account = accountOf(client(twilio.url), { authToken: "wrong" });
    await failure(account.check(change), "TwilioUnauthorized");
    expect(twilio.control.requests()).toHaveLength(1);
  });

  test("accepts a standard API key, which may not read the account", async () => {
    const account = accountOf(client((await simulator()).url), standard);
    expect(await account.check(change)).toMatchObject({ authToken: "accepted", apiKey: "accepted" });
    expect(await account.listNumbers(resync)).toHaveLength(9);
  });

  test("refuses a wrong API key next to a good token", async () => {
    const account = accountOf(client((await simulator()).url), { ...standard, apiKeySecret: "wrong" });
    expect((await failure(account.check(change), "TwilioUnauthorized")).message).toContain("apiKeySid");
  });

  test("refuses a wrong token next to a good API key, because signatures are made with the token", async () => {
    const account = accountOf(client((await simulator()).url), { ...standard, authToken: "wrong" });
    await failure(account.check(change), "TwilioUnauthorized");
  });

  test("names the permission that a restricted API key lacks", async () => {
    const account = accountOf(client((await simulator()).url), restricted);
    const error = await failure(account.check(change), "TwilioPermissionMissing");
    expect(error.message).toContain("/twilio/phone-numbers/incoming-phone-numbers/list");
    const update = account.updateNumber(demoAccount.numberSid, { smsUrl: "", smsFallbackUrl: "" }, change);
    expect((await failure(update, "TwilioPermissionMissing")).message).toContain(
      "incoming-phone-numbers/update",
    );
  });

  test("reports a suspended account as such", async () => {
    const twilio = await simulator();
    twilio.state.accounts.get(demoAccount.sid)!.status = "suspended";
    const account = accountOf(client(twilio.url));
    await failure(account.check(change), "AccountSuspended");
    await failure(account.listNumbers(resync), "AccountSuspended");
  });

  test("accepts a subaccount with its own token and names its parent", async () => {
    const account = client((await simulator()).url).twilio.account({
      accountSid: sid("AC", 3),
      authToken: "simulator-auth-token-0000000003",
    });
    expect(await account.check(change)).toMatchObject({
      authToken: "accepted",
      ownerAccountSid: demoAccount.sid,
    });
  });

  test("refuses the parent's token for a subaccount", async () => {
    const account = accountOf(client((await simulator()).url), { accountSid: sid("AC", 3) });
    await failure(account.check(change), "TwilioUnauthorized");
  });
});

describe("when Twilio accepts the parent's token for the SID of a subaccount", () => {
  const subaccount = sid("AC", 3);
  const parentsToken = "the-parents-token-00000000000001";
  const subaccountsToken = "the-subaccounts-own-token-000001";
  const body = {
    sid: subaccount,
    owner_account_sid: sid("AC", 1),
    status: "active",
    type: "Full",
    auth_token: subaccountsToken,
  };
  const logins = [
    `${subaccount}:${parentsToken}`,
    `${sid("AC", 1)}:${parentsToken}`,
    `${subaccount}:${subaccountsToken}`,
  ];
  const basic = new Set(logins.map((login) => `Basic ${Buffer.from(login).toString("base64")}`));
  const lenient: Answer = (response, request, text) => {
    const isKnown = basic.has(request.headers.authorization!);
    json(isKnown ? body : { code: 20003, message: "Authenticate", status: 401 }, isKnown ? 200 : 401)(
      response,
      request,
      text,
    );
  };

  test("the check still refuses it, because texts are signed with the subaccount's own token", async () => {
    const made = client((await server(lenient)).url);
    const parents = made.twilio.account({ accountSid: subaccount, authToken: parentsToken });
    const error = await failure(parents.check(change), "SubaccountNeedsOwnToken");
    expect(allOf(error) + made.lines.join()).not.toMatch(/token-0000/);
    const own = made.twilio.account({ accountSid: subaccount, authToken: subaccountsToken });
    expect(await own.check(change)).toMatchObject({ authToken: "accepted", ownerAccountSid: sid("AC", 1) });
  });
});

describe("a rotation of tokens", () => {
  const both = { ...credentials, secondaryAuthToken: "second-token-of-the-rotation-001" };

  test("is reported at each step, from before the second token exists to after its promotion", async () => {
    const twilio = await simulator();
    const owner = twilio.state.accounts.get(demoAccount.sid)!;
    const account = client(twilio.url).twilio.account(both);
    const check = () => account.check(change);
    expect(await check()).toMatchObject({
      authToken: "accepted",
      secondaryAuthToken: "refused",
      promoted: false,
    });
    owner.secondaryAuthToken = both.secondaryAuthToken;
    expect(await check()).toMatchObject({
      authToken: "accepted",
      secondaryAuthToken: "accepted",
      promoted: false,
    });
    Object.assign(owner, { authToken: both.secondaryAuthToken, secondaryAuthToken: undefined });
    expect(await check()).toMatchObject({
      authToken: "refused",
      secondaryAuthToken: "accepted",
      promoted: true,
    });
  });

  test("makes a call that gets 401 try the other token once, and later calls use that token", async () => {
    const twilio = await simulator();
    const owner = twilio.state.accounts.get(demoAccount.sid)!;
    const account = client(twilio.url).twilio.account(both);
    await account.listNumbers(resync);
    owner.authToken = both.secondaryAuthToken;
    expect(await account.getNumber(demoAccount.numberSid, change)).not.toBeNull();
    expect(await account.getNumber(demoAccount.numberSid, change)).not.toBeNull();
    expect(twilio.control.requests().map(({ status }) => status)).toEqual([200, 401, 200, 200]);
    // Somebody aborts the rotation, so the first token works again.
    owner.authToken = both.authToken;
    expect(await account.getNumber(demoAccount.numberSid, change)).not.toBeNull();
    expect(
      twilio.control
        .requests()
        .map(({ status }) => status)
        .slice(4),
    ).toEqual([401, 200]);
  });

  test("fails an API call after two requests when Twilio refuses both the old and the new token", async () => {
    const twilio = await simulator();
    twilio.state.accounts.get(demoAccount.sid)!.authToken = "a third one";
    await failure(client(twilio.url).twilio.account(both).listNumbers(resync), "TwilioUnauthorized");
    expect(twilio.control.requests().map(({ status }) => status)).toEqual([401, 401]);
  });

  test("does not make a call with a refused API key fall back to a token, which has all permissions", async () => {
    const twilio = await simulator();
    const account = client(twilio.url).twilio.account({ ...both, ...standard, apiKeySecret: "revoked" });
    await failure(account.listNumbers(resync), "TwilioUnauthorized");
    expect(twilio.control.requests()).toHaveLength(1);
  });
});

describe("a region of Twilio", () => {
  const dublin = { region: "ie1", edge: "dublin" };

  test("has its own tokens and webhooks", async () => {
    const twilio = await simulator();
    const made = client(twilio.url);
    await failure(accountOf(made, dublin).check(change), "TwilioUnauthorized");
    const account = accountOf(made, { ...dublin, authToken: `${demoAccount.authToken}-ie1` });
    expect(await account.check(change)).toMatchObject({ authToken: "accepted" });
    expect((await account.getNumber(demoAccount.numberSid, change))?.smsUrl).toBe("");
    expect(twilio.control.requests().map(({ region }) => region)).toEqual(["ie1", "ie1", "ie1"]);
  });

  test("is used for all pages of a list, in both ways in which Twilio names the next page", async () => {
    const twilio = await simulator();
    const region = twilio.state.region("ie1");
    const numbers = region.addNumbers(demoAccount.sid, 1100);
    const service = region.addService({ accountSid: demoAccount.sid });
    for (const { sid: number } of numbers) region.join(service.sid, number);
    const account = accountOf(client(twilio.url), { ...dublin, authToken: `${demoAccount.authToken}-ie1` });
    expect((await account.listNumbers(resync)).length).toBeGreaterThan(1100);
    expect(await account.listServiceNumbers(service.sid, resync)).toHaveLength(1100);
    expect(new Set(twilio.control.requests().map(({ region }) => region))).toEqual(new Set(["ie1"]));
  });
});
