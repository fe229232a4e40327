import { expect, test } from "vitest";
import { ManualClock } from "../../../test/support/manual-clock.ts";
import { silentLog } from "../../log.ts";
import type { ClaimRecord, Shard } from "./record.ts";
import { Records } from "./records.ts";
import { RecordsOfTerm } from "./records-of-term.ts";

const claim: ClaimRecord = {
  phoneNumberSid: "PN1",
  accountSid: "AC1",
  number: "14252306549",
  namespace: "team",
  namespaceUid: "uid",
  stream: "support",
  name: "line",
  uid: "number-uid",
};

test("records that arrive after the end of their term do not replace the records of the next term", async () => {
  const clock = new ManualClock();
  const answers = [Promise.withResolvers<Shard>(), Promise.withResolvers<Shard>()];
  let asked = 0;
  const store = { load: () => answers[asked++]!.promise, save: async () => 1000, invalidate: () => {} };
  const records = new Records({ store, shards: 1, maxStreamsPerNamespace: 3, clock, isLive: () => true });
  const terms = new RecordsOfTerm(records, { clock, log: silentLog });
  const former = new AbortController();
  terms.begin(former.signal);
  const ofFormer = terms.loaded;
  former.abort(new Error("the lease is lost"));
  terms.begin(new AbortController().signal);
  answers[1]!.resolve({ routes: [], claims: [claim] });
  await clock.advance(0);
  await terms.loaded;
  answers[0]!.resolve({ routes: [], claims: [] });
  await expect(ofFormer).rejects.toThrow("the lease is lost");
  expect(records.claim("PN1")).toEqual(claim);
});

test("the loading of the records fails when the term ends while the records are being rewritten", async () => {
  const clock = new ManualClock();
  const term = new AbortController();
  const store = {
    load: async () => ({ routes: [], claims: [] }),
    save: async () => {
      term.abort(new Error("the lease is lost"));
      throw new Error("not enough time left");
    },
    invalidate: () => {},
  };
  const records = new Records({ store, shards: 1, maxStreamsPerNamespace: 3, clock, isLive: () => true });
  const terms = new RecordsOfTerm(records, { clock, log: silentLog });
  terms.begin(term.signal);
  const { loaded } = terms;
  await clock.advance(0);
  await expect(loaded).rejects.toThrow("the lease is lost");
});
