import { expect, test } from "vitest";
import type { OwedRecord } from "./records/record.ts";
import { KEPT_MS, owedUpkeep } from "./upkeep.ts";

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
  "its SmsNumber is there: kept for as long as that is": [owed(), false, KEPT_MS * 2, "keep"],
  "its SmsNumber went without its finalizer: told": [owed(), true, 0, "tell"],
  "told already": [owed({ isGone: true }), true, KEPT_MS - 1, "keep"],
  "nobody asked for it in all the time": [owed({ isGone: true }), true, KEPT_MS, "forget"],
};
for (const [name, [record, isGone, ageMs, want]] of Object.entries(rows))
  test(name, () => expect(owedUpkeep(record, isGone, 1000 + ageMs)).toBe(want));
