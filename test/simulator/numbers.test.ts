import { describe, expect, test } from "vitest";
import { accountPath, demoAccount, raw, sdk, withSimulator } from "./support.ts";

const { sid: accountSid, numberSid } = demoAccount;
const path = `${accountPath}/IncomingPhoneNumbers/${numberSid}.json`;

describe("a number, read and changed with Twilio's own SDK", () => {
  test("a new number has the URL of Twilio's demo, the method POST and no application", () =>
    withSimulator({}, async (simulator) => {
      const number = await sdk(simulator).incomingPhoneNumbers(numberSid).fetch();
      expect(number.phoneNumber).toBe("+14252306549");
      expect(number.smsUrl).toBe("https://demo.twilio.com/welcome/sms/reply/");
      expect([number.smsMethod, number.smsFallbackUrl, number.smsApplicationSid]).toEqual(["POST", "", ""]);
      expect(number.capabilities).toMatchObject({ sms: true, mms: true, voice: true });
      expect(number.dateUpdated).toBeInstanceOf(Date);
    }));

  test("an update changes only the fields that were sent, and answers with the changed number", () =>
    withSimulator({}, async (simulator) => {
      const number = sdk(simulator).incomingPhoneNumbers(numberSid);
      const before = await number.fetch();
      const smsUrl = "https://sms.example.com/inbound/a/b#ct=2000&rt=4500&rc=2&rp=all";
      const updated = await number.update({ smsUrl, smsFallbackUrl: "https://sms.example.com/fallback/a/b" });
      expect(updated.smsUrl).toBe(smsUrl);
      const after = await number.fetch();
      expect(after.toJSON()).toEqual({ ...before.toJSON(), ...updated.toJSON() });
      expect([after.voiceUrl, after.friendlyName]).toEqual([before.voiceUrl, before.friendlyName]);
    }));

  test("an empty string clears a URL, but not while its fallback URL stays set", () =>
    withSimulator({}, async (simulator) => {
      const number = sdk(simulator).incomingPhoneNumbers("PN00000000000000000000000000000002");
      await expect(number.update({ smsUrl: "" })).rejects.toMatchObject({ status: 400, code: 21406 });
      const cleared = await number.update({ smsUrl: "", smsFallbackUrl: "" });
      expect([cleared.smsUrl, cleared.smsFallbackUrl]).toEqual(["", ""]);
    }));

  test("an update with one invalid field changes nothing", () =>
    withSimulator({}, async (simulator) => {
      const form = { FriendlyName: "New", SmsUrl: "https://a.example.com/", SmsMethod: "PUT" };
      expect((await raw(simulator, path, { form })).json.code).toBe(21403);
      expect(simulator.state.numbers.get(numberSid)).toMatchObject({ friendlyName: "Demo" });
    }));

  test("one update can remove the application and set a URL", () =>
    withSimulator({}, async (simulator) => {
      const number = sdk(simulator).incomingPhoneNumbers("PN00000000000000000000000000000003");
      expect((await number.fetch()).smsApplicationSid).toBe("AP00000000000000000000000000000001");
      const updated = await number.update({ smsApplicationSid: "", smsUrl: "https://a.example.com/" });
      expect([updated.smsApplicationSid, updated.smsUrl]).toEqual(["", "https://a.example.com/"]);
    }));

  test("a number that moves to a subaccount leaves its service and keeps its SID", () =>
    withSimulator({}, async (simulator) => {
      const sub = "AC00000000000000000000000000000003";
      const moving = "PN00000000000000000000000000000006";
      const moved = await sdk(simulator).incomingPhoneNumbers(moving).update({ accountSid: sub });
      expect(moved.accountSid).toBe(sub);
      await expect(sdk(simulator).incomingPhoneNumbers(moving).fetch()).rejects.toMatchObject({
        code: 20404,
      });
      expect(simulator.state.serviceOf(moving)).toBeUndefined();
      const found = await sdk(simulator).api.v2010.accounts(sub).incomingPhoneNumbers(moving).fetch();
      expect(found.phoneNumber).toBe("+14252306554");
    }));

  test("a released number can be neither fetched nor reached", () =>
    withSimulator({}, async (simulator) => {
      await sdk(simulator).incomingPhoneNumbers(numberSid).remove();
      await expect(sdk(simulator).incomingPhoneNumbers(numberSid).fetch()).rejects.toMatchObject({
        status: 404,
      });
      const text = { from: "+12065551234", to: demoAccount.number, body: "Hello?" };
      expect((await simulator.control.inbound(text)).outcome).toBe("unreachable");
    }));
});

describe("the lists of numbers", () => {
  const filters: Record<string, [filter: object, numbers: string[]]> = {
    "a whole number finds exactly this number": [{ phoneNumber: "+14252306550" }, ["+14252306550"]],
    "a part of a number finds all numbers that contain it": [
      { phoneNumber: "1425230655" },
      ["0", "1", "2", "3", "4", "5", "6"].map((n) => `+1425230655${n}`),
    ],
    "a star stands for any digit": [{ phoneNumber: "+1425230*549" }, ["+14252306549"]],
    "a star does not stand for several digits": [{ phoneNumber: "+14252*49" }, []],
    "a name finds the numbers with this name": [{ friendlyName: "Toll-free" }, ["+18885550100"]],
    "the origin hosted finds none of the bought numbers": [{ origin: "hosted" }, []],
  };
  for (const [name, [filter, numbers]] of Object.entries(filters))
    test(`can be filtered: ${name}`, () =>
      withSimulator({}, async (simulator) => {
        const found = await sdk(simulator).incomingPhoneNumbers.list(filter);
        expect(found.map(({ phoneNumber }) => phoneNumber).sort()).toEqual(numbers);
      }));

  test("have 2,500 new numbers on three pages of at most 1,000, each number once", () =>
    withSimulator({}, async (simulator) => {
      simulator.state.addNumbers(accountSid, 2500);
      const found = await sdk(simulator).incomingPhoneNumbers.list({ pageSize: 1000 });
      expect(new Set(found.map(({ sid }) => sid)).size).toBe(2509);
      const calls = simulator.control
        .requests()
        .map(({ operation, query }) => [operation, new Map(query).get("PageSize")]);
      expect(calls).toEqual(Array(3).fill(["ListIncomingPhoneNumber", "1000"]));
    }));

  test("have 50 numbers per page by default, and a relative URI of the next page with the filter and a token", () =>
    withSimulator({}, async (simulator) => {
      simulator.state.addNumbers(accountSid, 60);
      const { json } = await raw(simulator, `${accountPath}/IncomingPhoneNumbers.json?PhoneNumber=%2B13602`);
      expect([json.incoming_phone_numbers.length, json.page, json.page_size, json.start, json.end]).toEqual([
        50, 0, 50, 0, 49,
      ]);
      expect(json.next_page_uri).toMatch(/^\/2010-04-01\/Accounts\/AC0+1\/IncomingPhoneNumbers\.json\?/);
      const next = new URLSearchParams(json.next_page_uri.split("?")[1]);
      expect([next.get("PhoneNumber"), next.get("Page")]).toEqual(["+13602", "1"]);
      expect(next.get("PageToken")).toMatch(/^PAPN/);
      const last = (await raw(simulator, json.next_page_uri)).json;
      expect([last.incoming_phone_numbers.length, last.next_page_uri, last.start, last.end]).toEqual([
        10,
        null,
        50,
        59,
      ]);
    }));

  test("have no duplicates and no gaps when numbers are bought between two pages", () =>
    withSimulator({}, async (simulator) => {
      const first = (await raw(simulator, `${accountPath}/IncomingPhoneNumbers.json?PageSize=4`)).json;
      simulator.state.addNumbers(accountSid, 3);
      const second = (await raw(simulator, first.next_page_uri)).json;
      const sids = [first, second].flatMap((page) =>
        page.incoming_phone_numbers.map(({ sid }: { sid: string }) => sid),
      );
      expect(new Set(sids).size).toBe(8);
    }));

  test("are separate for each type of number", () =>
    withSimulator({}, async (simulator) => {
      const { local, mobile, tollFree } = sdk(simulator).incomingPhoneNumbers;
      expect([(await local.list()).length, (await mobile.list()).length]).toEqual([8, 0]);
      expect((await tollFree.list()).map(({ phoneNumber }) => phoneNumber)).toEqual(["+18885550100"]);
    }));
});

describe("a short code", () => {
  test("can be found by a pattern, fetched, and given another URL", () =>
    withSimulator({}, async (simulator) => {
      const { shortCodes } = sdk(simulator).api.v2010.accounts(accountSid);
      const [found] = await shortCodes.list({ shortCode: "8945*6" });
      expect(found?.shortCode).toBe("894546");
      const updated = await shortCodes(found!.sid).update({
        smsUrl: "https://a.example.com/",
        smsMethod: "GET",
      });
      expect([updated.smsUrl, updated.smsMethod]).toEqual(["https://a.example.com/", "GET"]);
      expect((await shortCodes(found!.sid).fetch()).smsUrl).toBe("https://a.example.com/");
      expect(await shortCodes.list({ shortCode: "11111" })).toEqual([]);
    }));
});
