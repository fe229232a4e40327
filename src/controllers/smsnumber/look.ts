import type { SmsNumber } from "../../api/index.ts";
import type { Reason } from "../../api/reasons.ts";
import { conditionOf } from "../../kube/conditions.ts";

/** What is known before the account of a number is looked at. All times are the monotonic clock's. */
export interface LookInput {
  /** We have set its webhook, and the last look showed the number. */
  isWired: boolean;
  /** Its texts arrive, by its status. */
  isReady: boolean;
  /** When a user last did something to the object. */
  touchedAtMs: number;
  nowMs: number;
  /** When the last reading of the account's numbers began; undefined before the first. */
  numbersReadMs: number | undefined;
  /** The same of what surrounds them: services, short codes, Conversations addresses. */
  surroundingsReadMs: number | undefined;
  /** From when on the account's bound allows to read that before its time. */
  surroundingsFromMs: number;
  /** The account's resyncs fail at the moment. */
  resyncsFail: boolean;
}

/** From when a reading must be to be good enough, and when to look again because it is not quite. */
export interface Look {
  numbersSinceMs: number;
  surroundingsSinceMs: number;
  againInMs?: number;
}

/**
 * A webhook that is about to be replaced is judged by a look no older than this, so that what somebody set up at Twilio
 * meanwhile is seen; and a thousand numbers that take their minute share one list.
 */
const FRESH_MS = 60_000;
/** A change of a number that works is carried out at once; whether Twilio has news of it is looked at so much later. */
const AFTER_A_CHANGE_MS = 1000;

/**
 * How fresh a look a number needs. At rest the account's own resyncs are enough, and drift shows there. Who touches an object
 * has perhaps just changed something at Twilio and wants it seen, whatever it is; that is read at once, within the account's
 * bound. Pure.
 */
export function lookOf(input: LookInput): Look {
  const { isWired, isReady, touchedAtMs, nowMs, numbersReadMs, surroundingsReadMs, resyncsFail } = input;
  const isSeen = (readMs: number | undefined) => readMs !== undefined && readMs >= touchedAtMs;
  const laterMs = touchedAtMs + AFTER_A_CHANGE_MS - nowMs;
  const works = isWired && isReady && !resyncsFail;
  if (works && laterMs > 0 && numbersReadMs !== undefined) {
    const allSeen = isSeen(numbersReadMs) && isSeen(surroundingsReadMs);
    return { numbersSinceMs: 0, surroundingsSinceMs: 0, ...(allSeen ? {} : { againInMs: laterMs }) };
  }
  // Who sets up a webhook at Twilio and then applies an object means what is there now: an earlier look would not show it,
  // and it would be overwritten unseen. While resyncs fail the last look is no longer the present.
  const sinceMs = isWired ? (resyncsFail ? nowMs : touchedAtMs) : Math.max(nowMs - FRESH_MS, touchedAtMs);
  const numbersSinceMs = Math.min(nowMs, sinceMs);
  const waitMs = input.surroundingsFromMs - nowMs;
  if (surroundingsReadMs !== undefined && !isSeen(surroundingsReadMs) && waitMs > 0)
    return { numbersSinceMs, surroundingsSinceMs: 0, againInMs: waitMs };
  return { numbersSinceMs, surroundingsSinceMs: Math.min(nowMs, touchedAtMs) };
}

/** What ends when somebody changes a service, a short code or a Conversations address at Twilio. */
const BY_SURROUNDINGS: ReadonlySet<string> = new Set<Reason>([
  "MessagingServiceDropsInbound",
  "MessagingServiceOverrides",
  "ConversationsOverrides",
  "ComplianceRepliesMissing",
]);

/**
 * Is the number not Ready because of what is read once an hour at rest? Short codes are among that, other numbers are read at each
 * resync anyway. Pure.
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
