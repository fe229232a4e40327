import { beforeEach, describe, expect, test } from "vitest";
import { ManualClock } from "../../../../test/support/manual-clock.ts";
import type { SmsNumber } from "../../../api/index.ts";
import { Failure } from "../../../errors.ts";
import { KubeError } from "../../../kube/client/client.ts";
import type { ReconcileContext } from "../../../kube/controller/controller.ts";
import { createLog } from "../../../log.ts";
import type { TwilioAccount } from "../../../twilio/twilio.ts";
import type { Webhook } from "../../../twilio/webhook.ts";
import { AccountView } from "../../accounts/account-view.ts";
import type { ClaimRecord, Shard } from "../../records/record.ts";
import { Records } from "../../records/records.ts";
import type { Finalization } from "../deps.ts";
import { smsNumberFinalizer } from "./finalize.ts";
import { FORCE_DELETE_ANNOTATION } from "./patience.ts";

const ours = "https://sms.example.com/inbound/team/support";
const webhook = (smsUrl: string): Webhook => ({
  ...{ smsUrl, smsMethod: "POST", smsFallbackUrl: "", smsFallbackMethod: "POST", smsApplicationSid: "" },
});
const before = webhook("https://legacy.example.com/sms");
const claim: ClaimRecord = {
  ...{ phoneNumberSid: "PN1", accountSid: "AC1", number: "14252306549" },
  ...{ namespace: "team", namespaceUid: "namespace-uid", stream: "support", name: "line", uid: "uid" },
  configured: { url: ours, sinceMs: 1 },
};
const line = (more: { force?: boolean; spec?: Partial<SmsNumber["spec"]> } = {}) =>
  ({
    metadata: {
      ...{ namespace: "team", name: "line", uid: "uid", deletionTimestamp: "2026-01-01T00:00:00Z" },
      annotations: more.force === true ? { [FORCE_DELETE_ANNOTATION]: "true" } : {},
    },
    spec: { workStreamRef: { name: "support" }, number: "14252306549", ...more.spec },
    status: { phoneNumberSid: "PN1", configuredUrl: ours },
  }) as unknown as SmsNumber;

const conflict = () => new KubeError("changed meanwhile", { status: 409, reason: "Conflict" });

/**
 * The state that outlives the processes of a test, which run one after another: what is stored in Secrets and
 * at Twilio, and what was counted and logged.
 */
let stored: Shard;
let saved: Map<string, Webhook>;
let atTwilio: Webhook;
let refused: boolean;
let counted: string[];
let warnings: string[];
/** The writes that fail, and how many more times each of them fails. */
let failing: Partial<Record<"save" | "remove" | "refreshDigits", number>>;
const fails = (what: keyof typeof failing) => {
  const left = failing[what] ?? 0;
  failing[what] = Math.max(0, left - 1);
  if (left > 0) throw conflict();
};

beforeEach(() => {
  stored = { routes: [], claims: [claim] };
  saved = new Map([["uid", before]]);
  atTwilio = webhook(ours);
  refused = false;
  counted = [];
  warnings = [];
  failing = {};
});

/**
 * Starts a process with its own records and its own finalizer. The function `tried` makes one attempt of the
 * finalizer.
 */
async function begin(recordsLoaded: Finalization["recordsLoaded"] = async () => {}) {
  const clock = new ManualClock();
  const store = {
    load: async () => stored,
    save: async (_shard: number, content: Shard) => {
      fails("save");
      stored = structuredClone(content);
      return 1000;
    },
    invalidate: () => {},
  };
  const records = new Records({ store, shards: 1, maxStreamsPerNamespace: 9, clock, isLive: () => true });
  await records.load({ rewrite: false });
  const number = { sid: "PN1", kind: "number", phoneNumber: "+14252306549" };
  const twilio = {
    accountSid: "AC1",
    getNumber: async () => {
      if (refused) throw new Failure("TwilioUnauthorized", "Twilio refuses the credentials");
      return { ...number, ...atTwilio };
    },
    updateNumber: async (_sid: string, change: Webhook) => {
      atTwilio = change;
      return { ...number, ...change };
    },
  };
  const account = new AccountView(twilio as unknown as TwilioAccount, clock);
  const deps = {
    clock,
    records,
    recordsLoaded,
    streams: { get: () => ({ account, credentials: { ok: true } }) },
    urls: { publicUrl: "https://sms.example.com", fallbackPublicUrl: "https://sms.example.com" },
    previous: {
      read: async (uid: string) => saved.get(uid),
      remove: async (uid: string) => {
        fails("remove");
        saved.delete(uid);
      },
      keep: async (uid: string, { phoneNumberSid }: { phoneNumberSid: string }) => {
        const own = saved.get(uid);
        if (own !== undefined) saved.set(phoneNumberSid, own);
        return own;
      },
      kept: async ({ phoneNumberSid }: { phoneNumberSid: string }) => saved.get(phoneNumberSid),
      dropKept: async ({ phoneNumberSid }: { phoneNumberSid: string }) => void saved.delete(phoneNumberSid),
      keptIn: () => "operator/previous-pn1",
    },
    seen: {
      deletionLeftMs: () => 600_000 - clock.monotonic(),
      numbersWithDigits: () => [],
      numbersOfStream: () => [],
      namespaceUid: async () => "namespace-uid",
    },
    refreshDigits: async () => fails("refreshDigits"),
    wake: { stream: () => {}, number: () => {} },
    metrics: { countLetGo: (reason: string) => void counted.push(reason) },
  } as unknown as Finalization;
  const destination = {
    write: (text: string) => {
      const { level, msg } = JSON.parse(text);
      if (level === "warn") warnings.push(msg);
    },
  };
  const log = createLog({ level: "warn", process: "test", destination });
  const finalize = smsNumberFinalizer(deps);
  const { signal } = new AbortController();
  const tried = async (object: SmsNumber) => {
    const ctx = { object, lane: "change", signal, patience: signal, log };
    const work = finalize(ctx as unknown as ReconcileContext<SmsNumber>);
    work.catch(() => {});
    await clock.advance(2500);
    return await work;
  };
  return { tried, records, clock };
}

const failures = ["save", "remove", "refreshDigits"] as const;
const endings: Record<string, { object: SmsNumber; is401?: boolean; tells: string; counts: string[] }> = {
  "a forced deletion": { object: line({ force: true }), tells: "WebhookLeft", counts: ["ForceDelete"] },
  "a deletion whose credentials Twilio refuses": {
    object: line(),
    is401: true,
    tells: "WebhookLeft",
    counts: ["TwilioUnauthorized"],
  },
  "a deletion with the policy Retain": {
    object: line({ spec: { deletionPolicy: "Retain" } }),
    tells: "WebhookRetained",
    counts: [],
  },
  "a deletion with the policy Restore": { object: line(), tells: "WebhookRestored", counts: [] },
  "a deletion with the policy Clear": {
    object: line({ spec: { deletionPolicy: "Clear" } }),
    tells: "WebhookCleared",
    counts: [],
  },
};

describe("a deletion reports its result once although one of its writes fails at first", () => {
  for (const [name, { object, is401, tells, counts }] of Object.entries(endings))
    for (const failure of failures)
      test(`${name} reports its result although ${failure} fails once`, async () => {
        refused = is401 === true;
        failing = { [failure]: 1 };
        const { tried } = await begin();
        await expect(tried(object)).rejects.toThrow("changed meanwhile");
        const { done, events } = await tried(object);
        expect(done).toBe(true);
        expect(events.map(({ reason }) => reason)).toEqual([tells]);
        expect(counted).toEqual(counts);
        expect(warnings).toHaveLength(counts.length);
        // Everything that the cleanup recorded must be durable before the finalizer is removed.
        expect(stored.claims).toEqual([]);
        const isOwed = tells === "WebhookLeft" || tells === "WebhookRetained";
        expect(stored.owed?.map(({ isGone }) => isGone)).toEqual(isOwed ? [true] : []);
        expect([...saved.keys()]).toEqual(isOwed ? ["PN1"] : []);
        expect(atTwilio.smsUrl).toBe(
          isOwed ? ours : tells === "WebhookCleared" ? "" : "https://legacy.example.com/sms",
        );
      });
});

test("a deletion is not finished while the records cannot be written", async () => {
  failing = { save: 3 };
  const { tried } = await begin();
  for (let times = 0; times < 3; times += 1)
    await expect(tried(line({ force: true }))).rejects.toThrow("changed meanwhile");
  expect(stored.claims).toEqual([claim]);
  expect(counted).toEqual([]);
  expect((await tried(line({ force: true }))).events).toHaveLength(1);
});

test("when the process ends after recording a number as owed, the next process reports that the number was let go", async () => {
  refused = true;
  failing = { remove: 1 };
  await expect((await begin()).tried(line())).rejects.toThrow("changed meanwhile");
  expect(stored.owed).toMatchObject([{ isGone: true }]);
  expect(counted).toEqual([]);
  const { events } = await (await begin()).tried(line());
  expect(events.map(({ reason }) => reason)).toEqual(["WebhookLeft"]);
  expect(counted).toEqual(["TwilioUnauthorized"]);
  expect([...saved.keys()]).toEqual(["PN1"]);
});

test("when the finalizer could not be removed, the next attempt reports the same result and counts nothing twice", async () => {
  refused = true;
  const { tried } = await begin();
  const first = await tried(line());
  refused = false;
  expect(await tried(line())).toEqual(first);
  expect(counted).toEqual(["TwilioUnauthorized"]);
  expect(atTwilio.smsUrl).toBe(ours);
});

test("a deleted SmsNumber that owed a number is recorded as gone, although another SmsNumber holds the number now", async () => {
  const other = { ...claim, name: "other", uid: "other-uid", namespace: "b", stream: "b" };
  const owed = { ...claim, why: "Observing", sinceMs: 1 };
  stored = { routes: [], claims: [other], owed: [owed] };
  const { tried } = await begin();
  expect((await tried(line())).events).toEqual([]);
  expect(stored.claims).toEqual([other]);
  expect(stored.owed).toMatchObject([{ phoneNumberSid: "PN1", uid: "uid", isGone: true }]);
});

describe("while the records cannot be read", () => {
  /** The records are never loaded, as when one of their Secrets is damaged. */
  const never = (signal: AbortSignal) =>
    new Promise<void>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

  test("force-delete lets go of the number that the status names, reports it, and records nothing", async () => {
    const { tried, records } = await begin(never);
    const { done, events } = await tried(line({ force: true }));
    expect(done).toBe(true);
    expect(events).toMatchObject([
      { reason: "WebhookLeft", message: expect.stringContaining("legacy.example.com") },
    ]);
    expect(counted).toEqual(["ForceDelete"]);
    expect(records.allOwed()).toEqual([]);
    expect(stored.claims).toEqual([claim]);
    expect([...saved.keys()]).toEqual(["PN1"]);
  });

  test("force-delete of an SmsNumber whose webhook was never set reports nothing", async () => {
    const { tried } = await begin(never);
    const object = { ...line({ force: true }), status: {} } as SmsNumber;
    expect(await tried(object)).toEqual({ done: true, events: [] });
    // The records may know more than the status, so the saved webhook stays until the records can be read.
    expect([...saved.keys()]).toEqual(["uid"]);
  });

  test("a deletion without force waits until its time-out, then lets the number go", async () => {
    const { tried, clock } = await begin(never);
    const work = tried(line());
    await clock.advance(590_000);
    expect(counted).toEqual([]);
    await clock.advance(20_000);
    expect((await work).events).toHaveLength(1);
    expect(counted).toEqual(["RoutesNotLoaded"]);
  });

  test("a deletion with the policy Retain does not keep a worker for urgent objects busy while it waits", async () => {
    const { tried } = await begin(never);
    const work = tried(line({ spec: { deletionPolicy: "Retain" } }));
    await expect(work).rejects.toMatchObject({ reason: "RoutesNotLoaded" });
  });
});
