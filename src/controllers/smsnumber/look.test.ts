import { describe, expect, test } from "vitest";
import type { SmsNumber } from "../../api/index.ts";
import { type Look, type LookInput, lookOf, waitsForSurroundings } from "./look.ts";

const now = 10_000_000;
/** A number that works. Its account was read three minutes ago, and its last change by a user is 15 minutes old. */
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
  "the last readings are enough when no user has changed anything since": [
    input({ touchedAtMs: now - 3_600_000 }),
    nothing,
  ],
  "only the surroundings are read when the user's change came after their hourly reading": [
    input(),
    { numbers: true, surroundings: false },
  ],
  "the list of numbers and the surroundings are read when the user's change came after both readings": [
    input({ touchedAtMs: now - 60_000 }),
    { numbers: false, surroundings: false },
  ],
  "a change of a number that works is carried out first, and a reading follows a second later": [
    input({ touchedAtMs: now - 200 }),
    { ...nothing, againInMs: 800 },
  ],
  "no reading follows when the list of numbers and the surroundings were read after the change": [
    input({ touchedAtMs: now - 200, numbersReadMs: now - 100, surroundingsReadMs: now - 100 }),
    nothing,
  ],
  "the list of numbers and the surroundings are read immediately when a user changes a number that does not work":
    [input({ isReady: false, touchedAtMs: now - 200 }), { numbers: false, surroundings: false }],
  "the list of numbers is read now, and the surroundings as soon as the limit on readings allows it": [
    input({
      isReady: false,
      touchedAtMs: now - 200,
      surroundingsReadMs: now - 4000,
      surroundingsFromMs: now + 6000,
    }),
    { numbers: false, surroundings: true, againInMs: 6000 },
  ],
  "the limit on readings of an account does not apply before the first reading": [
    input({ isWired: false, numbersReadMs: undefined, surroundingsReadMs: undefined, surroundingsFromMs: 0 }),
    { numbers: false, surroundings: false },
  ],
  "a reading from the last minute is enough for a number whose webhook is not set yet": [
    input({ isWired: false, isReady: false, numbersReadMs: now - 59_000, surroundingsReadMs: now - 59_000 }),
    nothing,
  ],
  "a reading that is over a minute old is not enough for a number whose webhook is not set yet": [
    input({ isWired: false, isReady: false, numbersReadMs: now - 61_000, surroundingsReadMs: now - 61_000 }),
    { numbers: false, surroundings: true },
  ],
  "while resyncs fail, the list of numbers is read again for a number whose webhook is set": [
    input({ resyncsFail: true, touchedAtMs: now - 3_600_000 }),
    { numbers: false, surroundings: true },
  ],
  "no reading from the future is demanded when the change is newer than the present time": [
    input({ isReady: false, touchedAtMs: now + 5000, numbersReadMs: now, surroundingsReadMs: now }),
    nothing,
  ],
};
describe("lookOf decides how fresh readings of numbers and surroundings (such as Messaging Services) must be", () => {
  test.each(Object.entries(rows))("%s", (_, [given, want]) =>
    expect(isEnough(given, lookOf(given))).toEqual(want));
});

const number = (type: SmsNumber["spec"]["type"], condition: string, status: string, reason: string) =>
  ({ spec: { type }, status: { conditions: [{ type: condition, status, reason }] } }) as SmsNumber;

const waits: Record<string, [SmsNumber, boolean]> = {
  "the number waits when its Messaging Service drops its texts": [
    number("LongCode", "InboundUrlReady", "False", "MessagingServiceDropsInbound"),
    true,
  ],
  "the number waits when its Messaging Service sends its texts elsewhere": [
    number("TollFree", "InboundUrlReady", "False", "MessagingServiceOverrides"),
    true,
  ],
  "the number waits when a Conversations address takes its texts": [
    number("LongCode", "InboundUrlReady", "False", "ConversationsOverrides"),
    true,
  ],
  "the number waits when it is a short code that is not in the account yet": [
    number("ShortCode", "NumberFound", "False", "NumberNotInAccount"),
    true,
  ],
  "the number does not wait when it is a long code that is not in the account yet, since each resync lists long codes":
    [number("LongCode", "NumberFound", "False", "NumberNotInAccount"), false],
  "the number waits when it is a short code without replies, which a Messaging Service could send": [
    number("ShortCode", "Accepted", "False", "ComplianceRepliesMissing"),
    true,
  ],
  "the number does not wait when it has somebody else's webhook": [
    number("LongCode", "InboundUrlReady", "False", "WebhookOwnedByOther"),
    false,
  ],
  "the number does not wait when everything is well": [
    number("LongCode", "InboundUrlReady", "True", "UrlAnswers"),
    false,
  ],
  "the number does not wait when nothing is known yet": [{ spec: { type: "LongCode" } } as SmsNumber, false],
};
describe("waitsForSurroundings says whether a number waits for something that is read once an hour", () => {
  test.each(Object.entries(waits))("%s", (_, [object, want]) =>
    expect(waitsForSurroundings(object)).toBe(want));
});
