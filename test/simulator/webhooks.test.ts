import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { SimulatorState } from "../../src/simulator/simulator.ts";
import { closed, demoAccount, hello, point, startWebhook, withSimulator } from "./support.ts";

const { number, authToken } = demoAccount;

describe("an inbound webhook", () => {
  const fixture = JSON.parse(
    readFileSync(new URL("../fixtures/twilio/webhook-requests.json", import.meta.url), "utf8"),
  );
  const sample = (name: string) => fixture.samples.find((one: { name: string }) => one.name === name);
  const names = (params: [string, string][]) => params.map(([name]) => name);

  test("has the recorded headers and parameters, in the recorded order", async () => {
    await using hook = await startWebhook();
    await withSimulator({}, async (simulator) => {
      point(simulator, { smsUrl: `${hook.url}/twilio/sms?ns=team-a&p=b%2Fc` });
      await simulator.control.inbound({ ...hello, media: [{ contentType: "image/jpeg", content: "x" }] });
      await simulator.control.inbound({ ...hello, body: "" });
      const [mms, sms] = hook.received;
      expect(names(mms!.params)).toEqual(names(sample("mms-in-one").params));
      expect(names(sms!.params)).toEqual(names(sample("sms-in-us").params));
      expect(sms!.path).toBe("/twilio/sms?ns=team-a&p=b%2Fc");
      for (const [name, value] of Object.entries(sample("sms-in-us").headers as Record<string, string>))
        if (name !== "x-twilio-signature" && name !== "i-twilio-idempotency-token")
          expect([name, sms!.headers[name]]).toEqual([name, value]);
      expect(sms!.headers["i-twilio-idempotency-token"]).toMatch(/^[0-9a-f-]{36}$/);
    });
  });

  test("in a service names it, and a GET carries everything in the query", async () => {
    await using hook = await startWebhook();
    await withSimulator({}, async (simulator) => {
      const service = simulator.state.services.get("MG00000000000000000000000000000003")!;
      Object.assign(service, { inboundRequestUrl: `${hook.url}/s`, inboundMethod: "GET" });
      const delivery = await simulator.control.inbound({ ...hello, to: "+14252306555" });
      expect([delivery.route, hook.received[0]!.method]).toEqual(["service", "GET"]);
      expect(names(hook.received[0]!.params)).toEqual(names(sample("sms-in-via-messaging-service").params));
    });
  });

  const urls: Record<
    string,
    [smsUrl: (base: string) => string, method: string, signed: (base: string) => string]
  > = {
    "its fragment is neither sent nor signed": [(b) => `${b}/in?a=b#rc=2`, "POST", (b) => `${b}/in?a=b`],
    "its user is not signed": [(b) => `${b.replace("//", "//u:p%40@")}/in`, "POST", (b) => `${b}/in`],
    "a GET is signed with its query": [(b) => `${b}/in?a=b`, "GET", (b) => `${b}/in?a=b`],
  };
  for (const [name, [smsUrl, smsMethod, signed]] of Object.entries(urls))
    test(`signature: ${name}`, async () => {
      await using hook = await startWebhook();
      await withSimulator({}, async (simulator) => {
        const { validateRequest } = (await import("twilio")).default;
        point(simulator, { smsUrl: smsUrl(hook.url), smsMethod });
        await simulator.control.inbound({ ...hello, body: "Grüße & 100% ✓", params: { FutureParam: "v 1" } });
        const [got] = hook.received;
        const url = smsMethod === "GET" ? hook.url + got!.path : signed(hook.url);
        const params = smsMethod === "GET" ? {} : Object.fromEntries(got!.params);
        const signature = String(got!.headers["x-twilio-signature"]);
        expect(validateRequest(authToken, signature, url, params)).toBe(true);
        expect(validateRequest(authToken, signature, `${url}x`, params)).toBe(false);
        expect([got!.get("Body"), got!.get("FutureParam")]).toEqual(["Grüße & 100% ✓", "v 1"]);
        if (name.includes("user"))
          expect(got!.headers.authorization).toBe(`Basic ${Buffer.from("u:p@").toString("base64")}`);
      });
    });
});

describe("who gets a text", () => {
  type DestinationCase = [
    to: string,
    set: (state: SimulatorState, url: string) => void,
    outcome: string,
    route: string | null,
    logged: boolean,
  ];
  const service = (state: SimulatorState, n: number, fields: object) =>
    Object.assign(state.services.get(`MG0000000000000000000000000000000${n}`)!, fields);
  const own = (state: SimulatorState, to: string, url: string) =>
    Object.assign(state.sender(to)!, { smsUrl: url });
  const rows: Record<string, DestinationCase> = {
    "the number's own URL": [number, (s, url) => own(s, number, url), "delivered", "number", true],
    "its application before its URL": [
      "+14252306551",
      (s, url) => {
        own(s, "+14252306551", closed);
        s.applications.get("AP00000000000000000000000000000001")!.smsUrl = url;
      },
      "delivered",
      "application",
      true,
    ],
    "an application without a URL: nobody": [
      "+14252306551",
      (s, url) => {
        own(s, "+14252306551", url);
        s.applications.get("AP00000000000000000000000000000001")!.smsUrl = "";
      },
      "notSent",
      null,
      true,
    ],
    "nobody, when no URL is set": [number, (s) => own(s, number, ""), "notSent", null, true],
    "the service's URL before the number's": [
      "+14252306555",
      (s, url) => {
        own(s, "+14252306555", closed);
        service(s, 3, { inboundRequestUrl: url });
      },
      "delivered",
      "service",
      true,
    ],
    "the number's, in a service that defers to it": [
      "+14252306554",
      (s, url) => own(s, "+14252306554", url),
      "delivered",
      "number",
      true,
    ],
    "nobody in a service without a URL, and no log of it": [
      "+14252306553",
      (s, url) => own(s, "+14252306553", url),
      "dropped",
      null,
      false,
    ],
    "Conversations before everything": [
      "+14252306556",
      (s, url) => own(s, "+14252306556", url),
      "conversation",
      "conversation",
      true,
    ],
    "a Conversations address without autocreation leaves it alone": [
      "+14252306556",
      (s, url) => {
        own(s, "+14252306556", url);
        [...s.addresses][0]!.autoCreation.enabled = false;
      },
      "delivered",
      "number",
      true,
    ],
    "a short code's own URL": ["894546", (s, url) => own(s, "894546", url), "delivered", "number", true],
    "nobody at a number without SMS": [
      "+14252306552",
      (s, url) => own(s, "+14252306552", url),
      "unreachable",
      null,
      false,
    ],
    "nobody at a number of nobody": ["+19998887777", () => {}, "unreachable", null, false],
    "nobody in a suspended account": [
      number,
      (s, url) => {
        own(s, number, url);
        s.accounts.get(demoAccount.sid)!.status = "suspended";
      },
      "unreachable",
      null,
      false,
    ],
  };
  for (const [name, [to, set, outcome, route, logged]] of Object.entries(rows))
    test(name, async () => {
      await using hook = await startWebhook();
      await withSimulator({}, async (simulator) => {
        set(simulator.state, hook.url);
        const delivery = await simulator.control.inbound({ ...hello, to });
        expect([delivery.outcome, delivery.route, delivery.messageSid !== null]).toEqual([
          outcome,
          route,
          logged,
        ]);
        expect(hook.received.length).toBe(outcome === "delivered" ? 1 : 0);
        expect(simulator.state.messages.size).toBe(logged ? 1 : 0);
      });
    });
});
