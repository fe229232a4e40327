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

/** The error's code where the connection was lost, as a client sees it. */
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

describe("a fault that answers", () => {
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
    "500 that is no JSON": [{ kind: "status", status: 500 }, 500, undefined, null],
    "500 in Twilio's shape": [
      { kind: "status", status: 500, body: "json" },
      500,
      expect.objectContaining({ code: 20500, status: 500 }),
      null,
    ],
    "503 from an edge": [{ kind: "status", status: 503 }, 503, undefined, null],
    "401 though the token is right": [
      { kind: "status", status: 401 },
      401,
      expect.objectContaining({ code: 20003, message: "Authenticate" }),
      null,
    ],
    "200 that is no JSON": [{ kind: "garbage" }, 200, undefined, null],
  };
  for (const [name, [fault, status, body, retryAfter]] of Object.entries(rows))
    test(name, () =>
      withSimulator({}, async (simulator) => {
        simulator.control.faults({ ...fault, count: 1 });
        const answer = await raw(simulator, `${accountPath}.json`);
        expect([answer.status, answer.json, answer.headers.get("retry-after")]).toEqual([
          status,
          body,
          retryAfter,
        ]);
        expect((await raw(simulator, `${accountPath}.json`)).json.sid).toBe(demoAccount.sid);
      }),
    );

  test("a status is answered instead of doing the work", () =>
    withSimulator({}, async (simulator) => {
      simulator.control.faults({ kind: "status", status: 500, count: 1 });
      await raw(simulator, number, update);
      expect(smsUrl(simulator)).not.toBe(newUrl);
    }));

  test("the body of another number, though this one was changed", () =>
    withSimulator({}, async (simulator) => {
      simulator.control.faults({ kind: "otherNumber", count: 1 });
      const { json } = await raw(simulator, number, update);
      expect([json.sid, json.phone_number]).not.toContain(demoAccount.numberSid);
      expect(json.phone_number).toMatch(/^\+1425/);
      expect(smsUrl(simulator)).toBe(newUrl);
    }));

  test("an update that is answered as if it were a read, and not done", () =>
    withSimulator({}, async (simulator) => {
      const before = smsUrl(simulator);
      simulator.control.faults({ kind: "unchanged", count: 1 });
      const { status, json } = await raw(simulator, number, update);
      expect([status, json.sid, json.sms_url]).toEqual([200, demoAccount.numberSid, before]);
      expect(smsUrl(simulator)).toBe(before);
    }));

  test("a next page that leads elsewhere, in both kinds of lists", () =>
    withSimulator({}, async (simulator) => {
      simulator.control.faults({ kind: "nextPage", url: "https://evil.example.com/steal" });
      const numbers = await raw(simulator, list);
      const services = await raw(simulator, "/messaging/v1/Services");
      expect([numbers.json.next_page_uri, services.json.meta.next_page_url]).toEqual(
        Array(2).fill("https://evil.example.com/steal"),
      );
      expect(numbers.json.incoming_phone_numbers).toHaveLength(9);
    }));

  test("a list that lacks a number, which is there all the same", () =>
    withSimulator({}, async (simulator) => {
      simulator.control.faults({ kind: "listLacks", number: demoAccount.number });
      const numbers = await raw(simulator, list);
      expect(numbers.json.incoming_phone_numbers).toHaveLength(8);
      expect(JSON.stringify(numbers.json)).not.toContain(demoAccount.numberSid);
      expect((await raw(simulator, number)).json.phone_number).toBe(demoAccount.number);
    }));

  test("the list of messages lags for as long as it is told", () =>
    withSimulator({ clock: new ManualClock() }, async (simulator) => {
      await sdk(simulator).messages.create({ from: demoAccount.number, to: "+12065551234", body: "x" });
      simulator.control.faults({ kind: "listLag", ms: 1000, operation: "ListMessage", count: 1 });
      expect(await sdk(simulator).messages.list()).toEqual([]);
      expect(await sdk(simulator).messages.list()).toHaveLength(1);
    }));
});

describe("a fault of the connection", () => {
  test("reset before the request was read: nothing happened", () =>
    withSimulator({}, async (simulator) => {
      simulator.control.faults({ kind: "reset", when: "before", count: 1 });
      expect((await brokenCall(simulator, number)).code).toBe("ECONNRESET");
      expect(smsUrl(simulator)).not.toBe(newUrl);
      expect(simulator.control.requests()).toMatchObject([{ status: null, fault: "reset", form: [] }]);
    }));

  test("reset after the work was done: the update is there, its answer is lost", () =>
    withSimulator({}, async (simulator) => {
      simulator.control.faults({ kind: "reset", when: "after", count: 1 });
      expect((await brokenCall(simulator, number)).code).toBe("ECONNRESET");
      expect(smsUrl(simulator)).toBe(newUrl);
      expect(simulator.control.requests()).toMatchObject([
        { status: null, operation: "UpdateIncomingPhoneNumber" },
      ]);
    }));

  test("half an answer: the work is done, the body ends in the middle", () =>
    withSimulator({}, async (simulator) => {
      simulator.control.faults({ kind: "cut", count: 1 });
      const { code, read } = await brokenCall(simulator, number);
      expect([code, smsUrl(simulator)]).toEqual(["ECONNRESET", newUrl]);
      expect(read.length).toBeGreaterThan(10);
      expect(() => JSON.parse(read)).toThrow();
    }));

  for (const when of ["before", "after"] as const)
    test(`slow, ${when} the work: it is done even when the client has gone`, () => {
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

describe("which calls are struck, and how often", () => {
  const fault = { kind: "status", status: 503 } as const;
  const calls: [string, RawCall][] = [
    [list, {}],
    [number, {}],
    [number, update],
    [messages, {}],
    ["/messaging/v1/Services", {}],
  ];
  const rows: Record<string, [fault: SimulatedFault, struck: boolean[]]> = {
    "by operation": [
      { ...fault, operation: "UpdateIncomingPhoneNumber" },
      [false, false, true, false, false],
    ],
    "by method": [{ ...fault, method: "post" }, [false, false, true, false, false]],
    "by path, with stars": [
      { ...fault, path: "*/IncomingPhoneNumbers/*.json" },
      [false, true, true, false, false],
    ],
    "by product": [{ ...fault, product: "messaging" }, [false, false, false, false, true]],
    "by account": [{ ...fault, accountSid: `AC${"0".repeat(32)}` }, [false, false, false, false, false]],
    "by region": [{ ...fault, region: "ie1" }, [false, false, false, false, false]],
    all: [fault, [true, true, true, true, true]],
    "the first two": [{ ...fault, count: 2 }, [true, true, false, false, false]],
    "the third only": [{ ...fault, count: 1, after: 2 }, [false, false, true, false, false]],
  };
  for (const [name, [armed, struck]] of Object.entries(rows))
    test(name, () =>
      withSimulator({}, async (simulator) => {
        simulator.control.faults(armed);
        const statuses: number[] = [];
        for (const [path, call] of calls) statuses.push((await raw(simulator, path, call)).status);
        expect(statuses.map((status) => status === 503)).toEqual(struck);
      }),
    );

  test("for a minute", () => {
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

  test("two faults strike one after the other, and clearing ends them", () =>
    withSimulator({}, async (simulator) => {
      const both: SimulatedFault[] = [{ kind: "status", status: 429, count: 1 }, fault];
      simulator.control.faults(both);
      expect([(await raw(simulator, list)).status, (await raw(simulator, list)).status]).toEqual([429, 503]);
      simulator.control.clearFaults();
      expect((await raw(simulator, list)).status).toBe(200);
    }));
});

describe("load", () => {
  test("more calls at once than the account may have: 429, and the work is not done", () => {
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

  test("each call takes the latency it was started with", () => {
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

test("closing twice, with calls in flight, is fine", async () => {
  const simulator = await startSimulator({ clock: new ManualClock(), latencyMs: 1000 });
  const call = raw(simulator, list);
  call.catch(() => {});
  await Promise.all([simulator.close(), simulator.close()]);
  await expect(call).rejects.toThrow();
});
