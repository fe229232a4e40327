/**
 * Decides how fresh a reading of the Twilio account an attempt needs. Twilio does not notify anybody of changes,
 * and each reading costs calls from a tenant's budget. So the account is read when somebody may be waiting for the
 * result (ADR 30).
 */

import type { SmsNumber } from "../../api/index.ts";
import type { Reason } from "../../api/reasons.ts";
import { conditionOf } from "../../kube/status/conditions.ts";

/** What is known before the number's Twilio account is read. All times are of the monotonic clock. */
export interface LookInput {
  /** True when the operator has set the number's webhook, and the last reading of the account showed the number. */
  isWired: boolean;
  /** True when the number's texts arrive, according to its status. */
  isReady: boolean;
  /** The time when a user last changed the SmsNumber. */
  touchedAtMs: number;
  nowMs: number;
  /** The time when the last reading of the account's numbers began; undefined before the first reading. */
  numbersReadMs: number | undefined;
  /**
   * The time when the last reading of the number's surroundings began: Messaging Services, short codes,
   * Conversations addresses.
   */
  surroundingsReadMs: number | undefined;
  /**
   * The earliest time at which the surroundings may be read before their hourly reading. The operator limits how
   * often it reads the surroundings of one account early.
   */
  surroundingsFromMs: number;
  /** True when the last resyncs of the account failed, so that the latest snapshot may be old. */
  resyncsFail: boolean;
}

/**
 * How fresh the readings must be: a reading is fresh enough if it began at the given time or later. `againInMs` is
 * set if an older reading has to serve for now, and says when to read again.
 */
export interface Look {
  numbersSinceMs: number;
  surroundingsSinceMs: number;
  againInMs?: number;
}

/**
 * A webhook is replaced only after a reading of the account that is at most one minute old. So a webhook that
 * somebody has just set up at Twilio is noticed, and a thousand numbers whose webhooks are set within a minute
 * share one list.
 */
const FRESH_MS = 60_000;
/**
 * A user's change of a number that works is carried out immediately, without a new reading of the account. The
 * reading follows one second later, and shows whether something changed at Twilio.
 */
const AFTER_A_CHANGE_MS = 1000;

/**
 * Decides how fresh the readings must be. When no user changes anything, the account's own resyncs are enough: they
 * show drift. A user who edits an SmsNumber may just have changed something at Twilio too and wants to see the
 * effect. Then the account is read immediately, as far as the operator's limit for such readings allows. Pure.
 */
export function lookOf(input: LookInput): Look {
  const { isWired, isReady, touchedAtMs, nowMs, numbersReadMs, surroundingsReadMs, resyncsFail } = input;
  const isSeen = (readMs: number | undefined) => readMs !== undefined && readMs >= touchedAtMs;
  const laterMs = touchedAtMs + AFTER_A_CHANGE_MS - nowMs;
  const works = isWired && isReady && !resyncsFail;
  // The number works, and the user's change is less than a second old. Use the latest readings, and read again in a
  // second if they are older than the change.
  if (works && laterMs > 0 && numbersReadMs !== undefined) {
    const allSeen = isSeen(numbersReadMs) && isSeen(surroundingsReadMs);
    return { numbersSinceMs: 0, surroundingsSinceMs: 0, ...(allSeen ? {} : { againInMs: laterMs }) };
  }
  // A user may set up a webhook at Twilio and then apply an SmsNumber. A reading from before that would not show the
  // webhook, and the operator would overwrite it unseen. While resyncs fail, the last snapshot may be out of date, so
  // only a new reading is fresh enough.
  const sinceMs = isWired ? (resyncsFail ? nowMs : touchedAtMs) : Math.max(nowMs - FRESH_MS, touchedAtMs);
  const numbersSinceMs = Math.min(nowMs, sinceMs);
  const waitMs = input.surroundingsFromMs - nowMs;
  // The operator's limit does not allow a reading of the surroundings yet: decide by the old reading, and try again
  // when a new one is allowed.
  if (surroundingsReadMs !== undefined && !isSeen(surroundingsReadMs) && waitMs > 0)
    return { numbersSinceMs, surroundingsSinceMs: 0, againInMs: waitMs };
  return { numbersSinceMs, surroundingsSinceMs: Math.min(nowMs, touchedAtMs) };
}

/**
 * The reasons for which a condition is False until somebody changes a Messaging Service, a short code or a
 * Conversations address at Twilio.
 */
const BY_SURROUNDINGS: ReadonlySet<string> = new Set<Reason>([
  "MessagingServiceDropsInbound",
  "MessagingServiceOverrides",
  "ConversationsOverrides",
  "ComplianceRepliesMissing",
]);

/**
 * Is the number not Ready because of something that is normally read only once an hour? If so, each resync reads
 * that thing too. A missing number counts only if it is a short code, because each resync lists all other numbers
 * anyway. Pure.
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
