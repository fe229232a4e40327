import { describe, expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { Failure } from "../../errors.ts";
import { silentLog } from "../../log.ts";
import type { Credentials } from "../../twilio/credentials.ts";
import type { CallOptions, PhoneNumber, Twilio, TwilioAccount } from "../../twilio/twilio.ts";
import { AccountView } from "./account-view.ts";
import { Accounts } from "./accounts.ts";

const options = { lane: "change" as const, signal: new AbortController().signal };
const number = (smsUrl: string): PhoneNumber =>
  ({ kind: "number", sid: "PN1", phoneNumber: "+14252306549", smsUrl }) as PhoneNumber;

/** A stand-in for an account at Twilio. It gives the answers that a test prepared, in order, and counts requests. */
class FakeTwilio {
  asked = 0;
  services = 0;
  serviceSids: string[] = [];
  answers: (() => Promise<PhoneNumber[]>)[] = [];
  shortCodes: PhoneNumber[] = [];
  lastCall: CallOptions | undefined;
  readonly account = {
    fingerprint: "f",
    promoted: false,
    listNumbers: (options: CallOptions) => {
      this.asked += 1;
      this.lastCall = options;
      return this.answers.shift()?.() ?? Promise.resolve([number("")]);
    },
    listMessagingServices: async () => {
      this.services += 1;
      return this.serviceSids.map((sid) => ({
        sid,
        useInboundWebhookOnNumber: false,
        inboundRequestUrl: "",
      }));
    },
    listServiceNumbers: async () => [],
    listShortCodes: async () => this.shortCodes,
    listConversationsAddresses: async () => [],
  } as unknown as TwilioAccount;
}

describe("the snapshot of a Twilio account", () => {
  test("is shared by all callers that need it while it is being read", async () => {
    const twilio = new FakeTwilio();
    const account = new AccountView(twilio.account, new ManualClock());
    const all = await Promise.all(Array.from({ length: 50 }, () => account.since(0, options)));
    expect(twilio.asked).toBe(1);
    expect(new Set(all).size).toBe(1);
  });

  test("is read again only for a caller that needs a more recent snapshot", async () => {
    const twilio = new FakeTwilio();
    const clock = new ManualClock();
    const account = new AccountView(twilio.account, clock);
    await account.since(clock.monotonic(), options);
    await clock.advance(60_000);
    await account.since(clock.monotonic() - 60_000, options);
    expect(twilio.asked).toBe(1);
    await account.since(clock.monotonic() - 15_000, options);
    expect(twilio.asked).toBe(2);
  });

  test("is read once more for all changes by users that come during a reading", async () => {
    const twilio = new FakeTwilio();
    const clock = new ManualClock();
    const account = new AccountView(twilio.account, clock);
    const lists = Array.from({ length: 3 }, () => Promise.withResolvers<PhoneNumber[]>());
    twilio.answers = lists.map(
      ({ promise }) =>
        () =>
          promise,
    );
    const first = account.since(clock.monotonic(), options);
    const later: Promise<unknown>[] = [];
    for (let i = 0; i < 100; i++) {
      await clock.advance(1);
      later.push(account.since(clock.monotonic(), options));
    }
    expect(twilio.asked).toBe(1);
    lists[0]!.resolve([number("https://first")]);
    await first;
    await clock.advance(1);
    expect(twilio.asked).toBe(2);
    lists[1]!.resolve([number("https://second")]);
    const [one, ...others] = await Promise.all(later);
    expect(new Set(others)).toEqual(new Set([one]));
    expect(twilio.asked).toBe(2);
  });

  test("is read for a user's change while a resync reads, and the older result does not replace the newer one", async () => {
    const twilio = new FakeTwilio();
    const clock = new ManualClock();
    const account = new AccountView(twilio.account, clock);
    const slow = Promise.withResolvers<PhoneNumber[]>();
    twilio.answers = [() => slow.promise, async () => [number("https://now")]];
    const resync = account.since(clock.monotonic(), { ...options, lane: "resync" });
    await clock.advance(1);
    expect((await account.since(clock.monotonic(), options)).numbers.get("14252306549")?.smsUrl).toBe(
      "https://now",
    );
    slow.resolve([number("https://before")]);
    await resync;
    expect(account.latest?.numbers.get("14252306549")?.smsUrl).toBe("https://now");
  });

  test("is read once for all resyncs that come while Twilio does not answer, and they share its result or failure", async () => {
    for (const ends of ["answers", "fails"]) {
      const twilio = new FakeTwilio();
      const clock = new ManualClock();
      const account = new AccountView(twilio.account, clock);
      const hanging = Promise.withResolvers<PhoneNumber[]>();
      twilio.answers = [() => hanging.promise];
      const looks: Promise<unknown>[] = [];
      for (let i = 0; i < 200; i++) {
        looks.push(account.since(clock.monotonic(), { ...options, lane: "resync" }));
        await clock.advance(1);
      }
      expect(twilio.asked).toBe(1);
      if (ends === "answers") hanging.resolve([number("")]);
      else hanging.reject(new Failure("TwilioUnavailable", "down"));
      const results = await Promise.allSettled(looks);
      const each = ends === "answers" ? "fulfilled" : "rejected";
      expect(new Set(results.map(({ status }) => status))).toEqual(new Set([each]));
      expect(twilio.asked).toBe(ends === "answers" ? 2 : 1);
    }
  });

  test("is read only once for all changes by users while the reading of a resync does not end", async () => {
    const twilio = new FakeTwilio();
    const clock = new ManualClock();
    const account = new AccountView(twilio.account, clock);
    const hanging = Promise.withResolvers<PhoneNumber[]>();
    twilio.answers = [() => hanging.promise, () => hanging.promise];
    const looks: Promise<unknown>[] = [];
    for (let i = 0; i < 100; i++)
      for (const lane of ["resync", "change"] as const) {
        looks.push(account.since(clock.monotonic(), { ...options, lane }));
        await clock.advance(1);
      }
    expect(twilio.asked).toBe(2);
    hanging.resolve([number("")]);
    await Promise.all(looks);
    expect(twilio.asked).toBe(3);
  });

  test("is still read for the other callers when one of them gives up", async () => {
    for (const gaveUp of ["first", "second"]) {
      const twilio = new FakeTwilio();
      const clock = new ManualClock();
      const account = new AccountView(twilio.account, clock);
      const list = Promise.withResolvers<PhoneNumber[]>();
      twilio.answers = [() => list.promise];
      const impatient = new AbortController();
      const signalOf = (who: string) => (who === gaveUp ? impatient.signal : options.signal);
      const waits = ["first", "second"].map((who) => account.since(0, { ...options, signal: signalOf(who) }));
      impatient.abort(new Error("gave up"));
      const [left, stayed] = gaveUp === "first" ? waits : waits.toReversed();
      await expect(left).rejects.toThrow("gave up");
      expect(twilio.lastCall?.signal.aborted).toBe(false);
      list.resolve([number("")]);
      expect((await stayed)?.numbers.size).toBe(1);
      expect(twilio.asked).toBe(1);
    }
  });

  test("is read once for all callers that need recent data about Messaging Services", async () => {
    const twilio = new FakeTwilio();
    const clock = new ManualClock();
    const account = new AccountView(twilio.account, clock);
    const first = await account.since(clock.monotonic(), options);
    await clock.advance(60_000);
    const touched = clock.monotonic();
    const many = await Promise.all(
      Array.from({ length: 50 }, () => account.since(0, { ...options, surroundingsSinceMs: touched })),
    );
    expect([twilio.asked, twilio.services]).toEqual([2, 2]);
    expect(new Set(many).size).toBe(1);
    expect(many[0]?.surroundings.takenAtMs).toBe(touched);
    expect(first.surroundings.takenAtMs).toBeLessThan(touched);
    expect(await account.since(touched, { ...options, surroundingsSinceMs: touched })).toBe(many[0]);
  });

  test("includes Messaging Services from a reading that began before the latest list of numbers and ended after it", async () => {
    const twilio = new FakeTwilio();
    const clock = new ManualClock();
    const account = new AccountView(twilio.account, clock);
    await account.since(clock.monotonic(), options);
    await clock.advance(1000);
    const slow = Promise.withResolvers<PhoneNumber[]>();
    twilio.answers = [() => slow.promise];
    const since = clock.monotonic();
    const resync = account.since(since, { ...options, lane: "resync", surroundingsSinceMs: since });
    await clock.advance(1000);
    await account.since(clock.monotonic(), options);
    slow.resolve([number("")]);
    await resync;
    expect(account.latest).toMatchObject({ takenAtMs: since + 1000, surroundings: { takenAtMs: since } });
  });

  test("allows extra readings of Messaging Services less often if one such reading takes many calls", async () => {
    const twilio = new FakeTwilio();
    const clock = new ManualClock();
    const account = new AccountView(twilio.account, clock);
    expect(account.surroundingsFromMs).toBe(0);
    await account.since(clock.monotonic(), options);
    expect(account.surroundingsFromMs - clock.monotonic()).toBe(10_000);
    twilio.serviceSids = Array.from({ length: 100 }, (_, at) => `MG${at}`);
    await clock.advance(60_000);
    await account.since(0, { ...options, surroundingsSinceMs: clock.monotonic() });
    expect(account.surroundingsFromMs - clock.monotonic()).toBe(51_500);
  });

  test("has its Messaging Services and Conversations addresses read again only once an hour", async () => {
    const twilio = new FakeTwilio();
    const clock = new ManualClock();
    const account = new AccountView(twilio.account, clock);
    for (let minute = 0; minute < 60; minute += 5) {
      await account.since(clock.monotonic(), options);
      await clock.advance(300_000);
    }
    expect(twilio.services).toBe(1);
    await account.since(clock.monotonic(), options);
    expect(twilio.services).toBe(2);
  });

  test("keeps an update of a short code until short codes are read again", async () => {
    const shortCode = (smsUrl: string) =>
      ({ kind: "shortCode", sid: "SC1", phoneNumber: "12345", smsUrl }) as PhoneNumber;
    const twilio = new FakeTwilio();
    twilio.shortCodes = [shortCode("https://before")];
    const clock = new ManualClock();
    const account = new AccountView(twilio.account, clock);
    const seen = async () => (await account.since(clock.monotonic(), options)).numbers.get("12345")?.smsUrl;
    expect(await seen()).toBe("https://before");
    await clock.advance(1000);
    account.noteUpdated(shortCode("https://ours"));
    for (let minute = 5; minute < 60; minute += 5) {
      await clock.advance(300_000);
      expect(await seen()).toBe("https://ours");
    }
    twilio.shortCodes = [shortCode("https://somebody")];
    await clock.advance(300_000);
    expect(await seen()).toBe("https://somebody");
  });

  test("keeps an update that was answered while an older list was still being read", async () => {
    const twilio = new FakeTwilio();
    const clock = new ManualClock();
    const account = new AccountView(twilio.account, clock);
    const slow = Promise.withResolvers<PhoneNumber[]>();
    twilio.answers = [() => slow.promise];
    const reading = account.since(clock.monotonic(), options);
    await clock.advance(10);
    account.noteUpdated(number("https://ours"));
    slow.resolve([number("https://before")]);
    expect((await reading).numbers.get("14252306549")?.smsUrl).toBe("https://ours");
    await clock.advance(1000);
    twilio.answers = [async () => [number("https://somebody")]];
    expect((await account.since(clock.monotonic(), options)).numbers.get("14252306549")?.smsUrl).toBe(
      "https://somebody",
    );
  });

  test("is not read again for two seconds after a failed reading, and callers get its error meanwhile", async () => {
    const twilio = new FakeTwilio();
    const clock = new ManualClock();
    const account = new AccountView(twilio.account, clock);
    twilio.answers = [() => Promise.reject(new Failure("TwilioUnavailable", "down"))];
    await expect(account.since(clock.monotonic(), options)).rejects.toThrow("down");
    await expect(account.since(clock.monotonic(), options)).rejects.toThrow("down");
    expect(twilio.asked).toBe(1);
    await clock.advance(2000);
    await account.since(clock.monotonic(), options);
    expect(twilio.asked).toBe(2);
  });
});

describe("a wall clock that is set back", () => {
  test("does not change how long the error of a failed reading is repeated to callers", async () => {
    const twilio = new FakeTwilio();
    const clock = new ManualClock();
    const account = new AccountView(twilio.account, clock);
    twilio.answers = [() => Promise.reject(new Failure("TwilioUnavailable", "down"))];
    await expect(account.since(clock.monotonic(), options)).rejects.toThrow("down");
    clock.jump(-3_600_000);
    await clock.advance(2000);
    await account.since(clock.monotonic(), options);
    expect(twilio.asked).toBe(2);
  });

  test("does not make an old reading count as recent", async () => {
    const twilio = new FakeTwilio();
    const clock = new ManualClock();
    const account = new AccountView(twilio.account, clock);
    await account.since(clock.monotonic(), options);
    clock.jump(-3_600_000);
    await clock.advance(1000);
    await account.since(clock.monotonic(), options);
    expect(twilio.asked).toBe(2);
  });

  test("does not make an update count as newer than a later list, and does not delay the hourly reading", async () => {
    const twilio = new FakeTwilio();
    const clock = new ManualClock();
    const account = new AccountView(twilio.account, clock);
    await account.since(clock.monotonic(), options);
    account.noteUpdated(number("https://ours"));
    clock.jump(-86_400_000);
    await clock.advance(3_600_000);
    const { numbers } = await account.since(clock.monotonic(), options);
    expect(numbers.get("14252306549")?.smsUrl).toBe("");
    expect(twilio.services).toBe(2);
  });
});

describe("the accounts in use", () => {
  const INTERVAL = 300_000;
  const credentials = {} as Credentials;

  function scene() {
    const twilio = new FakeTwilio();
    const clock = new ManualClock();
    const resynced: string[] = [];
    const wanted = { waits: false };
    const accounts = new Accounts({
      twilio: { account: () => twilio.account } as unknown as Twilio,
      clock,
      log: silentLog,
      resyncIntervalMs: INTERVAL,
      waitsForSurroundings: () => wanted.waits,
      onResync: ({ streams }) => resynced.push([...streams].join(" ")),
      random: () => 0.5,
    });
    const begin = (remainingMs = () => 9000) => {
      const end = new AbortController();
      accounts.begin({ signal: end.signal, remainingMs });
      return end;
    };
    return { twilio, clock, accounts, resynced, begin, wanted };
  }

  test("are resynced only during a term of leadership", async () => {
    const { twilio, clock, accounts, resynced, begin } = scene();
    accounts.use("team/support", credentials);
    await clock.advance(INTERVAL);
    expect(twilio.asked).toBe(0);
    const end = begin();
    accounts.use("team/support", credentials);
    await clock.advance(INTERVAL * 3);
    expect(twilio.asked).toBe(3);
    expect(twilio.lastCall).toMatchObject({ lane: "resync", tenant: "team" });
    end.abort();
    await clock.advance(INTERVAL * 3);
    expect(twilio.asked).toBe(3);
    expect(resynced).toHaveLength(3);
    begin();
    accounts.use("team/support", credentials);
    await clock.advance(INTERVAL * 3);
    expect(twilio.asked).toBe(6);
    accounts.stop();
  });

  test("are forgotten at the end of the term, and a reading that ends later starts no resync", async () => {
    const { twilio, clock, accounts, resynced, begin } = scene();
    const end = begin();
    const before = accounts.use("team/support", credentials);
    const hanging = Promise.withResolvers<PhoneNumber[]>();
    twilio.answers = [async () => [number("https://before")], () => hanging.promise];
    await before.since(clock.monotonic(), options);
    await clock.advance(INTERVAL);
    expect(twilio.asked).toBe(2);
    end.abort();
    expect(twilio.lastCall?.signal.aborted).toBe(true);
    // An attempt that was under way when the term ended may begin to use the account only after the end of the term.
    accounts.use("team/support", credentials);
    begin();
    hanging.resolve([number("https://before")]);
    await clock.advance(INTERVAL);
    expect(twilio.asked).toBe(2);
    expect(resynced).toEqual([]);
    const now = accounts.use("team/support", credentials);
    expect(now.latest).toBeUndefined();
    await clock.advance(INTERVAL);
    expect(twilio.asked).toBe(3);
    accounts.stop();
  });

  test("have their Messaging Services read once an hour, and at each resync while a number is not Ready because of a service", async () => {
    const { twilio, clock, accounts, begin, wanted } = scene();
    begin();
    accounts.use("team/support", credentials);
    await clock.advance(INTERVAL * 12);
    expect([twilio.asked, twilio.services]).toEqual([12, 1]);
    wanted.waits = true;
    await clock.advance(INTERVAL * 3);
    expect([twilio.asked, twilio.services]).toEqual([15, 4]);
    wanted.waits = false;
    await clock.advance(INTERVAL * 11);
    expect([twilio.asked, twilio.services]).toEqual([26, 4]);
    accounts.stop();
  });

  test("have their Messaging Services read once at the next resync after texts stopped coming", async () => {
    const { twilio, clock, accounts, begin } = scene();
    begin();
    accounts.use("team/support", credentials);
    await clock.advance(INTERVAL);
    accounts.suspect("team/support");
    accounts.suspect("team/nobody");
    await clock.advance(INTERVAL * 3);
    expect([twilio.asked, twilio.services]).toEqual([4, 2]);
    accounts.stop();
  });

  test("have their Messaging Services read at the next resync when a resync that should have read them failed", async () => {
    const { twilio, clock, accounts, begin } = scene();
    begin();
    accounts.use("team/support", credentials);
    await clock.advance(INTERVAL);
    accounts.suspect("team/support");
    twilio.answers = [() => Promise.reject(new Failure("TwilioUnavailable", "down"))];
    await clock.advance(INTERVAL);
    twilio.serviceSids = ["MG1"];
    const read = twilio.services;
    await clock.advance(INTERVAL);
    expect(twilio.services).toBe(read + 1);
    expect(accounts.use("team/support", credentials).latest?.surroundings.calls).toBe(4);
    accounts.stop();
  });

  test("have their Messaging Services and short codes read at each resync for an hour after a change of them", async () => {
    const { twilio, clock, accounts, begin } = scene();
    begin();
    accounts.use("team/support", credentials);
    await clock.advance(INTERVAL);
    twilio.shortCodes = [{ kind: "shortCode", sid: "SC1", phoneNumber: "12345" } as PhoneNumber];
    accounts.suspect("team/support");
    await clock.advance(INTERVAL);
    expect(twilio.services).toBe(2);
    await clock.advance(INTERVAL * 11);
    expect(twilio.services).toBe(13);
    await clock.advance(INTERVAL * 11);
    expect(twilio.services).toBe(13);
    accounts.stop();
  });

  test("are not read by a process that has not noticed yet that its term is over", async () => {
    const { twilio, clock, accounts, begin } = scene();
    begin(() => 0);
    accounts.use("team/support", credentials);
    await clock.advance(INTERVAL);
    expect(twilio.asked).toBe(0);
    accounts.stop();
  });
});
