import { describe, expect, test } from "vitest";
import type { Simulator } from "../../src/simulator/simulator.ts";
import { accountPath, demoAccount, raw, sdk, startWebhook, withSimulator } from "./support.ts";

const { sid, authToken, number } = demoAccount;
const sub = "AC00000000000000000000000000000003";

describe("accounts", () => {
  test("an account can read its own state, and a parent can read its subaccount's token", () =>
    withSimulator({}, async (simulator) => {
      const own = await sdk(simulator).api.v2010.accounts(sid).fetch();
      expect([own.status, own.type, own.ownerAccountSid]).toEqual(["active", "Full", sid]);
      const child = await sdk(simulator).api.v2010.accounts(sub).fetch();
      expect([child.ownerAccountSid, child.authToken]).toEqual([sid, "simulator-auth-token-0000000003"]);
      expect((await sdk(simulator).api.v2010.accounts.list()).map((account) => account.sid)).toEqual([
        sid,
        sub,
      ]);
    }));

  test("a parent can use its subaccount's paths, but sees only its own Messaging Services", () =>
    withSimulator({}, async (simulator) => {
      simulator.state.addService({ accountSid: sub, friendlyName: "The subaccount's" });
      const numbers = await sdk(simulator).api.v2010.accounts(sub).incomingPhoneNumbers.list();
      expect(numbers.map(({ phoneNumber }) => phoneNumber)).toEqual(["+12065550101"]);
      const seen = await sdk(simulator).messaging.v1.services.list();
      expect(seen.map(({ friendlyName }) => friendlyName)).not.toContain("The subaccount's");
      const own = await sdk(simulator, sub, "simulator-auth-token-0000000003").messaging.v1.services.list();
      expect(own.map(({ friendlyName }) => friendlyName)).toEqual(["The subaccount's"]);
    }));

  test("a subaccount cannot use its parent's paths", () =>
    withSimulator({}, async (simulator) => {
      const caller = { user: sub, password: "simulator-auth-token-0000000003" };
      expect((await raw(simulator, `${accountPath}/IncomingPhoneNumbers.json`, caller)).status).toBe(401);
    }));

  const suspended: Record<string, [suspend: string, path: string, status: number]> = {
    "its numbers cannot be listed": [sid, `${accountPath}/IncomingPhoneNumbers.json`, 403],
    "the account itself can still be read": [sid, `${accountPath}.json`, 200],
    "the numbers of its subaccount cannot be listed either": [
      sid,
      `/2010-04-01/Accounts/${sub}/IncomingPhoneNumbers.json`,
      403,
    ],
    "the numbers of its parent account can still be listed": [
      sub,
      `${accountPath}/IncomingPhoneNumbers.json`,
      200,
    ],
  };
  for (const [name, [account, path, status]] of Object.entries(suspended))
    test(`when an account is suspended, ${name}`, () =>
      withSimulator({}, async (simulator) => {
        simulator.state.accounts.get(account)!.status = "suspended";
        expect((await raw(simulator, path)).status).toBe(status);
      }));

  test("the credentials of a closed account no longer log in", () =>
    withSimulator({}, async (simulator) => {
      simulator.state.accounts.get(sid)!.status = "closed";
      expect((await raw(simulator, `${accountPath}.json`)).status).toBe(401);
    }));
});

describe("API keys", () => {
  const standard = ["SK00000000000000000000000000000001", "simulator-secret-standard"] as const;
  const main = ["SK00000000000000000000000000000002", "simulator-secret-main"] as const;
  const restricted = ["SK00000000000000000000000000000003", "simulator-secret-restricted"] as const;
  const as = (simulator: Simulator, [user, secret]: readonly [string, string]) =>
    sdk(simulator, user, secret, { accountSid: sid });

  test("a standard key can list numbers, but not keys", () =>
    withSimulator({}, async (simulator) => {
      expect(await as(simulator, standard).incomingPhoneNumbers.list({ limit: 1 })).toHaveLength(1);
      await expect(as(simulator, standard).keys.list()).rejects.toMatchObject({ status: 401, code: 20003 });
    }));

  test("a main key can read its account and its subaccounts", () =>
    withSimulator({}, async (simulator) => {
      expect((await as(simulator, main).api.v2010.accounts(sid).fetch()).sid).toBe(sid);
      expect((await as(simulator, main).api.v2010.accounts(sub).fetch()).sid).toBe(sub);
    }));

  test("a restricted key has only its permissions, and the error names the missing permission", () =>
    withSimulator({}, async (simulator) => {
      const client = as(simulator, restricted);
      const text = { from: number, to: "+12065551234", body: "Hello" };
      expect((await client.messages.create(text)).status).toBe("queued");
      await expect(client.messages.list()).rejects.toMatchObject({
        code: 70051,
        message: expect.stringContaining("/twilio/messaging/messages/list"),
      });
    }));

  test("a restricted key does not work outside region us1", () =>
    withSimulator({}, async (simulator) => {
      const allow = ["/twilio/messaging/*"];
      const key = { accountSid: sid, kind: "restricted" as const, allow, secret: "s" };
      const { sid: user } = simulator.state.region("ie1").addKey(key);
      const call = { user, password: "s" };
      expect((await raw(simulator, `/regions/ie1${accountPath}/Messages.json`, call)).status).toBe(401);
    }));

  test("a new key logs in until it is deleted", () =>
    withSimulator({}, async (simulator) => {
      const key = await sdk(simulator).newKeys.create({ friendlyName: "Made" });
      const login = [key.sid, key.secret] as const;
      expect(await as(simulator, login).messages.list()).toEqual([]);
      expect((await sdk(simulator).keys(key.sid).fetch()).friendlyName).toBe("Made");
      await sdk(simulator).keys(key.sid).remove();
      await expect(as(simulator, login).messages.list()).rejects.toMatchObject({ status: 401 });
    }));
});

describe("the rotation of an auth token", () => {
  const login = (simulator: Simulator, password: string) =>
    raw(simulator, `${accountPath}.json`, { password });

  test("both tokens log in until the promotion, and only the new token logs in afterwards", () =>
    withSimulator({}, async (simulator) => {
      const { secondaryAuthToken } = await sdk(simulator).accounts.v1.secondaryAuthToken().create();
      expect((await login(simulator, authToken)).status).toBe(200);
      expect((await login(simulator, secondaryAuthToken)).status).toBe(200);
      const promoted = await sdk(simulator, sid, secondaryAuthToken)
        .accounts.v1.authTokenPromotion()
        .update();
      expect(promoted.authToken).toBe(secondaryAuthToken);
      expect((await login(simulator, authToken)).status).toBe(401);
      expect((await login(simulator, secondaryAuthToken)).status).toBe(200);
    }));

  test("webhooks are signed with the primary token until the promotion, and with the new token afterwards", async () => {
    await using hook = await startWebhook();
    await withSimulator({}, async (simulator) => {
      const { validateRequest } = (await import("twilio")).default;
      const url = `${hook.url}/in`;
      await sdk(simulator).incomingPhoneNumbers(demoAccount.numberSid).update({ smsUrl: url });
      const { secondaryAuthToken: next } = await sdk(simulator).accounts.v1.secondaryAuthToken().create();
      const signers = async () => {
        await simulator.control.inbound({ from: "+12065551234", to: number, body: "Hello" });
        const { headers, params } = hook.received.at(-1)!;
        const signature = String(headers["x-twilio-signature"]);
        return [authToken, next].map((token) =>
          validateRequest(token, signature, url, Object.fromEntries(params)),
        );
      };
      expect(await signers()).toEqual([true, false]);
      await sdk(simulator).accounts.v1.authTokenPromotion().update();
      expect(await signers()).toEqual([false, true]);
    });
  });

  test("a deleted secondary token does not log in and cannot be promoted", () =>
    withSimulator({}, async (simulator) => {
      const { secondaryAuthToken } = await sdk(simulator).accounts.v1.secondaryAuthToken().create();
      await sdk(simulator).accounts.v1.secondaryAuthToken().remove();
      expect((await login(simulator, secondaryAuthToken)).status).toBe(401);
      const promotion = sdk(simulator).accounts.v1.authTokenPromotion();
      await expect(promotion.update()).rejects.toMatchObject({ status: 404, code: 20404 });
      expect((await login(simulator, authToken)).status).toBe(200);
    }));
});

describe("Twilio's regions", () => {
  const ie1 = { region: "ie1", edge: "dublin" };

  test("a region has its own credentials and configuration, and its lists have URLs of that region", () =>
    withSimulator({}, async (simulator) => {
      const there = sdk(simulator, sid, `${authToken}-ie1`, ie1);
      const seen = await there.incomingPhoneNumbers(demoAccount.numberSid).fetch();
      expect(seen.smsUrl).toBe("");
      await there.incomingPhoneNumbers(demoAccount.numberSid).update({ smsUrl: "https://ie.example.com/" });
      expect(simulator.state.numbers.get(demoAccount.numberSid)?.smsUrl).toContain("demo.twilio.com");
      simulator.state.region("ie1").addService({ accountSid: sid });
      simulator.state.region("ie1").addService({ accountSid: sid });
      const answer = await raw(simulator, "/regions/ie1/messaging/v1/Services?PageSize=1", {
        password: `${authToken}-ie1`,
      });
      expect(answer.json.meta.next_page_url).toMatch(
        /^https:\/\/messaging\.dublin\.ie1\.twilio\.com\/v1\/Services\?/,
      );
      expect(await there.messaging.v1.services.list({ pageSize: 1 })).toHaveLength(2);
    }));

  test("a text reaches the region that handles the number's texts, and is signed with that region's token", async () => {
    await using hook = await startWebhook();
    await withSimulator({}, async (simulator) => {
      const { validateRequest } = (await import("twilio")).default;
      const url = `${hook.url}/ie`;
      const there = sdk(simulator, sid, `${authToken}-ie1`, ie1);
      await there.incomingPhoneNumbers(demoAccount.numberSid).update({ smsUrl: url });
      simulator.state.messagingRegions.set(number, "ie1");
      const delivery = await simulator.control.inbound({ from: "+12065551234", to: number, body: "Hello" });
      expect(delivery.outcome).toBe("delivered");
      const { headers, params } = hook.received[0]!;
      const signature = String(headers["x-twilio-signature"]);
      expect(validateRequest(`${authToken}-ie1`, signature, url, Object.fromEntries(params))).toBe(true);
      expect([simulator.state.messages.size, (await there.messages.list()).length]).toEqual([0, 1]);
      const text = { from: number, to: "+12065551234", body: "x" };
      await expect(sdk(simulator).messages.create(text)).rejects.toMatchObject({ code: 21663 });
    });
  });
});
