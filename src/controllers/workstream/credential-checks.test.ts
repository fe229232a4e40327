import { beforeEach, expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { Failure } from "../../errors.ts";
import type { Credentials } from "../../twilio/credentials.ts";
import type { CredentialCheck, TwilioAccount } from "../../twilio/twilio.ts";
import { CredentialChecks } from "./credential-checks.ts";

const RESYNC_MS = 300_000;
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
  checks = new CredentialChecks(twilio, clock, RESYNC_MS);
});

const check = (stream: string, authToken: string, again = false, touchedAtMs = 0) =>
  checks.check(
    stream,
    { accountSid: "AC1", authToken },
    { lane: "change", signal: new AbortController().signal, again, touchedAtMs },
  );

test("streams with the same credentials share one answer from Twilio", async () => {
  await check("team/a", "one");
  await check("team/b", "one");
  expect(asked).toEqual(["one"]);
});

test("when the attempt that started a check of credentials gives up, other attempts still get the answer", async () => {
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

test("Twilio's answer about credentials is forgotten when no stream has these credentials any more", async () => {
  await check("team/a", "one");
  await check("team/b", "one");
  await check("team/a", "two");
  await check("team/b", "one");
  expect(asked).toEqual(["one", "two"]);
  checks.stopUsing("team/b");
  await check("team/c", "one");
  expect(asked).toEqual(["one", "two", "one"]);
});

test("refused credentials are not checked again until a resync, unless the only stream that has them is deleted", async () => {
  answer = async () => {
    throw new Failure("TwilioUnauthorized", "no");
  };
  await expect(check("team/a", "one")).rejects.toThrow("no");
  await expect(check("team/a", "one")).rejects.toThrow("no");
  expect(asked).toHaveLength(1);
  await clock.advance(RESYNC_MS);
  await expect(check("team/a", "one", true)).rejects.toThrow("no");
  expect(asked).toHaveLength(2);
  checks.stopUsing("team/a");
  await expect(check("team/a", "one")).rejects.toThrow("no");
  expect(asked).toHaveLength(3);
});

test("refused credentials are checked again after a user has changed the stream", async () => {
  const refused = Promise.withResolvers<CredentialCheck>();
  answer = () => refused.promise;
  const before = check("team/a", "one");
  await clock.advance(1000);
  // A change during the check counts too: Twilio's answer may not include a fix that was made during the check.
  const touchedAt = clock.monotonic();
  const meanwhile = check("team/a", "one", false, touchedAt);
  answer = async () => good;
  refused.reject(new Failure("TwilioUnauthorized", "no"));
  await expect(before).rejects.toThrow("no");
  expect(await meanwhile).toBe(good);
  expect(asked).toHaveLength(2);
  await clock.advance(1000);
  await check("team/a", "one", false, clock.monotonic());
  expect(asked, "a good answer still counts").toHaveLength(2);
});

const bad = () => new Failure("TwilioUnauthorized", "no");
const streams = Array.from({ length: 1000 }, (_, at) => `team/s${at}`);

test("after a check that failed in an outage of Twilio, credentials are not checked again for two seconds", async () => {
  answer = async () => {
    throw new Failure("TwilioUnavailable", "away");
  };
  const ask = () => Promise.allSettled(streams.map((each) => check(each, "one", true, clock.monotonic())));
  await ask();
  await clock.advance(1999);
  expect(new Set((await ask()).map(({ status }) => status))).toEqual(new Set(["rejected"]));
  expect(asked).toHaveLength(1);
  await clock.advance(1);
  answer = async () => good;
  expect(new Set((await ask()).map(({ status }) => status))).toEqual(new Set(["fulfilled"]));
  expect(asked).toHaveLength(2);
});

test("when a check of credentials was aborted without an answer, the next attempt checks them again", async () => {
  answer = async () => {
    throw new Error("the term is over");
  };
  await expect(check("team/a", "one")).rejects.toThrow("over");
  answer = async () => good;
  await check("team/a", "one");
  expect(asked).toHaveLength(2);
});

test("many refused calls cause one new check of credentials that counted as good, and none of credentials known to be bad", async () => {
  await check("team/a", "one");
  const slow = Promise.withResolvers<CredentialCheck>();
  answer = () => slow.promise;
  const looks = streams.map((each) => {
    checks.doubt("one");
    return check(each, "one");
  });
  expect(asked).toHaveLength(2);
  slow.reject(bad());
  expect(new Set((await Promise.allSettled(looks)).map(({ status }) => status))).toEqual(
    new Set(["rejected"]),
  );
  for (const each of streams) {
    checks.doubt("one");
    await expect(check(each, "one")).rejects.toThrow("no");
  }
  expect(asked).toHaveLength(2);
});

test("good credentials are checked again when another call with them was refused during their check", async () => {
  const slow = Promise.withResolvers<CredentialCheck>();
  answer = () => slow.promise;
  const look = check("team/a", "one");
  checks.doubt("one");
  slow.resolve(good);
  await look;
  await check("team/a", "one");
  expect(asked).toHaveLength(2);
});

test("users who change their streams during a check of bad credentials share the next check", async () => {
  const slow = Promise.withResolvers<CredentialCheck>();
  answer = () => slow.promise;
  const first = check("team/a", "one");
  await clock.advance(1000);
  const others = streams.map((each) => check(each, "one", false, clock.monotonic()));
  answer = async () => {
    throw bad();
  };
  slow.reject(bad());
  const ends = await Promise.allSettled([first, ...others]);
  expect(new Set(ends.map(({ status }) => status))).toEqual(new Set(["rejected"]));
  expect(asked).toHaveLength(2);
});

test("a thousand streams with the same bad credentials cause one check in each resync interval", async () => {
  answer = async () => {
    throw bad();
  };
  await Promise.allSettled(streams.map((each) => check(each, "one")));
  expect(asked).toHaveLength(1);
  // Each stream has a resync of its own, after 90 % to 110 % of the interval.
  await clock.advance(RESYNC_MS * 0.9);
  for (const each of streams) {
    await expect(check(each, "one", true)).rejects.toThrow("no");
    await clock.advance((RESYNC_MS * 0.2) / streams.length);
  }
  expect(asked).toHaveLength(2);
});
