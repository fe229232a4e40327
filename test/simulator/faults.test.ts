import { request } from "node:http";
import { describe, expect, test } from "vitest";
import type { SimulatedFault, Simulator } from "../../src/simulator/simulator.ts";
import { startSimulator } from "../../src/simulator/simulator.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { accountPath, demoAccount, type RawCall, raw, SleeperClock, sdk, withSimulator } from "./support.ts";

const number = `${accountPath}/IncomingPhoneNumbers/${demoAccount.numberSid}.json`;
const list = `${accountPath}/IncomingPhoneNumbers.json`;
const messages = `${accountPath}/Messages.json`;
const newUrl = "https://new.example.com/";
const update = { form: { SmsUrl: newUrl } };
const smsUrl = (simulator: Simulator) => simulator.state.numbers.get(demoAccount.numberSid)!.smsUrl;

/** Calls the path. Returns what the client read, and the error's code if the connection was lost. */
function brokenCall(simulator: Simulator, path: string): Promise<{ code: string | undefined; read: string }> {
  return new Promise((resolve) => {
    let read = "";
    const auth = `${demoAccount.sid}:${demoAccount.authToken}`;
    const sent = request(simulator.url + path, { auth, method: "POST", agent: false }, (response) => {
      response.setEncoding("utf8").on("data", (chunk) => {
        read += chunk;
      });
      response.on("error", ({ code }: NodeJS.ErrnoException) => resolve({ code, read }));
      response.on("end", () => resolve({ code: undefined, read }));
    });
    sent.on("error", ({ code }: NodeJS.ErrnoException) => resolve({ code, read }));
    sent.setHeader("content-type", "application/x-www-form-urlencoded");
    sent.end(new URLSearchParams(update.form).toString());
  });
}

describe("faults that change the answer", () => {
  const rows: Record<
    string,
    [fault: SimulatedFault, status: number, body: unknown, retryAfter: string | null]
  > = {
    "429 without Retry-After": [
      { kind: "status", status: 429 },
      429,
      {
        code: 20429,
        message: "Too Many Requests",
        more_info: "https://www.twilio.com/docs/errors/20429",
        status: 429,
      },
      null,
    ],
    "429 with Retry-After": [
      { kind: "status", status: 429, retryAfterSeconds: 7 },
      429,
      expect.objectContaining({ code: 20429 }),
      "7",
    ],
    "500 that is not JSON": [{ kind: "status", status: 500 }, 500, undefined, null],
    "500 in Twilio's format": [
      { kind: "status", status: 500, body: "json" },
      500,
      expect.objectContaining({ code: 20500, status: 500 }),
      null,
    ],
    "503 with the error page of a proxy": [{ kind: "status", status: 503 }, 503, undefined, null],
    "401 although the token is right": [
      { kind: "status", status: 401 },
      401,
      expect.objectContaining({ code: 20003, message: "Authenticate" }),
      null,
    ],
    "200 that is not JSON": [{ kind: "garbage" }, 200, undefined, null],
  };
  for (const [name, [fault, status, body, retryAfter]] of Object.entries(rows))
    test(`a fault can answer ${name}`, () =>
      withSimulator({}, async (simulator) => {
        simulator.control.faults({ ...fault, count: 1 });
        const answer = await raw(simulator, `${accountPath}.json`);
        expect([answer.status, answer.json, answer.headers.get("retry-after")]).toEqual([
          status,
          body,
          retryAfter,
        ]);
        expect((await raw(simulator, `${accountPath}.json`)).json.sid).toBe(demoAccount.sid);
      }));

  test("a fault of kind status answers without carrying out the call", () =>
    withSimulator({}, async (simulator) => {
      simulator.control.faults({ kind: "status", status: 500, count: 1 });
      await raw(simulator, number, update);
      expect(smsUrl(simulator)).not.toBe(newUrl);
    }));

  test("a fault of kind otherNumber changes the right number and answers with another number", () =>
    withSimulator({}, async (simulator) => {
      simulator.control.faults({ kind: "otherNumber", count: 1 });
      const { json } = await raw(simulator, number, update);
      expect([json.sid, json.phone_number]).not.toContain(demoAccount.numberSid);
      expect(json.phone_number).toMatch(/^\+1425/);
      expect(smsUrl(simulator)).toBe(newUrl);
    }));

  test("a fault of kind otherNumber leaves a refusal as it is", () =>
    withSimulator({}, async (simulator) => {
      simulator.control.faults({ kind: "otherNumber" });
      const { status, json } = await raw(simulator, number, { form: { SmsMethod: "PATCH" } });
      expect([status, json.status]).toEqual([400, 400]);
    }));

  test("a fault of kind unchanged ignores an update and answers it like a read", () =>
    withSimulator({}, async (simulator) => {
      const before = smsUrl(simulator);
      simulator.control.faults({ kind: "unchanged", count: 1 });
      const { status, json } = await raw(simulator, number, update);
      expect([status, json.sid, json.sms_url]).toEqual([200, demoAccount.numberSid, before]);
      expect(smsUrl(simulator)).toBe(before);
    }));

  test("a fault of kind nextPage names another host as the next page, in both formats of lists", () =>
    withSimulator({}, async (simulator) => {
      simulator.control.faults({ kind: "nextPage", url: "https://evil.example.com/steal" });
      const numbers = await raw(simulator, list);
      const services = await raw(simulator, "/messaging/v1/Services");
      expect([numbers.json.next_page_uri, services.json.meta.next_page_url]).toEqual(
        Array(2).fill("https://evil.example.com/steal"),
      );
      expect(numbers.json.incoming_phone_numbers).toHaveLength(9);
    }));

  test("a fault of kind listLacks leaves a number out of the list, while the number can still be fetched", () =>
    withSimulator({}, async (simulator) => {
      simulator.control.faults({ kind: "listLacks", number: demoAccount.number });
      const numbers = await raw(simulator, list);
      expect(numbers.json.incoming_phone_numbers).toHaveLength(8);
      expect(JSON.stringify(numbers.json)).not.toContain(demoAccount.numberSid);
      expect((await raw(simulator, number)).json.phone_number).toBe(demoAccount.number);
    }));

  test("a fault of kind listLag keeps new messages out of the list", () =>
    withSimulator({ clock: new ManualClock() }, async (simulator) => {
      await sdk(simulator).messages.create({ from: demoAccount.number, to: "+12065551234", body: "x" });
      simulator.control.faults({ kind: "listLag", ms: 1000, operation: "ListMessage", count: 1 });
      expect(await sdk(simulator).messages.list()).toEqual([]);
      expect(await sdk(simulator).messages.list()).toHaveLength(1);
    }));
});

describe("faults that break the connection or delay the call", () => {
  test("a fault of kind reset before the request is read changes nothing", () =>
    withSimulator({}, async (simulator) => {
      simulator.control.faults({ kind: "reset", when: "before", count: 1 });
      expect((await brokenCall(simulator, number)).code).toBe("ECONNRESET");
      expect(smsUrl(simulator)).not.toBe(newUrl);
      expect(simulator.control.requests()).toMatchObject([{ status: null, fault: "reset", form: [] }]);
    }));

  test("a fault of kind reset after the call was carried out loses the answer, but not the update", () =>
    withSimulator({}, async (simulator) => {
      simulator.control.faults({ kind: "reset", when: "after", count: 1 });
      expect((await brokenCall(simulator, number)).code).toBe("ECONNRESET");
      expect(smsUrl(simulator)).toBe(newUrl);
      expect(simulator.control.requests()).toMatchObject([
        { status: null, operation: "UpdateIncomingPhoneNumber" },
      ]);
    }));

  test("a fault of kind cut carries out the call and sends half of the answer", () =>
    withSimulator({}, async (simulator) => {
      simulator.control.faults({ kind: "cut", count: 1 });
      const { code, read } = await brokenCall(simulator, number);
      expect([code, smsUrl(simulator)]).toEqual(["ECONNRESET", newUrl]);
      expect(read.length).toBeGreaterThan(10);
      expect(() => JSON.parse(read)).toThrow();
    }));

  for (const when of ["before", "after"] as const)
    test(`a call that a fault delays ${when} it is carried out goes on when the client hangs up`, () => {
      const clock = new SleeperClock();
      return withSimulator({ clock }, async (simulator) => {
        const form = { From: demoAccount.number, To: "+12065551234", Body: "Hello" };
        simulator.control.faults({ kind: "slow", ms: 30_000, when, count: 1, operation: "CreateMessage" });
        const client = new AbortController();
        const call = raw(simulator, messages, { form, signal: client.signal });
        await clock.sleepers(1);
        client.abort(new Error("timed out"));
        await expect(call).rejects.toThrow("timed out");
        await clock.advance(30_000);
        expect(simulator.state.messages.size).toBe(1);
      });
    });
});

describe("the calls that a fault strikes", () => {
  const fault = { kind: "status", status: 503 } as const;
  const calls: [string, RawCall][] = [
    [list, {}],
    [number, {}],
    [number, update],
    [messages, {}],
    ["/messaging/v1/Services", {}],
  ];
  const rows: Record<string, [fault: SimulatedFault, struck: boolean[]]> = {
    "only calls of its operation": [
      { ...fault, operation: "UpdateIncomingPhoneNumber" },
      [false, false, true, false, false],
    ],
    "only calls with its HTTP method": [{ ...fault, method: "post" }, [false, false, true, false, false]],
    "only calls whose path matches its pattern": [
      { ...fault, path: "*/IncomingPhoneNumbers/*.json" },
      [false, true, true, false, false],
    ],
    "only calls of its product": [{ ...fault, product: "messaging" }, [false, false, false, false, true]],
    "no call outside of its account": [
      { ...fault, accountSid: `AC${"0".repeat(32)}` },
      [false, false, false, false, false],
    ],
    "no call outside of its region": [{ ...fault, region: "ie1" }, [false, false, false, false, false]],
    "all calls when it names nothing to match": [fault, [true, true, true, true, true]],
    "the first two calls if its count is 2": [{ ...fault, count: 2 }, [true, true, false, false, false]],
    "only the third call if it spares 2 calls and its count is 1": [
      { ...fault, count: 1, after: 2 },
      [false, false, true, false, false],
    ],
  };
  for (const [name, [armed, struck]] of Object.entries(rows))
    test(`a fault strikes ${name}`, () =>
      withSimulator({}, async (simulator) => {
        simulator.control.faults(armed);
        const statuses: number[] = [];
        for (const [path, call] of calls) statuses.push((await raw(simulator, path, call)).status);
        expect(statuses.map((status) => status === 503)).toEqual(struck);
      }));

  test("a fault with a duration of a minute ends after a minute", () => {
    const clock = new ManualClock();
    return withSimulator({ clock }, async (simulator) => {
      simulator.control.faults({ kind: "status", status: 429, durationMs: 60_000 });
      const statusNow = async () => (await raw(simulator, list)).status;
      expect(await statusNow()).toBe(429);
      await clock.advance(59_999);
      expect(await statusNow()).toBe(429);
      await clock.advance(1);
      expect(await statusNow()).toBe(200);
    });
  });

  test("of two faults the second strikes when the first has ended, until the faults are cleared", () =>
    withSimulator({}, async (simulator) => {
      const both: SimulatedFault[] = [{ kind: "status", status: 429, count: 1 }, fault];
      simulator.control.faults(both);
      expect([(await raw(simulator, list)).status, (await raw(simulator, list)).status]).toEqual([429, 503]);
      simulator.control.clearFaults();
      expect((await raw(simulator, list)).status).toBe(200);
    }));
});

describe("the simulator under load", () => {
  test("a call above the account's limit of concurrent calls gets 429", () => {
    const clock = new SleeperClock();
    return withSimulator({ clock, latencyMs: 100 }, async (simulator) => {
      simulator.state.accounts.get(demoAccount.sid)!.concurrencyLimit = 2;
      const calls = [1, 2, 3].map(() => raw(simulator, list));
      await clock.sleepers(3);
      await clock.advance(100);
      const answers = await Promise.all(calls);
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 429]);
      const limited = answers.find(({ status }) => status === 429)!;
      expect([limited.json.code, limited.headers.get("twilio-concurrent-requests")]).toEqual([20429, "3"]);
    });
  });

  test("each call takes at least the configured latency", () => {
    const clock = new SleeperClock();
    return withSimulator({ clock, latencyMs: 100 }, async (simulator) => {
      const call = raw(simulator, list);
      await clock.sleepers(1);
      await clock.advance(100);
      await call;
      expect(simulator.control.requests()).toMatchObject([{ durationMs: 100 }]);
    });
  });
});

test("a simulator can be closed twice, even while calls are in progress", async () => {
  const simulator = await startSimulator({ clock: new ManualClock(), latencyMs: 1000 });
  const call = raw(simulator, list);
  call.catch(() => {});
  await Promise.all([simulator.close(), simulator.close()]);
  await expect(call).rejects.toThrow();
});
