import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { signatureKey } from "../routes/signature-states.ts";
import { sign } from "../simulator/webhooks/sign.ts";
import type { Pair } from "../twilio/form.ts";
import { signatureBase } from "../twilio/signature.ts";
import { decoyFor } from "./decoy.ts";
import { judge } from "./judge.ts";

// Twilio signs names and values without separators, so a recorded request can be cut into fields in other ways without losing its valid
// signature.

const PATH = "/team-a/support";
const BASE = "https://sms.example.com";
const ACCOUNT = `AC${"1".repeat(32)}`;
const SID = `SM${"0".repeat(32)}`;
const TOKEN = "token";

const route = {
  namespaceUid: "u",
  namespace: "team-a",
  stream: "support",
  accountSid: ACCOUNT,
  generation: 1,
  numbers: ["15005550006"],
  urls: [
    {
      inbound: `${BASE}/inbound${PATH}`,
      fallback: `${BASE}/fallback${PATH}`,
      status: `${BASE}/status${PATH}`,
    },
  ],
  keys: [await signatureKey(TOKEN)],
  checkKey: Buffer.alloc(32),
};
const table = { find: () => [route], decoy: decoyFor([[route]]) };

const mutable = (pairs: readonly Pair[]) => pairs.map(([name, value]): [string, string] => [name, value]);

const byName = ([a]: Pair, [b]: Pair) => (a < b ? -1 : a > b ? 1 : 0);

/** Joins each run of neighbouring fields into one text, and cuts this text at each place into the name and the value of a single field. */
function cutsOf(pairs: readonly Pair[]): Pair[][] {
  const cuts: Pair[][] = [];
  for (let i = 0; i < pairs.length; i++)
    for (let j = i; j < pairs.length; j++) {
      const text = pairs
        .slice(i, j + 1)
        .flat()
        .join("");
      for (let at = 0; at <= text.length; at++)
        cuts.push([...pairs.slice(0, i), [text.slice(0, at), text.slice(at)], ...pairs.slice(j + 1)]);
    }
  return cuts;
}

/** Splits each field at each place into two fields. */
function splitsOf(pairs: readonly Pair[]): Pair[][] {
  return pairs.flatMap(([name, value], i) => {
    const text = name + value;
    const splits: Pair[][] = [];
    for (let at = 1; at < text.length; at++)
      splits.push([
        ...pairs.slice(0, i),
        [text.slice(0, Math.min(at, name.length)), text.slice(Math.min(at, name.length), at)],
        [text.slice(at), ""],
        ...pairs.slice(i + 1),
      ]);
    return splits;
  });
}

/** Returns the keys of the rows that are stored for these requests. All requests carry the signature of `original`. */
function keysOf(url: string, original: readonly Pair[], requests: readonly (readonly Pair[])[]): Set<string> {
  const signature = sign(TOKEN, url, mutable(original));
  const wanted = signatureBase(url, original);
  const keys = new Set<string>();
  for (const pairs of requests) {
    if (!signatureBase(url, pairs).equals(wanted)) continue;
    const body = Buffer.from(new URLSearchParams(mutable(pairs)).toString());
    const verdict = judge({ target: url.slice(BASE.length), signature, body, nowMs: 0 }, table);
    if (verdict.do === "store")
      keys.add(
        verdict.row.kind === "raw"
          ? verdict.row.messageSid
          : `${verdict.row.messageSid} ${verdict.row.event}`,
      );
  }
  return keys;
}

const text: Pair[] = Object.entries({
  AccountSid: ACCOUNT,
  ApiVersion: "2010-04-01",
  Body: "Hi",
  From: "+15555550100",
  MessageSid: SID,
  NumMedia: "0",
  NumSegments: "1",
  SmsMessageSid: SID,
  SmsSid: SID,
  SmsStatus: "received",
  To: "+15005550006",
});
const failure: Pair[] = Object.entries({
  AccountSid: ACCOUNT,
  ApiVersion: "2010-04-01",
  ErrorCode: "30003",
  From: "+15005550006",
  MessageSid: SID,
  MessageStatus: "undelivered",
  SmsSid: SID,
  SmsStatus: "undelivered",
  To: "+15555550100",
});

describe("one recorded request makes only a few rows, however it is cut into fields", () => {
  const RAW = expect.stringMatching(/^sha256:[0-9a-f]{64}$/);
  const rows: Record<string, [url: string, pairs: Pair[], keys: unknown[]]> = {
    "a text": [`${BASE}/inbound${PATH}`, text, [`${SID} `, RAW]],
    // Cutting the fields differently can hide the error code in the value of another field, but it cannot change the state.
    "a delivery state": [
      `${BASE}/status${PATH}?m=1`,
      failure,
      [`${SID} undelivered:30003`, `${SID} undelivered`, RAW],
    ],
  };
  for (const [name, [url, pairs, want]] of Object.entries(rows)) {
    test(`${name} that is cut once`, () => {
      const found = keysOf(url, pairs, [...cutsOf(pairs), ...splitsOf(pairs)]);
      expect([...found].sort()).toEqual([...want].sort(rawLast));
    });

    test(`${name} that is cut twice, also with an empty and a repeated field added`, () => {
      const once = [...cutsOf(pairs), ...splitsOf(pairs)].filter((cut) =>
        signatureBase(url, cut).equals(signatureBase(url, pairs)),
      );
      const chosen = fc.sample(fc.constantFrom(...once), { numRuns: 4, seed: 1 });
      const twice = chosen.flatMap((cut) => cutsOf(cut.toSorted(byName)));
      const padded = twice.map((cut): Pair[] => [...cut, ["", ""], cut[0]!]);
      const found = keysOf(url, pairs, [...twice, ...padded]);
      for (const key of found) expect(want).toContainEqual(key);
      expect(found.size).toBeLessThanOrEqual(want.length);
    });
  }
});

const rawLast = (a: unknown, b: unknown) => (String(a) < String(b) ? -1 : 1);

describe("a delivery state", () => {
  const of = (more: Record<string, string>) => {
    const { MessageStatus: _, SmsStatus: __, ErrorCode: ___, ...rest } = Object.fromEntries(failure);
    const pairs: Pair[] = Object.entries({ ...rest, ...more });
    return [...keysOf(`${BASE}/status${PATH}`, pairs, [pairs])];
  };
  const states =
    "accepted scheduled queued sending sent delivered undelivered partially_delivered read failed canceled receiving received";
  for (const state of states.split(" "))
    test(`${state} is a known state`, () =>
      expect(of({ MessageStatus: state })).toEqual([`${SID} ${state}`]));

  const none: Record<string, Record<string, string>> = {
    "no state at all": {},
    "a part of a state": { MessageStatus: "deliv" },
    "a state with the next field in it": { MessageStatus: "deliveredSmsSid" },
    "a state in capitals": { MessageStatus: "DELIVERED" },
    "a state of another Twilio product": { MessageStatus: "completed" },
    "a state with an error code that is not a number": { MessageStatus: "failed", ErrorCode: "30003From" },
    "a state with an error code of seven digits": { MessageStatus: "failed", ErrorCode: "3".repeat(7) },
  };
  for (const [name, more] of Object.entries(none))
    test(`is stored as raw bytes when the callback has ${name}`, () =>
      expect(of(more)).toEqual([expect.stringMatching(/^sha256:/)]));

  test("is taken from SmsStatus when MessageStatus is missing", () =>
    expect(of({ SmsStatus: "sent" })).toEqual([`${SID} sent`]));
});
