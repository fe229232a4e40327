import { beforeEach, expect, test } from "vitest";
import { ManualClock } from "../../clock.ts";
import { Failure } from "../../errors.ts";
import type { Credentials } from "../../twilio/credentials.ts";
import type { CredentialCheck, TwilioAccount } from "../../twilio/twilio.ts";
import { CredentialChecks } from "./credential-checks.ts";

const good = {} as CredentialCheck;
let asked: string[];
let answer: () => Promise<CredentialCheck>;
let checks: CredentialChecks;
let clock: ManualClock;

beforeEach(() => {
  asked = [];
  answer = async () => good;
  const account = ({ authToken }: Credentials) => ({
    fingerprint: authToken,
    check: () => {
      asked.push(authToken);
      return answer();
    },
  });
  clock = new ManualClock();
  const twilio = { account: (credentials: Credentials) => account(credentials) as unknown as TwilioAccount };
  checks = new CredentialChecks(twilio, clock);
});

const check = (stream: string, authToken: string, again = false, touchedAtMs = 0) =>
  checks.check(
    stream,
    { accountSid: "AC1", authToken },
    { lane: "change", signal: new AbortController().signal, again, touchedAtMs },
  );

test("streams with the same credentials share an answer", async () => {
  await check("team/a", "one");
  await check("team/b", "one");
  expect(asked).toEqual(["one"]);
});

test("whoever asked first and gives up leaves the answer to the others", async () => {
  const slow = Promise.withResolvers<CredentialCheck>();
  answer = () => slow.promise;
  const impatient = new AbortController();
  const ask = (stream: string, signal: AbortSignal) =>
    checks.check(
      stream,
      { accountSid: "AC1", authToken: "one" },
      { lane: "change", signal, again: false, touchedAtMs: 0 },
    );
  const left = ask("team/a", impatient.signal);
  const stayed = ask("team/b", new AbortController().signal);
  impatient.abort(new Error("gave up"));
  await expect(left).rejects.toThrow("gave up");
  slow.resolve(good);
  expect(await stayed).toBe(good);
  expect(asked).toEqual(["one"]);
});

test("an answer goes with the last stream that has these credentials, by a rotation or its end", async () => {
  await check("team/a", "one");
  await check("team/b", "one");
  await check("team/a", "two");
  await check("team/b", "one");
  expect(asked).toEqual(["one", "two"]);
  checks.release("team/b");
  await check("team/c", "one");
  expect(asked).toEqual(["one", "two", "one"]);
});

test("a refusal stands until a resync, and goes with its stream as well", async () => {
  answer = async () => {
    throw new Failure("TwilioUnauthorized", "no");
  };
  await expect(check("team/a", "one")).rejects.toThrow("no");
  await expect(check("team/a", "one")).rejects.toThrow("no");
  expect(asked).toHaveLength(1);
  await expect(check("team/a", "one", true)).rejects.toThrow("no");
  expect(asked).toHaveLength(2);
  checks.release("team/a");
  await expect(check("team/a", "one")).rejects.toThrow("no");
  expect(asked).toHaveLength(3);
});

test("a refusal does not stand for who has touched the stream since", async () => {
  const refused = Promise.withResolvers<CredentialCheck>();
  answer = () => refused.promise;
  const before = check("team/a", "one");
  await clock.advance(1000);
  // While it is being asked about, too: what is mended meanwhile may not be in that answer.
  const touchedAt = clock.monotonic();
  const meanwhile = check("team/a", "one", false, touchedAt);
  answer = async () => good;
  refused.reject(new Failure("TwilioUnauthorized", "no"));
  await expect(before).rejects.toThrow("no");
  expect(await meanwhile).toBe(good);
  expect(asked).toHaveLength(2);
  await clock.advance(1000);
  await check("team/a", "one", false, clock.monotonic());
  expect(asked, "a good answer stands").toHaveLength(2);
});

test("an outage is no answer, and a refused call ends one", async () => {
  answer = async () => {
    throw new Failure("TwilioUnavailable", "away");
  };
  await expect(check("team/a", "one")).rejects.toThrow("away");
  answer = async () => good;
  await check("team/a", "one");
  checks.forget("one");
  await check("team/a", "one");
  expect(asked).toHaveLength(3);
});
