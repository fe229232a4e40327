import { expect, test } from "vitest";
import type { SmsNumber } from "../../api/index.ts";
import { systemClock } from "../../clock.ts";
import { Records } from "../records/records.ts";
import type { NumberAttempt } from "./attempt.ts";
import { holdClaim } from "./claim.ts";
import type { FoundNumber } from "./found.ts";

const sid = "PN1";
const number = {
  sid,
  kind: "number",
  phoneNumber: "+14252306549",
  capabilities: { sms: true },
};
const snapshot = { surroundings: { services: new Map() }, numbers: new Map([["14252306549", number]]) };
const found = {
  route: { accountSid: "AC1" },
  seen: { number, override: undefined, messagingServiceSid: undefined },
} as unknown as FoundNumber;

const smsNumber = (namespace: string, creationTimestamp: string) =>
  ({
    metadata: { namespace, name: "line", uid: `uid-${namespace}`, creationTimestamp },
    spec: { workStreamRef: { name: "support" }, number: "14252306549" },
  }) as SmsNumber;
const older = smsNumber("a", "2025-01-01T00:00:00Z");
const younger = smsNumber("b", "2025-01-02T00:00:00Z");

/** Two SmsNumbers of one installation that may both claim the number as soon as their Twilio accounts are known. */
function release() {
  const store = { load: async () => ({ routes: [], claims: [] }), save: async () => 0, invalidate: () => {} };
  const records = new Records({
    store,
    shards: 1,
    maxStreamsPerNamespace: 9,
    clock: systemClock,
    isLive: () => true,
  });
  const known = new Set<string>();
  const deps = {
    clock: systemClock,
    records,
    streams: {
      get: (key: string) =>
        known.has(key)
          ? { credentials: { ok: true }, account: { latest: snapshot } }
          : { credentials: { ok: false }, account: undefined },
    },
    seen: {
      workStream: () => ({ spec: {} }),
      numbersWithDigits: () => [older, younger],
      numbersOfStream: (namespace: string) =>
        [older, younger].filter(({ metadata }) => metadata.namespace === namespace),
    },
    refreshDigits: async () => {},
    wake: { number: () => {} },
  };
  const hold = (object: SmsNumber, ensureFinalizer: () => Promise<void>) => {
    const { namespace } = object.metadata;
    const effective = { managementPolicy: "Manage" };
    const attempt = { deps, ctx: { ensureFinalizer }, object, effective, namespace, namespaceUid: namespace };
    return holdClaim({ ...attempt, stream: "support" } as unknown as NumberAttempt, found);
  };
  return { records, known, hold };
}

test("an SmsNumber keeps the number that it claimed while another SmsNumber was writing its finalizer", async () => {
  const { records, known, hold } = release();
  known.add("b/support");
  const late = await hold(younger, async () => {
    // From now on the credentials of the older SmsNumber are accepted, and this older SmsNumber claims the number
    // before the younger one can.
    known.add("a/support");
    expect(await hold(older, async () => {})).toHaveProperty("go");
  });
  expect(records.claim(sid)?.uid).toBe("uid-a");
  expect(JSON.stringify(late)).toContain("NumberAlreadyClaimed");
  expect(late).not.toHaveProperty("go");
});

test("when two SmsNumbers claim a number at the same time, exactly one gets it", async () => {
  const { records, known, hold } = release();
  known.add("b/support");
  let write = () => {};
  const written = new Promise<void>((resolve) => {
    write = resolve;
  });
  const second = hold(younger, () => written);
  known.add("a/support");
  const first = hold(older, () => written);
  write();
  const ends = await Promise.all([first, second]);
  expect(ends.filter((end) => "go" in end)).toHaveLength(1);
  expect(records.claim(sid)?.uid).toBe("go" in ends[0] ? "uid-a" : "uid-b");
});
