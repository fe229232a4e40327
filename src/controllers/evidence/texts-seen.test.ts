import { beforeEach, expect, test } from "vitest";
import { TextsSeen } from "./texts-seen.ts";

const KEEP = 1000;
let seen: TextsSeen;
const note = (stream: string, tokenFingerprint: string, lastAcceptedAtMs: number) =>
  seen.note({ namespaceUid: "u", stream, accountSid: "AC1", tokenFingerprint, lastAcceptedAtMs });

beforeEach(() => {
  seen = new TextsSeen(KEEP);
});

test("a report is new if it has a later text of the route than the reports before, or the first text signed with a token", () => {
  expect(note("s", "one", 100)).toBe("u/s/AC1");
  expect(note("s", "one", 100)).toBeUndefined();
  expect(note("s", "two", 50)).toBe("u/s/AC1");
  expect(note("s", "two", 70)).toBeUndefined();
  expect(note("s", "two", 150)).toBe("u/s/AC1");
  expect(seen.lastAcceptedAt("u/s/AC1")).toBe(150);
  expect(seen.firstAcceptedAt("u/s/AC1", "two")).toBe(50);
  expect(
    seen.note({ namespaceUid: "u", stream: "s", accountSid: "AC1", tokenFingerprint: "" }),
  ).toBeUndefined();
});

test("the time of the first text of a token in use is kept, and a token or route without recent texts is forgotten", () => {
  note("s", "former", 100);
  note("s", "current", 200);
  note("gone", "one", 100);
  note("s", "current", 1150);
  seen.forgetSilent(100 + KEEP);
  expect(seen.firstAcceptedAt("u/s/AC1", "former")).toBe(100);
  seen.forgetSilent(101 + KEEP);
  expect(seen.firstAcceptedAt("u/s/AC1", "former")).toBeUndefined();
  expect(seen.firstAcceptedAt("u/s/AC1", "current")).toBe(200);
  expect(seen.lastAcceptedAt("u/gone/AC1")).toBeUndefined();
});

test("once there are as many routes or tokens as allowed, a report about a new one is ignored and one about a known one counts", () => {
  note("s", "known", 100);
  for (let i = 0; i < 100; i++) note("s", `token ${i}`, 100);
  expect([note("s", "one more", 200), note("s", "known", 200)]).toEqual([undefined, "u/s/AC1"]);
  for (let i = 0; i < 50_100; i++) note(`stream ${i}`, "one", 100);
  expect([note("new", "one", 100), note("stream 0", "one", 300)]).toEqual([undefined, "u/stream 0/AC1"]);
});

test("a route that falls silent is reported once, and again only after its next text", () => {
  const minute = 60_000;
  const kept = new TextsSeen(24 * 60 * minute);
  const text = (at: number) =>
    kept.note({
      namespaceUid: "u",
      stream: "s",
      accountSid: "AC1",
      tokenFingerprint: "one",
      lastAcceptedAtMs: at * minute,
    });
  for (let at = 0; at <= 10; at++) text(at);
  expect(kept.fallenSilent(14 * minute)).toEqual([]);
  expect(kept.fallenSilent(15 * minute)).toEqual(["u/s/AC1"]);
  expect(kept.fallenSilent(16 * minute)).toEqual([]);
  text(17);
  expect(kept.fallenSilent(18 * minute)).toEqual([]);
  expect(kept.fallenSilent(40 * minute)).toEqual(["u/s/AC1"]);
  kept.forgetSilent(48 * 60 * minute);
  expect(kept.fallenSilent(48 * 60 * minute)).toEqual([]);
});
