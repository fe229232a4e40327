import { expect, test } from "vitest";
import type { SmsNumber } from "../../../api/index.ts";
import type { HeldNumber } from "../../records/record.ts";
import { successorOf } from "./successor.ts";

const DIGITS = "14252306549";
const SID = "PN1";
const at = (minute: number) => new Date(Date.UTC(2026, 0, 1) + minute * 60_000).toISOString();

interface SuccessionRow {
  name: string;
  /** Age of the SmsNumber in minutes. */
  age: number;
  stream?: string;
  spec?: Partial<SmsNumber["spec"]>;
  deleted?: boolean;
  /** Does the Twilio account of the SmsNumber's WorkStream own the number? Undefined while that is not known. */
  owns?: boolean;
}

const smsNumber = ({ name, age, stream = name, spec = {}, deleted = false }: SuccessionRow) =>
  ({
    metadata: {
      namespace: "team",
      name,
      uid: `uid-${name}`,
      creationTimestamp: at(1_000_000 - age),
      ...(deleted ? { deletionTimestamp: at(0) } : {}),
    },
    spec: { workStreamRef: { name: stream }, number: DIGITS, ...spec },
  }) as SmsNumber;

const going = smsNumber({ name: "going", age: 900_000, deleted: true });
const held = { phoneNumberSid: SID, number: DIGITS, uid: "uid-going" } as HeldNumber;

/** Returns which SmsNumber gets the number of `going`, and how many objects were examined for the decision. */
function succession(rows: readonly SuccessionRow[], holders: Record<string, string> = {}) {
  const numbers = [going, ...rows.map(smsNumber)];
  const owns = new Map(rows.map(({ name, stream = name, owns }) => [`team/${stream}`, owns]));
  const number = { sid: SID, kind: "number", phoneNumber: `+${DIGITS}`, capabilities: { sms: true } };
  const snapshot = (owned: boolean) => ({
    numbers: new Map(owned ? [[DIGITS, number]] : []),
    surroundings: { services: new Map() },
  });
  const looks = { count: 0 };
  const claims: Record<string, string> = { [SID]: "uid-going", ...holders };
  const deps = {
    streams: {
      get(key: string) {
        const owned = owns.get(key);
        return {
          credentials: { ok: true },
          account: { latest: owned === undefined ? undefined : snapshot(owned) },
        };
      },
    },
    records: {
      claim: (sid: string) => (claims[sid] === undefined ? undefined : { uid: claims[sid] }),
      claimOf(uid: string) {
        const sid = Object.keys(claims).find((each) => claims[each] === uid);
        return sid === undefined ? undefined : { phoneNumberSid: sid };
      },
    },
    seen: {
      workStream() {
        looks.count += 1;
        return { spec: {} };
      },
      numbersWithDigits: (digits: string) => numbers.filter(({ spec }) => spec.number === digits),
      numbersOfStream: (_: string, stream: string) =>
        numbers.filter(({ spec }) => spec.workStreamRef.name === stream),
    },
  } as unknown as Parameters<typeof successorOf>[0];
  return { successor: successorOf(deps, going, held)?.metadata.name, looks: looks.count };
}

const old: SuccessionRow = { name: "old", age: 3, owns: true };
const young: SuccessionRow = { name: "young", age: 2, owns: true };
const table: Record<
  string,
  [rows: SuccessionRow[], successor: string | undefined, holders?: Record<string, string>]
> = {
  "there is no successor when no other SmsNumber names the number": [[], undefined],
  "the oldest SmsNumber is the successor, wherever it is in the list": [[young, old], "old"],
  "among SmsNumbers of the same age the first by name is the successor": [
    [
      { ...old, name: "b" },
      { ...old, name: "a" },
    ],
    "a",
  ],
  "an SmsNumber whose account does not own the number is no successor": [
    [{ ...old, owns: false }, young],
    "young",
  ],
  "an SmsNumber that is being deleted is no successor": [[{ ...old, deleted: true }, young], "young"],
  "an SmsNumber that only observes is no successor": [
    [{ ...old, spec: { managementPolicy: "Observe" } }, young],
    "young",
  ],
  "there is no successor while it is unknown whether the oldest SmsNumber's account owns the number": [
    [{ name: "old", age: 3 }, young],
    undefined,
  ],
  "there is no successor when the oldest SmsNumber is suspended": [
    [{ ...old, spec: { suspend: true } }, young],
    undefined,
  ],
  "there is no successor when the oldest SmsNumber's WorkStream already has a number": [
    [
      { ...old, stream: "s" },
      young,
      { name: "other", age: 1, stream: "s", owns: true, spec: { number: "15005550006" } },
    ],
    undefined,
    { PN2: "uid-other" },
  ],
  "there is no successor when another SmsNumber has claimed the number already": [
    [old, young],
    undefined,
    { [SID]: "uid-young" },
  ],
};
for (const [name, [rows, successor, holders]] of Object.entries(table))
  test(name, () => expect(succession(rows, holders).successor).toBe(successor));

test("to find the successor, each SmsNumber is examined only a few times, however many share one WorkStream", () => {
  const many = Array.from({ length: 500 }, (_, age) => ({ ...old, name: `n${age}`, age, stream: "s" }));
  const { successor, looks } = succession(many);
  expect(successor).toBe("n499");
  expect(looks).toBeLessThan(4 * many.length);
});
