import { describe, expect, test } from "vitest";
import type { TokenRecord } from "../records/record.ts";
import {
  AFTER_NEWER_SEEN_MS,
  FORMER_TOKEN_MS,
  MOST_FORMER_TOKENS,
  nextTokenEnd,
  type RotationInput,
  rotate,
} from "./rotation.ts";

const now = 1_000_000_000;
const never = () => undefined;
const input = (more: Partial<RotationInput>): RotationInput => ({
  known: [],
  accepted: [],
  firstAcceptedAt: never,
  forget: false,
  now,
  ...more,
});

const rows: Record<string, [RotationInput, TokenRecord[]]> = {
  "the first token of a stream has no end": [input({ accepted: ["a"] }), [{ token: "a" }]],
  "both tokens of the Secret verify signatures, in the order of the Secret": [
    input({ known: [{ token: "a" }], accepted: ["b", "a"] }),
    [{ token: "b" }, { token: "a" }],
  ],
  "a token that was overwritten stays valid for a day": [
    input({ known: [{ token: "a" }], accepted: ["b"] }),
    [{ token: "b" }, { token: "a", retiredAtMs: now, notAfterMs: now + FORMER_TOKEN_MS }],
  ],
  "a text signed with the new token makes the former token end an hour after that text": [
    input({
      known: [
        { token: "b" },
        { token: "a", retiredAtMs: now - 5000, notAfterMs: now - 5000 + FORMER_TOKEN_MS },
      ],
      accepted: ["b"],
      firstAcceptedAt: (token) => (token === "b" ? now - 1000 : undefined),
    }),
    [{ token: "b" }, { token: "a", retiredAtMs: now - 5000, notAfterMs: now - 1000 + AFTER_NEWER_SEEN_MS }],
  ],
  "a retired token ends an hour after its retirement if the current token had signed a text before": [
    input({
      known: [{ token: "a" }, { token: "b" }],
      accepted: ["b"],
      firstAcceptedAt: () => now - FORMER_TOKEN_MS,
    }),
    [{ token: "b" }, { token: "a", retiredAtMs: now, notAfterMs: now + AFTER_NEWER_SEEN_MS }],
  ],
  "the end of a former token never moves later": [
    input({
      known: [{ token: "b" }, { token: "a", retiredAtMs: now - 10, notAfterMs: now + 7 }],
      accepted: ["b"],
    }),
    [{ token: "b" }, { token: "a", retiredAtMs: now - 10, notAfterMs: now + 7 }],
  ],
  "a former token is dropped at its end": [
    input({
      known: [{ token: "b" }, { token: "a", retiredAtMs: now - 10, notAfterMs: now }],
      accepted: ["b"],
    }),
    [{ token: "b" }],
  ],
  "former tokens end immediately when the user asks for it": [
    input({
      known: [{ token: "a" }, { token: "c", retiredAtMs: 1, notAfterMs: now + 9 }],
      accepted: ["b"],
      forget: true,
    }),
    [{ token: "b" }],
  ],
  "a former token that comes back into the Secret is current again": [
    input({
      known: [{ token: "b" }, { token: "a", retiredAtMs: now - 10, notAfterMs: now + 7 }],
      accepted: ["a"],
    }),
    [{ token: "a" }, { token: "b", retiredAtMs: now, notAfterMs: now + FORMER_TOKEN_MS }],
  ],
  "after two overwrites of a token both former tokens are kept": [
    input({
      known: [{ token: "b" }, { token: "a", retiredAtMs: now - 10, notAfterMs: now - 10 + FORMER_TOKEN_MS }],
      accepted: ["c"],
    }),
    [
      { token: "c" },
      { token: "b", retiredAtMs: now, notAfterMs: now + FORMER_TOKEN_MS },
      { token: "a", retiredAtMs: now - 10, notAfterMs: now - 10 + FORMER_TOKEN_MS },
    ],
  ],
};

test("however often a token is rotated in a day, only the newest former tokens are kept", () => {
  let known: TokenRecord[] = [];
  for (let at = 0; at < 3 * MOST_FORMER_TOKENS; at++)
    known = rotate(input({ known, accepted: [`t${at}`], now: now + at }));
  const newest = Array.from(
    { length: MOST_FORMER_TOKENS + 1 },
    (_, at) => `t${3 * MOST_FORMER_TOKENS - 1 - at}`,
  );
  expect(known.map(({ token }) => token)).toEqual(newest);
});

describe("rotate decides which tokens verify signatures", () => {
  for (const [name, [given, want]] of Object.entries(rows))
    test(name, () => expect(rotate(given)).toEqual(want));
});

test("nextTokenEnd returns the earliest end of a former token", () => {
  expect(nextTokenEnd([{ token: "a" }])).toBeUndefined();
  expect(nextTokenEnd([{ token: "a" }, { token: "b", notAfterMs: 5 }, { token: "c", notAfterMs: 3 }])).toBe(
    3,
  );
});
