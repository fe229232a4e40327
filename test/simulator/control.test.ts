import { describe, expect, test } from "vitest";
import type { Simulator } from "../../src/simulator/simulator.ts";
import {
  accountPath,
  customer,
  demoAccount,
  hello,
  raw,
  sdk,
  setWebhooks,
  startWebhook,
  withSimulator,
} from "./support.ts";

const inbound = { from: customer, to: demoAccount.number, body: "Hello" };

async function control(simulator: Simulator, method: string, name: string, body?: unknown) {
  const response = await fetch(`${simulator.url}/_simulator/${name}`, {
    method,
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, json: text === "" ? undefined : JSON.parse(text) };
}

describe("the control API", () => {
  test("POST /_simulator/inbound delivers a text and answers with every attempt to call a webhook", async () => {
    await using hook = await startWebhook();
    await withSimulator({}, async (simulator) => {
      simulator.state.numbers.get(demoAccount.numberSid)!.smsUrl = `${hook.url}/in`;
      const { status, json } = await control(simulator, "POST", "inbound", {
        ...inbound,
        params: { FromCity: "BONN" },
      });
      expect([status, json]).toEqual([
        200,
        {
          messageSid: expect.stringMatching(/^SM[0-9a-f]{32}$/),
          outcome: "delivered",
          route: "number",
          attempts: [
            {
              url: `${hook.url}/in`,
              at: expect.any(Number),
              durationMs: expect.any(Number),
              status: 200,
              error: null,
              errorCode: null,
            },
          ],
          replies: [],
        },
      ]);
      expect(hook.received[0]!.get("FromCity")).toBe("BONN");
    });
  });

  test("POST /_simulator/inbound takes media as base64 or as text", async () => {
    await using hook = await startWebhook();
    await withSimulator({}, async (simulator) => {
      simulator.state.numbers.get(demoAccount.numberSid)!.smsUrl = hook.url;
      const media = [
        { contentType: "image/png", content: "iVBORw==" },
        { contentType: "text/vcard", content: "BEGIN:VCARD", encoding: "utf8" },
      ];
      const { json } = await control(simulator, "POST", "inbound", {
        from: customer,
        to: demoAccount.number,
        media,
      });
      const kept = simulator.state.messages
        .get(json.messageSid)!
        .media.map(({ content }) => content.toString("latin1"));
      expect(kept).toEqual(["\x89PNG", "BEGIN:VCARD"]);
    });
  });

  test("arms, lists and clears faults", () =>
    withSimulator({}, async (simulator) => {
      const fault = { kind: "status", status: 429, durationMs: 60_000 };
      expect((await control(simulator, "POST", "faults", fault)).json).toEqual({ faults: [fault] });
      expect(
        (await control(simulator, "POST", "faults", [{ kind: "cut", count: 1 }])).json.faults,
      ).toHaveLength(2);
      expect((await raw(simulator, `${accountPath}.json`)).status).toBe(429);
      expect((await control(simulator, "DELETE", "faults")).status).toBe(204);
      expect((await control(simulator, "GET", "faults")).json).toEqual({ faults: [] });
      expect((await raw(simulator, `${accountPath}.json`)).status).toBe(200);
    }));

  test("GET /_simulator/requests shows everything about a call except its credentials", () =>
    withSimulator({}, async (simulator) => {
      const number = sdk(simulator).incomingPhoneNumbers(demoAccount.numberSid);
      await number.update({ smsUrl: "https://a.example.com/" });
      await raw(simulator, `${accountPath}/Messages.json?PageSize=5`, { password: "wrong-secret" });
      const { json } = await control(simulator, "GET", "requests");
      expect(json.requests).toMatchObject([
        {
          method: "POST",
          path: `${accountPath}/IncomingPhoneNumbers/${demoAccount.numberSid}.json`,
          operation: "UpdateIncomingPhoneNumber",
          product: "api",
          region: "us1",
          accountSid: demoAccount.sid,
          status: 200,
          errorCode: null,
          fault: null,
          form: [["SmsUrl", "https://a.example.com/"]],
        },
        { operation: "ListMessage", status: 401, errorCode: 20003, query: [["PageSize", "5"]] },
      ]);
      const text = JSON.stringify(json);
      for (const secret of [demoAccount.authToken, "wrong-secret", "Basic "])
        expect(text).not.toContain(secret);
      await control(simulator, "DELETE", "requests");
      expect((await control(simulator, "GET", "requests")).json).toEqual({ requests: [] });
    }));

  test("GET /_simulator/state shows everything except tokens and secrets", () =>
    withSimulator({}, async (simulator) => {
      await simulator.control.inbound({ ...inbound, to: "+14252306556" });
      const { json } = await control(simulator, "GET", "state");
      expect(json.regions.us1.numbers).toContainEqual(
        expect.objectContaining({
          phoneNumber: "+14252306553",
          serviceSid: "MG00000000000000000000000000000001",
        }),
      );
      expect(json.regions.us1.messages).toHaveLength(1);
      expect(Object.keys(json.regions)).toEqual(["us1", "ie1"]);
      expect(JSON.stringify(json)).not.toMatch(/simulator-(auth-token|secret)/);
    }));

  test("POST /_simulator/reset restores the seed, drops faults and logs, and stops texts that are being sent", async () => {
    await using hook = await startWebhook();
    await withSimulator({}, async (simulator) => {
      const { json: fresh } = await control(simulator, "GET", "state");
      simulator.state.numbers.get(demoAccount.numberSid)!.smsUrl = hook.url;
      simulator.state.addNumbers(demoAccount.sid, 3);
      simulator.state.timing.messageListLagMs = 5;
      await sdk(simulator).messages.create({
        from: demoAccount.number,
        to: customer,
        body: "x",
        statusCallback: hook.url,
      });
      simulator.control.faults({ kind: "status", status: 500 });
      expect((await control(simulator, "POST", "reset")).status).toBe(204);
      // The numbers that are added after a reset are the same as those that were added before.
      expect(simulator.state.addNumbers(demoAccount.sid, 1)[0]!.phoneNumber).toBe("+13602000000");
      expect((await control(simulator, "POST", "reset")).status).toBe(204);
      const { json } = await control(simulator, "GET", "state");
      const timeless = (value: unknown) => JSON.stringify(value).replace(/"date\w+":\d+/g, '"date"');
      expect(timeless(json)).toBe(timeless(fresh));
      expect([simulator.control.requests(), simulator.control.armedFaults()]).toEqual([[], []]);
      expect((await raw(simulator, `${accountPath}.json`)).status).toBe(200);
      expect(hook.received).toEqual([]);
    });
  });
});

test("a reset while a webhook is called ends the call, and the fallback is not called", async () => {
  const asked = Promise.withResolvers<void>();
  await using silent = await startWebhook(() => asked.resolve());
  await using fallback = await startWebhook();
  await withSimulator({}, async (simulator) => {
    setWebhooks(simulator, { smsUrl: silent.url, smsFallbackUrl: fallback.url });
    const delivery = simulator.control.inbound(hello);
    await asked.promise;
    simulator.control.reset();
    expect((await delivery).outcome).toBe("failed");
    expect(fallback.received).toEqual([]);
  });
});

describe("the control API", () => {
  const rows: Record<
    string,
    [method: string, name: string, body: unknown, status: number, sentence: string]
  > = {
    "input that is not JSON": ["POST", "inbound", "from=a", 400, "The input is not valid JSON."],
    "a JSON list in place of a text": ["POST", "inbound", [], 400, "The body must be a JSON object."],
    "a text without `from`": ["POST", "inbound", { to: "+1", body: "x" }, 400, "from must be a string."],
    "a text whose `to` is empty": ["POST", "inbound", { ...inbound, to: "" }, 400, "to must not be empty."],
    "a text with neither body nor media": [
      "POST",
      "inbound",
      { from: "+1", to: "+1" },
      400,
      "body must be a string.",
    ],
    "a text with a numeric body": ["POST", "inbound", { ...inbound, body: 1 }, 400, "body must be a string."],
    "a text with an unknown field": [
      "POST",
      "inbound",
      { ...inbound, text: "x" },
      400,
      'The body has an unknown field "text"; it takes from, to, body, media, params.',
    ],
    "media without a type": [
      "POST",
      "inbound",
      { ...inbound, media: [{}] },
      400,
      "media[0].contentType must be a string.",
    ],
    "media in an unknown encoding": [
      "POST",
      "inbound",
      { ...inbound, media: [{ contentType: "a/b", encoding: "hex" }] },
      400,
      "media[0].encoding must be base64 or utf8.",
    ],
    "a webhook parameter that is not a string": [
      "POST",
      "inbound",
      { ...inbound, params: { A: 1 } },
      400,
      "params.A must be a string.",
    ],
    "a fault without a kind": [
      "POST",
      "faults",
      { status: 429 },
      400,
      "fault 1: kind must be one of status, slow, reset, cut, garbage, otherNumber, unchanged, nextPage, listLacks, listLag.",
    ],
    "a fault without a field that it needs": [
      "POST",
      "faults",
      { kind: "slow" },
      400,
      "fault 1: a fault of kind slow needs ms.",
    ],
    "a fault with a field of another kind": [
      "POST",
      "faults",
      [{ kind: "cut" }, { kind: "cut", ms: 1 }],
      400,
      'fault 2 has an unknown field "ms"; it takes operation, product, method, path, accountSid, region, count, durationMs, after, kind.',
    ],
    "a fault with a status that is not an error": [
      "POST",
      "faults",
      { kind: "status", status: 200 },
      400,
      "fault 1: status must be a whole number from 400 to 599.",
    ],
    "a fault with a negative count": [
      "POST",
      "faults",
      { kind: "cut", count: -1 },
      400,
      "fault 1: count must be a whole number from 0 to 86400000.",
    ],
    "a fault of kind reset at an unknown time": [
      "POST",
      "faults",
      { kind: "reset", when: "later" },
      400,
      "fault 1: when must be before or after.",
    ],
    "a method that the path does not allow": [
      "PUT",
      "faults",
      undefined,
      405,
      "/_simulator/faults takes GET and POST and DELETE.",
    ],
    "a path that does not exist": [
      "GET",
      "fault",
      undefined,
      404,
      "There is no /_simulator/fault; the control API has inbound, faults, requests, reset, state.",
    ],
    "a path that is the name of a property of every JavaScript object": [
      "POST",
      "constructor",
      {},
      404,
      "There is no /_simulator/constructor; the control API has inbound, faults, requests, reset, state.",
    ],
  };
  for (const [name, [method, path, body, status, sentence]] of Object.entries(rows))
    test(`refuses ${name} with a sentence that says why`, () =>
      withSimulator({}, async (simulator) => {
        expect(await control(simulator, method, path, body)).toEqual({ status, json: { error: sentence } });
        expect([simulator.control.armedFaults(), simulator.state.messages.size]).toEqual([[], 0]);
      }));
});
