import { describe, expect, test } from "vitest";
import { demoAccount, mg, raw, sdk, withSimulator } from "./support.ts";

const { sid: accountSid, numberSid } = demoAccount;
const pn = (n: number) => `PN0000000000000000000000000000000${n}`;

describe("a Messaging Service", () => {
  test("has fields that show where it sends inbound texts", () =>
    withSimulator({}, async (simulator) => {
      const services = await sdk(simulator).messaging.v1.services.list();
      const told = services.map((s) => [s.sid, s.useInboundWebhookOnNumber, s.inboundRequestUrl]);
      expect(told.sort()).toEqual([
        [mg(1), false, null],
        [mg(2), true, null],
        [mg(3), false, "https://crm.example.com/twilio/service"],
      ]);
    }));

  test("can be created, changed and deleted, and after its deletion its numbers belong to no service", () =>
    withSimulator({}, async (simulator) => {
      const { services } = sdk(simulator).messaging.v1;
      const made = await services.create({
        friendlyName: "New",
        inboundRequestUrl: "https://a.example.com/",
      });
      await services(made.sid).phoneNumbers.create({ phoneNumberSid: numberSid });
      const changed = await services(made.sid).update({
        inboundRequestUrl: "",
        useInboundWebhookOnNumber: true,
      });
      expect([changed.inboundRequestUrl, changed.useInboundWebhookOnNumber]).toEqual([null, true]);
      await services(made.sid).remove();
      await expect(services(made.sid).fetch()).rejects.toMatchObject({ status: 404 });
      expect(simulator.state.serviceOf(numberSid)).toBeUndefined();
    }));

  test("cannot be fetched by another account", () =>
    withSimulator({}, async (simulator) => {
      const { sid } = simulator.state.addService({ accountSid: "AC00000000000000000000000000000002" });
      await expect(sdk(simulator).messaging.v1.services(sid).fetch()).rejects.toMatchObject({ code: 20404 });
    }));

  test("is listed in pages whose URLs name Twilio's host, and a client maps them to the simulator", () =>
    withSimulator({}, async (simulator) => {
      for (let i = 0; i < 5; i++) simulator.state.addService({ accountSid });
      const { json } = await raw(simulator, "/messaging/v1/Services?PageSize=3");
      expect(json.meta.next_page_url).toMatch(
        /^https:\/\/messaging\.twilio\.com\/v1\/Services\?PageSize=3&Page=1&PageToken=PAMG/,
      );
      const listed = await sdk(simulator).messaging.v1.services.list({ pageSize: 3 });
      expect(new Set(listed.map(({ sid }) => sid)).size).toBe(8);
    }));
});

describe("the pool of a Messaging Service", () => {
  test("lets a number be added, fetched and removed", () =>
    withSimulator({}, async (simulator) => {
      const { phoneNumbers } = sdk(simulator).messaging.v1.services(mg(2));
      await phoneNumbers.create({ phoneNumberSid: numberSid });
      expect((await phoneNumbers.list()).map(({ sid }) => sid).sort()).toEqual([pn(1), pn(6)]);
      const found = await phoneNumbers(numberSid).fetch();
      expect([found.phoneNumber, found.serviceSid, found.capabilities]).toEqual([
        demoAccount.number,
        mg(2),
        ["MMS", "SMS", "Voice"],
      ]);
      await phoneNumbers(numberSid).remove();
      await expect(phoneNumbers(numberSid).fetch()).rejects.toMatchObject({ status: 404, code: 20404 });
    }));

  test("lists its short codes separately from its numbers", () =>
    withSimulator({}, async (simulator) => {
      const service = sdk(simulator).messaging.v1.services(mg(2));
      await service.shortCodes.create({ shortCodeSid: "SC00000000000000000000000000000001" });
      expect((await service.shortCodes.list()).map(({ shortCode }) => shortCode)).toEqual(["894546"]);
      expect((await service.phoneNumbers.list()).map(({ sid }) => sid)).toEqual([pn(6)]);
      await service.shortCodes("SC00000000000000000000000000000001").remove();
      expect(await service.shortCodes.list()).toEqual([]);
    }));

  test("refuses another number when it has 400 numbers", () =>
    withSimulator({}, async (simulator) => {
      for (const { sid } of simulator.state.addNumbers(accountSid, 399)) simulator.state.join(mg(1), sid);
      const create = sdk(simulator)
        .messaging.v1.services(mg(1))
        .phoneNumbers.create({ phoneNumberSid: numberSid });
      await expect(create).rejects.toMatchObject({ code: 21714 });
    }));
});

describe("a Conversations address", () => {
  test("is listed with its autocreation setting, and can be fetched by its phone number", () =>
    withSimulator({}, async (simulator) => {
      const { addressConfigurations } = sdk(simulator).conversations.v1;
      const [found] = await addressConfigurations.list({ type: "sms" });
      expect([found?.address, found?.autoCreation.enabled]).toEqual(["+14252306556", true]);
      expect((await addressConfigurations("+14252306556").fetch()).sid).toBe(found?.sid);
      expect(await addressConfigurations.list({ type: "whatsapp" })).toEqual([]);
    }));
});
