import { describe, expect, test } from "vitest";
import type { WebhookChange } from "../../src/twilio/twilio.ts";
import {
  accountOf,
  change,
  client,
  demoAccount,
  failure,
  requestCounts,
  resync,
  simulator,
} from "./support.ts";

const demoReply = "https://demo.twilio.com/welcome/sms/reply/";
const ours: WebhookChange = {
  smsUrl: "https://sms.example.com/inbound/a/b#ct=2000&rt=4500&rc=2&rp=all",
  smsMethod: "POST",
  smsFallbackUrl: "https://sms.example.com/fallback/a/b#ct=2000&rt=4500&rc=2&rp=all",
  smsApplicationSid: "",
};
const sid = (prefix: string, n: number) => prefix + String(n).padStart(32, "0");

describe("the numbers of a Twilio account", () => {
  test("are listed with all their fields, and unset strings are empty", async () => {
    const account = accountOf(client((await simulator()).url));
    const numbers = await account.listNumbers(resync);
    expect(numbers).toHaveLength(9);
    expect(numbers.find(({ sid }) => sid === demoAccount.numberSid)).toEqual({
      kind: "number",
      sid: demoAccount.numberSid,
      accountSid: demoAccount.sid,
      phoneNumber: demoAccount.number,
      friendlyName: "Demo",
      capabilities: { sms: true, mms: true, voice: true },
      smsUrl: demoReply,
      smsMethod: "POST",
      smsFallbackUrl: "",
      smsFallbackMethod: "POST",
      smsApplicationSid: "",
    });
    expect(numbers.find(({ sid }) => sid.endsWith("3"))?.smsApplicationSid).toBe(sid("AP", 1));
    expect(numbers.find(({ sid }) => sid.endsWith("4"))?.capabilities.sms).toBe(false);
  });

  test("are listed with three requests when there are 2,500 numbers", async () => {
    const twilio = await simulator();
    twilio.state.addNumbers(demoAccount.sid, 2491);
    const numbers = await accountOf(client(twilio.url)).listNumbers(resync);
    expect(new Set(numbers.map(({ sid }) => sid)).size).toBe(2500);
    const lists = twilio.control.requests();
    expect(lists).toHaveLength(3);
    expect(lists.map(({ query }) => new URLSearchParams(query).get("PageSize"))).toEqual([
      "1000",
      "1000",
      "1000",
    ]);
  });

  test("are found by their exact digits, although the filter of Twilio is a pattern", async () => {
    const twilio = await simulator();
    const account = accountOf(client(twilio.url));
    expect((await account.findNumber(demoAccount.number, change))?.sid).toBe(demoAccount.numberSid);
    expect(await account.findNumber("+1425230654", change)).toBeNull();
    expect(twilio.control.requests()[0]?.query).toContainEqual(["PhoneNumber", demoAccount.number]);
  });

  test("do not include a number of another account", async () => {
    const account = accountOf(client((await simulator()).url));
    expect((await account.getNumber(demoAccount.numberSid, change))?.phoneNumber).toBe(demoAccount.number);
    expect(await account.getNumber(sid("PN", 16), change)).toBeNull();
    expect(await account.findNumber("+12065550100", change)).toBeNull();
  });

  test("are updated with one request that sends the changes and returns the number as Twilio has it now", async () => {
    const twilio = await simulator();
    const updated = await accountOf(client(twilio.url)).updateNumber(sid("PN", 3), ours, change);
    expect(updated).toMatchObject({ ...ours, sid: sid("PN", 3), smsApplicationSid: "" });
    expect(twilio.state.numbers.get(sid("PN", 3))).toMatchObject({
      smsUrl: ours.smsUrl,
      smsApplicationSid: "",
    });
    const [request, ...more] = twilio.control.requests();
    expect(more).toEqual([]);
    expect(Object.fromEntries(request!.form)).toEqual({
      SmsUrl: ours.smsUrl,
      SmsMethod: "POST",
      SmsFallbackUrl: ours.smsFallbackUrl,
      SmsApplicationSid: "",
    });
  });

  test("can have both webhook URLs cleared in one update", async () => {
    const account = accountOf(client((await simulator()).url));
    const cleared = await account.updateNumber(sid("PN", 2), { smsUrl: "", smsFallbackUrl: "" }, change);
    expect([cleared.smsUrl, cleared.smsFallbackUrl]).toEqual(["", ""]);
  });

  test("cannot get a URL that Twilio refuses, and the error shows Twilio's code but not the URL", async () => {
    const account = accountOf(client((await simulator()).url));
    const wrong = { ...ours, smsUrl: "http://10.0.0.1/inbound" };
    const error = await failure(account.updateNumber(demoAccount.numberSid, wrong, change), "TwilioRejected");
    expect(error.message).toContain("21402");
    expect(error.message).not.toContain("10.0.0.1");
  });

  test("cannot be updated after they were released: the error is NumberNotInAccount", async () => {
    const twilio = await simulator();
    twilio.state.releaseNumber(demoAccount.numberSid);
    const account = accountOf(client(twilio.url));
    await failure(account.updateNumber(demoAccount.numberSid, ours, change), "NumberNotInAccount");
    expect(await account.getNumber(demoAccount.numberSid, change)).toBeNull();
  });
});

describe("the resources of a Twilio account besides its phone numbers", () => {
  test("short codes are listed and updated, without an application", async () => {
    const twilio = await simulator();
    const account = accountOf(client(twilio.url));
    const [code] = await account.listShortCodes(resync);
    expect(code).toMatchObject({ kind: "shortCode", phoneNumber: "894546", capabilities: { sms: true } });
    const updated = await account.updateShortCode(code!.sid, ours, change);
    expect(updated).toMatchObject({
      smsUrl: ours.smsUrl,
      smsFallbackUrl: ours.smsFallbackUrl,
      smsApplicationSid: "",
    });
  });

  test("Messaging Services are listed with the URL for their texts and with their numbers", async () => {
    const account = accountOf(client((await simulator()).url));
    const services = await account.listMessagingServices(resync);
    expect(services.toSorted((a, b) => (a.sid < b.sid ? -1 : 1))).toEqual([
      {
        sid: sid("MG", 1),
        friendlyName: "Drops inbound",
        inboundRequestUrl: "",
        useInboundWebhookOnNumber: false,
      },
      {
        sid: sid("MG", 2),
        friendlyName: "Defers to the number",
        inboundRequestUrl: "",
        useInboundWebhookOnNumber: true,
      },
      {
        sid: sid("MG", 3),
        friendlyName: "Own webhook",
        inboundRequestUrl: "https://crm.example.com/twilio/service",
        useInboundWebhookOnNumber: false,
      },
    ]);
    expect(await account.listServiceNumbers(sid("MG", 3), resync)).toEqual([sid("PN", 7)]);
    expect(await account.listServiceShortCodes(sid("MG", 3), resync)).toEqual([]);
  });

  test("the numbers of a Messaging Service come in pages of 1,000, and the list is empty when the service is gone", async () => {
    const twilio = await simulator();
    for (const { sid: number } of twilio.state.addNumbers(demoAccount.sid, 1200))
      twilio.state.join(sid("MG", 1), number);
    const account = accountOf(client(twilio.url));
    expect(await account.listServiceNumbers(sid("MG", 1), resync)).toHaveLength(1201);
    expect(twilio.control.requests()).toHaveLength(2);
    expect(await account.listServiceNumbers(sid("MG", 9), resync)).toEqual([]);
  });

  test("Conversations addresses of type sms are listed, and addresses of other types are not", async () => {
    const twilio = await simulator();
    twilio.state.addAddress({
      accountSid: demoAccount.sid,
      address: "whatsapp:+14252306549",
      type: "whatsapp",
    });
    const addresses = await accountOf(client(twilio.url)).listConversationsAddresses(resync);
    expect(addresses).toEqual([{ sid: sid("IG", 1), address: "+14252306556", autoCreation: true }]);
  });
});

test("the client returns the same account object for the same credentials, and another object for other credentials", async () => {
  const made = client((await simulator()).url);
  const account = accountOf(made);
  expect(accountOf(made)).toBe(account);
  expect(accountOf(made, { authToken: "another" })).not.toBe(account);
  expect(accountOf(made, { authToken: "another" }).fingerprint).not.toBe(account.fingerprint);
});

test("the client counts its calls by operation and status", async () => {
  const twilio = await simulator();
  const made = client(twilio.url);
  const account = accountOf(made);
  await account.listNumbers(resync);
  await account.getNumber(sid("PN", 16), change);
  expect(await requestCounts(made.registry)).toEqual({ "ListNumbers 200": 1, "FetchNumber 404": 1 });
});

test("a change overtakes 40 resyncs of the same account that came before it", async () => {
  const twilio = await simulator({ latencyMs: 5 });
  const account = accountOf(client(twilio.url, { concurrencyPerAccount: 4 }));
  const done: string[] = [];
  const note = (name: string) => () => void done.push(name);
  await Promise.all([
    ...Array.from({ length: 40 }, () =>
      account.getNumber(demoAccount.numberSid, resync).then(note("resync")),
    ),
    account.getNumber(demoAccount.numberSid, change).then(note("change")),
  ]);
  expect(done).toHaveLength(41);
  expect(done.indexOf("change")).toBeLessThan(20);
});
