import { describe, expect, test } from "vitest";
import type { SmsNumber } from "../../api/index.ts";
import { type Look, type LookInput, lookOf, waitsForSurroundings } from "./look.ts";

const now = 10_000_000;
/** A number that works, looked at three minutes ago and touched long before. */
const input = (more: Partial<LookInput> = {}): LookInput => ({
  isWired: true,
  isReady: true,
  touchedAtMs: now - 900_000,
  nowMs: now,
  numbersReadMs: now - 180_000,
  surroundingsReadMs: now - 1_800_000,
  surroundingsFromMs: now - 1_700_000,
  resyncsFail: false,
  ...more,
});
const isEnough = ({ numbersReadMs, surroundingsReadMs }: LookInput, look: Look) => ({
  numbers: numbersReadMs !== undefined && numbersReadMs >= look.numbersSinceMs,
  surroundings: surroundingsReadMs !== undefined && surroundingsReadMs >= look.surroundingsSinceMs,
  ...(look.againInMs === undefined ? {} : { againInMs: look.againInMs }),
});

const nothing = { numbers: true, surroundings: true };
const rows: Record<string, [LookInput, ReturnType<typeof isEnough>]> = {
  "at rest the last readings are enough": [input({ touchedAtMs: now - 3_600_000 }), nothing],
  "the surroundings are read when it was touched since the hourly reading": [
    input(),
    { numbers: true, surroundings: false },
  ],
  "both are read when it was touched since the last list": [
    input({ touchedAtMs: now - 60_000 }),
    { numbers: false, surroundings: false },
  ],
  "a change of a number that works goes first, and the look follows": [
    input({ touchedAtMs: now - 200 }),
    { ...nothing, againInMs: 800 },
  ],
  "no look follows when all was read after the change": [
    input({ touchedAtMs: now - 200, numbersReadMs: now - 100, surroundingsReadMs: now - 100 }),
    nothing,
  ],
  "both are read at once when a number that does not work was touched": [
    input({ isReady: false, touchedAtMs: now - 200 }),
    { numbers: false, surroundings: false },
  ],
  "the list is read, and the rest as soon as the account's bound allows it": [
    input({
      isReady: false,
      touchedAtMs: now - 200,
      surroundingsReadMs: now - 4000,
      surroundingsFromMs: now + 6000,
    }),
    { numbers: false, surroundings: true, againInMs: 6000 },
  ],
  "the bound does not count before the first reading": [
    input({ isWired: false, numbersReadMs: undefined, surroundingsReadMs: undefined, surroundingsFromMs: 0 }),
    { numbers: false, surroundings: false },
  ],
  "a reading of this minute will do for a number that is not wired yet": [
    input({ isWired: false, isReady: false, numbersReadMs: now - 59_000, surroundingsReadMs: now - 59_000 }),
    nothing,
  ],
  "an older reading will not do for a number that is not wired yet": [
    input({ isWired: false, isReady: false, numbersReadMs: now - 61_000, surroundingsReadMs: now - 61_000 }),
    { numbers: false, surroundings: true },
  ],
  "while resyncs fail a wired number is looked at anew": [
    input({ resyncsFail: true, touchedAtMs: now - 3_600_000 }),
    { numbers: false, surroundings: true },
  ],
  "a clock that was set back asks for nothing of the future": [
    input({ isReady: false, touchedAtMs: now + 5000, numbersReadMs: now, surroundingsReadMs: now }),
    nothing,
  ],
};
describe("lookOf decides how fresh the readings for a number must be", () => {
  test.each(Object.entries(rows))("%s", (_, [given, want]) =>
    expect(isEnough(given, lookOf(given))).toEqual(want));
});

const number = (type: SmsNumber["spec"]["type"], condition: string, status: string, reason: string) =>
  ({ spec: { type }, status: { conditions: [{ type: condition, status, reason }] } }) as SmsNumber;

const waits: Record<string, [SmsNumber, boolean]> = {
  "its service drops its texts": [
    number("LongCode", "InboundUrlReady", "False", "MessagingServiceDropsInbound"),
    true,
  ],
  "its service sends its texts elsewhere": [
    number("TollFree", "InboundUrlReady", "False", "MessagingServiceOverrides"),
    true,
  ],
  "a Conversations address takes its texts": [
    number("LongCode", "InboundUrlReady", "False", "ConversationsOverrides"),
    true,
  ],
  "the short code is not in the account yet": [
    number("ShortCode", "NumberFound", "False", "NumberNotInAccount"),
    true,
  ],
  "it is a long code that is not there yet: each resync reads that list": [
    number("LongCode", "NumberFound", "False", "NumberNotInAccount"),
    false,
  ],
  "it is a short code that a service could answer for": [
    number("ShortCode", "Accepted", "False", "ComplianceRepliesMissing"),
    true,
  ],
  "somebody else's webhook is on the number itself": [
    number("LongCode", "InboundUrlReady", "False", "WebhookOwnedByOther"),
    false,
  ],
  "all is well": [number("LongCode", "InboundUrlReady", "True", "UrlAnswers"), false],
  "nothing is known yet": [{ spec: { type: "LongCode" } } as SmsNumber, false],
};
describe("waitsForSurroundings tells whether a number waits for what is read once an hour", () => {
  test.each(Object.entries(waits))("%s", (_, [object, want]) =>
    expect(waitsForSurroundings(object)).toBe(want));
});
