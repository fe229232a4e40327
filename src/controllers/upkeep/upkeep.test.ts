import { describe, expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { createLog } from "../../log.ts";
import type { Webhook } from "../../twilio/webhook.ts";
import type { OwedRecord, Shard } from "../records/record.ts";
import { Records } from "../records/records.ts";
import { KEPT_MS, owedUpkeep, Upkeep, type UpkeepOptions } from "./upkeep.ts";

const owed = (more: Partial<OwedRecord> = {}): OwedRecord => ({
  phoneNumberSid: "PN1",
  accountSid: "AC1",
  number: "14252306549",
  namespace: "team",
  namespaceUid: "uid",
  stream: "support",
  name: "line",
  uid: "number-uid",
  why: "Observing",
  sinceMs: 1000,
  ...more,
});

const rows: Record<string, [OwedRecord, isGone: boolean, ageMs: number, ReturnType<typeof owedUpkeep>]> = {
  "its SmsNumber exists": [owed(), false, KEPT_MS * 2, "keep"],
  "its SmsNumber is gone, and that was not reported yet": [owed(), true, 0, "tell"],
  "its SmsNumber is gone, that was reported, and 90 days are not over": [
    owed({ isGone: true }),
    true,
    KEPT_MS - 1,
    "keep",
  ],
  "its SmsNumber is gone, that was reported, and 90 days are over": [
    owed({ isGone: true }),
    true,
    KEPT_MS,
    "drop",
  ],
};
const IS = { keep: "is kept", tell: "is reported", drop: "is dropped" };
for (const [name, [record, isGone, ageMs, want]] of Object.entries(rows))
  test(`an owed number ${IS[want]} by the upkeep if ${name}`, () =>
    expect(owedUpkeep(record, isGone, 1000 + ageMs)).toBe(want));

describe("an SmsNumber whose finalizer was removed by hand", () => {
  const { why, sinceMs, ...held } = owed();
  const configured = { url: "https://a/inbound/team/support", sinceMs: 1 };
  const before = { smsUrl: "https://legacy.example.com/", smsApplicationSid: "" } as Webhook;

  /**
   * Runs the upkeep once a minute. `fails` says how many writes of the records (`save`) fail before the first that
   * works, and the same for removals of the saved webhook (`remove`).
   */
  async function looking(stored: Partial<Shard>, saved: [string, Webhook][], fails: Record<string, number>) {
    const clock = new ManualClock();
    const seen = { stored: { routes: [], claims: [], ...stored } as Shard, saved: new Map(saved) };
    const counted: string[] = [];
    const free: string[] = [];
    const told: Record<string, unknown>[] = [];
    const failing = (what: string) => {
      const left = fails[what] ?? 0;
      fails[what] = left - 1;
      if (left > 0) throw new Error("changed meanwhile");
    };
    const store = {
      load: async () => seen.stored,
      save: async (_shard: number, content: Shard) => {
        failing("save");
        seen.stored = structuredClone(content);
        return 1000;
      },
      invalidate: () => {},
    };
    const records = new Records({ store, shards: 1, maxStreamsPerNamespace: 9, clock, isLive: () => true });
    await records.load({ rewrite: false });
    const destination = {
      write: (line: string) => {
        const { msg, ...fields } = JSON.parse(line);
        if (String(msg).startsWith("number let go")) told.push(fields);
      },
    };
    const options = {
      clock,
      log: createLog({ level: "warn", process: "test", destination }),
      watches: { synced: Promise.resolve(), smsNumbers: { store: { list: () => [] }, knows: () => true } },
      records,
      hasStream: () => true,
      checks: { forget: () => {} },
      previous: {
        read: async (uid: string) => seen.saved.get(uid),
        keep: async (uid: string, { phoneNumberSid }: { phoneNumberSid: string }) => {
          const own = seen.saved.get(uid);
          if (own !== undefined) seen.saved.set(phoneNumberSid, own);
          return own;
        },
        kept: async ({ phoneNumberSid }: { phoneNumberSid: string }) => seen.saved.get(phoneNumberSid),
        remove: async (uid: string) => {
          failing("remove");
          seen.saved.delete(uid);
        },
        keptIn: () => "operator/previous-pn1",
      },
      metrics: { countLetGo: (reason: string) => void counted.push(reason) },
      onLetGo: ({ number }: { number: string }) => void free.push(number),
      leading: () => true,
      loaded: async () => {},
    } as unknown as UpkeepOptions;
    new Upkeep(options).start();
    return { ...seen, seen, counted, free, told, minutes: (count: number) => clock.advance(count * 61_000) };
  }

  const cases: Record<string, [Partial<Shard>, Record<string, number>]> = {
    "when it held the number": [{ claims: [{ ...held, configured }] }, {}],
    "when a write of the records fails at first": [{ claims: [{ ...held, configured }] }, { save: 1 }],
    "when the saved webhook cannot be removed at first": [
      { claims: [{ ...held, configured }] },
      { remove: 1 },
    ],
    "when it owed the number and a write fails at first": [{ owed: [owed()] }, { save: 1 }],
    "when an update was sent and no answer is recorded": [{ claims: [held] }, {}],
  };
  for (const [name, [stored, fails]] of Object.entries(cases))
    test(`is reported and counted once ${name}, and the saved webhook is kept for the number`, async () => {
      const { seen, counted, free, told, minutes } = await looking(stored, [["number-uid", before]], fails);
      await minutes(4);
      expect(counted).toEqual(["FinalizerRemoved"]);
      expect(told).toMatchObject([{ reason: "FinalizerRemoved", formerHost: "legacy.example.com" }]);
      expect([...seen.saved.keys()]).toEqual(["PN1"]);
      expect(free).toEqual(["14252306549"]);
      expect(seen.stored).toMatchObject({ claims: [], owed: [{ phoneNumberSid: "PN1", isGone: true }] });
    });

  test("is not reported when it held the number and the operator never set the webhook", async () => {
    const { seen, free, told, minutes } = await looking({ claims: [held] }, [], {});
    await minutes(2);
    expect(told).toEqual([]);
    expect(free).toEqual(["14252306549"]);
    expect(seen.stored).toMatchObject({ claims: [], owed: [] });
  });
});
