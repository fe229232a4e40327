import { expect, test } from "vitest";
import type { SmsNumber } from "../../../api/index.ts";
import type { HeldNumber } from "../../records/record.ts";
import { successorOf } from "./successor.ts";

const DIGITS = "14252306549";
const SID = "PN1";
const at = (minute: number) => new Date(Date.UTC(2026, 0, 1) + minute * 60_000).toISOString();

interface SuccessionRow {
  name: string;
  /** In minutes. */
  age: number;
  stream?: string;
  spec?: Partial<SmsNumber["spec"]>;
  deleted?: boolean;
  /** Does the account of its stream own the number? Absent: not known yet. */
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

/** Who gets the number of `going`, and how many objects were looked at for it. */
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
  "nobody else": [[], undefined],
  "the oldest, wherever it stands": [[young, old], "old"],
  "of the same age, the first by name": [
    [
      { ...old, name: "b" },
      { ...old, name: "a" },
    ],
    "a",
  ],
  "one whose account does not own the number is passed over": [[{ ...old, owns: false }, young], "young"],
  "one that is being deleted is passed over": [[{ ...old, deleted: true }, young], "young"],
  "one that only observes is passed over": [
    [{ ...old, spec: { managementPolicy: "Observe" } }, young],
    "young",
  ],
  "nobody, while it is not known whether the oldest one's account owns it": [
    [{ name: "old", age: 3 }, young],
    undefined,
  ],
  "nobody, when the oldest is suspended": [[{ ...old, spec: { suspend: true } }, young], undefined],
  "nobody, when the oldest one's stream has a number": [
    [
      { ...old, stream: "s" },
      young,
      { name: "other", age: 1, stream: "s", owns: true, spec: { number: "15005550006" } },
    ],
    undefined,
    { PN2: "uid-other" },
  ],
  "nobody, when another one has the number already": [[old, young], undefined, { [SID]: "uid-young" }],
};
for (const [name, [rows, successor, holders]] of Object.entries(table))
  test(name, () => expect(succession(rows, holders).successor).toBe(successor));

test("each other SmsNumber is looked at only a few times, however many share one stream", () => {
  const many = Array.from({ length: 500 }, (_, age) => ({ ...old, name: `n${age}`, age, stream: "s" }));
  const { successor, looks } = succession(many);
  expect(successor).toBe("n499");
  expect(looks).toBeLessThan(4 * many.length);
});
