import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { SimulatorState } from "../../src/simulator/simulator.ts";
import { closedUrl, demoAccount, hello, setWebhooks, startWebhook, withSimulator } from "./support.ts";

const { number, authToken } = demoAccount;

describe("the webhook of an inbound text", () => {
  const fixture = JSON.parse(
    readFileSync(new URL("../fixtures/twilio/webhook-requests.json", import.meta.url), "utf8"),
  );
  const sample = (name: string) => fixture.samples.find((one: { name: string }) => one.name === name);
  const names = (params: [string, string][]) => params.map(([name]) => name);

  test("has the same headers and parameters as recorded requests of Twilio, in the same order", async () => {
    await using hook = await startWebhook();
    await withSimulator({}, async (simulator) => {
      setWebhooks(simulator, { smsUrl: `${hook.url}/twilio/sms?ns=team-a&p=b%2Fc` });
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

  test("names the Messaging Service if there is one, and has all parameters in the query if it is a GET", async () => {
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
    "the fragment of the URL is neither sent nor signed": [
      (b) => `${b}/in?a=b#rc=2`,
      "POST",
      (b) => `${b}/in?a=b`,
    ],
    "the user name in the URL is not signed": [
      (b) => `${b.replace("//", "//u:p%40@")}/in`,
      "POST",
      (b) => `${b}/in`,
    ],
    "a GET is signed with its parameters in the query": [(b) => `${b}/in?a=b`, "GET", (b) => `${b}/in?a=b`],
  };
  for (const [name, [smsUrl, smsMethod, signed]] of Object.entries(urls))
    test(`has a valid signature: ${name}`, async () => {
      await using hook = await startWebhook();
      await withSimulator({}, async (simulator) => {
        const { validateRequest } = (await import("twilio")).default;
        setWebhooks(simulator, { smsUrl: smsUrl(hook.url), smsMethod });
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

describe("an inbound text", () => {
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
    "to the number's own URL": [number, (s, url) => own(s, number, url), "delivered", "number", true],
    "to the URL of the number's TwiML application, and not to the number's own URL": [
      "+14252306551",
      (s, url) => {
        own(s, "+14252306551", closedUrl);
        s.applications.get("AP00000000000000000000000000000001")!.smsUrl = url;
      },
      "delivered",
      "application",
      true,
    ],
    "to no webhook when the number's TwiML application has no URL": [
      "+14252306551",
      (s, url) => {
        own(s, "+14252306551", url);
        s.applications.get("AP00000000000000000000000000000001")!.smsUrl = "";
      },
      "notSent",
      null,
      true,
    ],
    "to no webhook when the number has no URL": [number, (s) => own(s, number, ""), "notSent", null, true],
    "to the Messaging Service's URL, and not to the number's own URL": [
      "+14252306555",
      (s, url) => {
        own(s, "+14252306555", closedUrl);
        service(s, 3, { inboundRequestUrl: url });
      },
      "delivered",
      "service",
      true,
    ],
    "to the number's own URL when its Messaging Service defers to its senders": [
      "+14252306554",
      (s, url) => own(s, "+14252306554", url),
      "delivered",
      "number",
      true,
    ],
    "to no webhook when its Messaging Service has no URL, and is not logged": [
      "+14252306553",
      (s, url) => own(s, "+14252306553", url),
      "dropped",
      null,
      false,
    ],
    "to Twilio Conversations, and not to any webhook": [
      "+14252306556",
      (s, url) => own(s, "+14252306556", url),
      "conversation",
      "conversation",
      true,
    ],
    "to the number's own URL when its Conversations address has no autocreation": [
      "+14252306556",
      (s, url) => {
        own(s, "+14252306556", url);
        [...s.addresses][0]!.autoCreation.enabled = false;
      },
      "delivered",
      "number",
      true,
    ],
    "to a short code's own URL": ["894546", (s, url) => own(s, "894546", url), "delivered", "number", true],
    "to no webhook when the number takes no SMS": [
      "+14252306552",
      (s, url) => own(s, "+14252306552", url),
      "unreachable",
      null,
      false,
    ],
    "to no webhook when nobody owns the number": ["+19998887777", () => {}, "unreachable", null, false],
    "to no webhook when the account is suspended": [
      number,
      (s, url) => {
        own(s, number, url);
        s.accounts.get(demoAccount.sid)!.status = "suspended";
      },
      "unreachable",
      null,
      false,
    ],
    "to no webhook when the parent of the account is suspended": [
      number,
      (s, url) => {
        own(s, number, url);
        const parent = s.region("us1").addAccount({ status: "suspended" });
        s.accounts.get(demoAccount.sid)!.ownerAccountSid = parent.sid;
      },
      "unreachable",
      null,
      false,
    ],
  };
  for (const [name, [to, set, outcome, route, logged]] of Object.entries(rows))
    test(`goes ${name}`, async () => {
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
