/**
 * How fresh a reading of the account an attempt needs. Twilio tells nobody of changes made there, and each reading
 * costs calls of a tenant's budget, so readings are made when somebody may be waiting for one (ADR 30).
 */

import type { SmsNumber } from "../../api/index.ts";
import type { Reason } from "../../api/reasons.ts";
import { conditionOf } from "../../kube/status/conditions.ts";

/** What is known before the account of a number is looked at. All times are of the monotonic clock. */
export interface LookInput {
  /** We have set its webhook, and the last reading showed the number. */
  isWired: boolean;
  /** Its texts arrive, by its status. */
  isReady: boolean;
  /** When a user last did something to the object. */
  touchedAtMs: number;
  nowMs: number;
  /** When the last reading of the account's numbers began; undefined before the first. */
  numbersReadMs: number | undefined;
  /** The same for what surrounds the numbers: Messaging Services, short codes, Conversations addresses. */
  surroundingsReadMs: number | undefined;
  /** From when on the account's bound allows to read the surroundings before their time. */
  surroundingsFromMs: number;
  /** The last resyncs of the account failed, so the latest snapshot may be old. */
  resyncsFail: boolean;
}

/** When a reading must have begun to be good enough, and when to look again if we had to be content with less. */
export interface Look {
  numbersSinceMs: number;
  surroundingsSinceMs: number;
  againInMs?: number;
}

/**
 * A webhook that is about to be replaced is judged by a reading no older than this, so that what somebody set up at
 * Twilio meanwhile is seen. A minute, so that a thousand numbers which are wired within it share one list.
 */
const FRESH_MS = 60_000;
/**
 * A user's change of a number that works is carried out at once, without a reading. Whether Twilio has news is
 * looked at this much later, when the change has already reached it.
 */
const AFTER_A_CHANGE_MS = 1000;

/**
 * Decides how fresh the readings must be. At rest the account's own resyncs are enough: they show drift. A user who
 * touches an object may just have changed something at Twilio and wants it seen, so that is read at once, within
 * the account's bound. Pure.
 */
export function lookOf(input: LookInput): Look {
  const { isWired, isReady, touchedAtMs, nowMs, numbersReadMs, surroundingsReadMs, resyncsFail } = input;
  const isSeen = (readMs: number | undefined) => readMs !== undefined && readMs >= touchedAtMs;
  const laterMs = touchedAtMs + AFTER_A_CHANGE_MS - nowMs;
  const works = isWired && isReady && !resyncsFail;
  // It works, and the touch is less than a second old: take what is there, and look again in a second if that is
  // older than the touch.
  if (works && laterMs > 0 && numbersReadMs !== undefined) {
    const allSeen = isSeen(numbersReadMs) && isSeen(surroundingsReadMs);
    return { numbersSinceMs: 0, surroundingsSinceMs: 0, ...(allSeen ? {} : { againInMs: laterMs }) };
  }
  // A user who sets up a webhook at Twilio and then applies an object means what is there now. An older reading
  // would not show it, and we would overwrite it unseen. While resyncs fail the last snapshot does not show the
  // present, so only a new reading will do.
  const sinceMs = isWired ? (resyncsFail ? nowMs : touchedAtMs) : Math.max(nowMs - FRESH_MS, touchedAtMs);
  const numbersSinceMs = Math.min(nowMs, sinceMs);
  const waitMs = input.surroundingsFromMs - nowMs;
  // The bound does not allow that reading yet: decide by the old surroundings, and come back when it does.
  if (surroundingsReadMs !== undefined && !isSeen(surroundingsReadMs) && waitMs > 0)
    return { numbersSinceMs, surroundingsSinceMs: 0, againInMs: waitMs };
  return { numbersSinceMs, surroundingsSinceMs: Math.min(nowMs, touchedAtMs) };
}

/** Reasons that end when somebody changes a service, a short code or a Conversations address at Twilio. */
const BY_SURROUNDINGS: ReadonlySet<string> = new Set<Reason>([
  "MessagingServiceDropsInbound",
  "MessagingServiceOverrides",
  "ConversationsOverrides",
  "ComplianceRepliesMissing",
]);

/**
 * Is the number not Ready because of something that is read once an hour at rest? Then each resync reads it. Short
 * codes belong to that; other numbers are listed at each resync anyway. Pure.
 */
export function waitsForSurroundings({ spec, status }: SmsNumber): boolean {
  return ["Accepted", "NumberFound", "InboundUrlReady"].some((type) => {
    const condition = conditionOf(status, type);
    if (condition?.status !== "False") return false;
    return (
      BY_SURROUNDINGS.has(condition.reason) ||
      (condition.reason === "NumberNotInAccount" && spec.type === "ShortCode")
    );
  });
}
