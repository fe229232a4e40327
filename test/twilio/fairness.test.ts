import { describe, expect, test } from "vitest";
import { accountOf, change, client, demoAccount, json, server } from "./support.ts";

const numberOf = (accountSid: string) => ({
  sid: demoAccount.numberSid,
  account_sid: accountSid,
  phone_number: demoAccount.number,
});
const HANGS = "AC00000000000000000000000000000009";
const ANSWERS = demoAccount.sid;

test("30 accounts of one tenant that never answer do not use up the connections that another tenant needs", async () => {
  let hanging = 0;
  const { url } = await server((response, request, body) => {
    if (request.url?.includes(HANGS) === true) hanging += 1;
    else json(numberOf(ANSWERS))(response, request, body);
  });
  const { twilio } = client(url, { timeoutMs: 60_000 });
  const stop = new AbortController();
  const calls = Array.from({ length: 30 }, (_, at) => {
    const account = twilio.account({ accountSid: HANGS, authToken: `token-${at}` });
    return Array.from({ length: 20 }, () =>
      account.getNumber(demoAccount.numberSid, { lane: "change", tenant: "a", signal: stop.signal }),
    );
  }).flat();
  const ended = Promise.allSettled(calls);
  while (hanging < 150) await new Promise((resolve) => setImmediate(resolve));
  const theirs = twilio.account({ accountSid: ANSWERS, authToken: "token" });
  const found = await theirs.getNumber(demoAccount.numberSid, { ...change, tenant: "b" });
  expect(found?.sid).toBe(demoAccount.numberSid);
  stop.abort(new Error("the test is over"));
  expect((await ended).every(({ status }) => status === "rejected")).toBe(true);
});

describe("when a caller gives up while Twilio works on its call", () => {
  test("a read ends immediately, but the client waits for an update that was sent until the signal for updates aborts", async () => {
    const arrived: (() => void)[] = [];
    const { url } = await server((response, request, body) => {
      arrived.push(() => json(numberOf(ANSWERS))(response, request, body));
    });
    const account = accountOf(client(url));
    const came = async (count: number) => {
      while (arrived.length < count) await new Promise((resolve) => setImmediate(resolve));
    };
    for (const gives of ["look", "update", "all"] as const) {
      const patience = new AbortController();
      const all = new AbortController();
      const options = { lane: "change" as const, signal: patience.signal, updateSignal: all.signal };
      const before = arrived.length;
      const call =
        gives === "look"
          ? account.getNumber(demoAccount.numberSid, options)
          : account.updateNumber(demoAccount.numberSid, { smsUrl: "", smsFallbackUrl: "" }, options);
      await came(before + 1);
      patience.abort(new Error("gave way"));
      if (gives === "all") all.abort(new Error("cut off"));
      if (gives === "update") arrived[before]!();
      if (gives === "update") expect((await call)?.sid).toBe(demoAccount.numberSid);
      else await expect(call).rejects.toThrow(/gave way|cut off/);
    }
  });
});
