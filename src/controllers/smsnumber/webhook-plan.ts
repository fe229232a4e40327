/**
 * Decides what to do at Twilio about one number's webhook. Twilio stores neither a version nor an owner with a
 * webhook. So the decision compares three things: the webhook that is there now, the webhook that the operator
 * remembers having set, and the webhook that it would set. The differences show who made a change.
 */

import type { Reason } from "../../api/reasons.ts";
import { withoutFragment } from "../../twilio/connection-overrides.ts";
import { fingerprintOf, hostOf, isUnset, pointsAt, sameWebhook, type Webhook } from "../../twilio/webhook.ts";
import type { Override } from "../accounts/precedence.ts";
import { type Contest, judgeContest } from "./contest.ts";

/** The step to take at Twilio so that the number's texts reach the receiver. */
export type Plan =
  /** Change nothing, because texts arrive already. */
  | { do: "nothing" }
  /**
   * Make one update. `save` is the webhook that the number had before this operator, and must be stored durably
   * before the update. `discard` means that there was no such webhook, so a stored one is out of date and must be
   * deleted. With neither `save` nor `discard`, a stored webhook stays. `repairOf` names the host that a foreign
   * change had set.
   */
  | { do: "set"; webhook: Webhook; save?: Webhook; discard?: true; repairOf?: string }
  /** Change nothing, although texts do not arrive: the operator may not or must not change the webhook. */
  | { do: "leave"; reason: Reason; message: string; contest?: Contest };

/** The input of the decision about a webhook. */
export interface PlanInput {
  /** The webhook as Twilio has it. */
  seen: Webhook;
  /** The webhook that the operator would set, with Twilio's connection overrides in the fragment of its URL. */
  ours: Webhook;
  /** Is this URL (without its fragment) one that the operator set or would set? */
  isOurs(url: string): boolean;
  /** Is this fallback URL one that the operator set or would set? */
  isOurFallback(url: string): boolean;
  /** What takes precedence over the number's own webhook at Twilio; undefined when nothing does. */
  override: Override | undefined;
  policy: { manage: boolean; suspended: boolean; takeover: "WhenUnset" | "Always" };
  /**
   * The URL that the operator set, including its fragment; undefined while it has set none. Any other webhook that
   * appears after that is drift, and is not saved as the number's former webhook.
   */
  configuredUrl: string | undefined;
  /** The fallback URL that the operator set together with the URL, where it is known: older records lack it. */
  configuredFallbackUrl?: string | undefined;
  /** The reason why no number may be pointed at the WorkStream's URL yet; undefined once the URL has answered. */
  urlNotReady: { reason: Reason; message: string } | undefined;
  /**
   * The times at which the operator undid a foreign change, in milliseconds. `repairs`, `contest`, `generation` and
   * `now` are the input of `judgeContest`.
   */
  repairs: readonly number[];
  contest: Contest | undefined;
  generation: number;
  now: number;
}

/**
 * Decides the next step for a number that this SmsNumber may configure. Pure.
 *
 * The order of the checks matters. Whatever takes precedence at Twilio makes the operator's URL pointless, so it is
 * checked first. Rules that forbid a change come before the question whether a change is worthwhile. The takeover
 * rule is reported before the self-check, because a person must act on it, while a failing self-check can recover
 * by itself.
 */
export function plan(input: PlanInput): Plan {
  const { seen, ours, override } = input;
  if (override?.kind === "routesHere") return { do: "nothing" };
  if (override !== undefined) return { do: "leave", reason: override.reason, message: override.message };
  if (sameWebhook(seen, ours)) return { do: "nothing" };

  const held = holdBack(input);
  if (held !== undefined) return held;
  const foreign = isForeign(input);
  if (foreign !== undefined && input.configuredUrl === undefined && input.policy.takeover === "WhenUnset")
    return refuseTakeover(foreign);
  if (input.urlNotReady !== undefined) return { do: "leave", ...input.urlNotReady };
  if (input.configuredUrl === undefined) return firstTime(input);
  return isUntouched(input, foreign) ? { do: "set", webhook: ours } : repair(input, foreign);
}

/**
 * True when the webhook is as the operator left it, and only the operator's own settings have changed: PUBLIC_URL
 * or FALLBACK_PUBLIC_URL. Setting the new URL is not a repair, and must not count as one.
 */
function isUntouched(input: PlanInput, foreign: Foreign | undefined): boolean {
  // Older records lack the fallback URL that the operator set. The present fallback URL then counts as the one that
  // the operator set.
  const { seen, ours, configuredUrl, configuredFallbackUrl = seen.smsFallbackUrl } = input;
  const asLeft = seen.smsUrl === configuredUrl && seen.smsFallbackUrl === configuredFallbackUrl;
  const wishChanged = ours.smsUrl !== configuredUrl || ours.smsFallbackUrl !== configuredFallbackUrl;
  return asLeft && wishChanged && foreign === undefined;
}

/**
 * The plan for a number whose webhook the operator has not set yet. The present webhook is saved, unless it is
 * empty or already leads to this operator.
 */
function firstTime(input: PlanInput): Plan {
  const { seen, ours, isOurs } = input;
  const set = { do: "set", webhook: ours } as const;
  if (seen.smsApplicationSid !== "") return { ...set, save: withoutOurs(input) };
  // If the webhook leads to this operator already, another SmsNumber set it, or a process that ended before it could
  // record the update. The original webhook was saved at that time, so nothing is saved now.
  if (pointsAt(seen, isOurs)) return set;
  return seen.smsUrl === "" ? { ...set, discard: true } : { ...set, save: withoutOurs(input) };
}

/**
 * Removes the operator's own URLs from a webhook that is to be saved. A person may change one of a number's two
 * URLs and leave the other as the operator set it. The operator's URL must not be restored later.
 */
function withoutOurs({ seen, isOurs, isOurFallback }: PlanInput): Webhook {
  const { smsFallbackUrl } = seen;
  return {
    ...seen,
    ...(pointsAt(seen, isOurs) ? { smsUrl: "" } : {}),
    ...(smsFallbackUrl !== "" && isOurFallback(withoutFragment(smsFallbackUrl))
      ? { smsFallbackUrl: "" }
      : {}),
  };
}

type Foreign = { kind: "application" } | { kind: "webhook"; host: string };

/**
 * Describes the present webhook if it is not the operator's; undefined if it is, or if there is none. An
 * application takes precedence over the number's URL at Twilio, so it is checked first.
 */
function isForeign({ seen, isOurs }: PlanInput): Foreign | undefined {
  if (seen.smsApplicationSid !== "") return { kind: "application" };
  if (isUnset(seen) || pointsAt(seen, isOurs)) return undefined;
  return { kind: "webhook", host: hostOf(seen.smsUrl) };
}

/**
 * Refuses to take the webhook over. Messages name only the host, because the path, the query or the user part of a
 * webhook's URL can hold a password.
 */
function refuseTakeover(foreign: Foreign): Plan {
  return foreign.kind === "application"
    ? {
        do: "leave",
        reason: "ApplicationOverrides",
        message:
          "the number has an application at Twilio, which takes its texts; remove it there, or set takeover: Always",
      }
    : {
        do: "leave",
        reason: "WebhookOwnedByOther",
        message: `the number's webhook leads to ${foreign.host}; clear it at Twilio, or set takeover: Always`,
      };
}

/**
 * The plan for a suspended or observed number, whose webhook is never changed; undefined for any other number. The
 * number is reported only if its texts do not arrive. A missing fragment is no reason to report it, because the
 * fragment only tunes Twilio's retries.
 */
function holdBack({ seen, ours, policy }: PlanInput): Plan | undefined {
  if (policy.manage && !policy.suspended) return undefined;
  const sameUrl = withoutFragment(seen.smsUrl) === withoutFragment(ours.smsUrl);
  const arrives = sameUrl && seen.smsApplicationSid === "" && seen.smsMethod === ours.smsMethod;
  if (arrives) return { do: "nothing" };
  return policy.manage
    ? {
        do: "leave",
        reason: "Suspended",
        message:
          "the webhook at Twilio is not as this operator would set it, and suspend: true forbids changing it",
      }
    : {
        do: "leave",
        reason: "Observing",
        message:
          "the webhook at Twilio is not as this operator would set it, and managementPolicy: Observe forbids changing it",
      };
}

/**
 * The plan after somebody changed the webhook that the operator had set: set it back, unless the changes have
 * become a contest.
 */
function repair(input: PlanInput, foreign: Foreign | undefined): Plan {
  const host =
    foreign?.kind === "application" ? "a Twilio application" : hostOf(input.seen.smsUrl) || "nowhere";
  const verdict = judgeContest({ ...input, seen: fingerprintOf(input.seen) });
  if (verdict === "repair") return { do: "set", webhook: input.ours, repairOf: host };
  return {
    do: "leave",
    reason: "Contested",
    message: `something else keeps pointing the number at ${host}. Find out what it is and stop it. Then change the spec of this SmsNumber, or wait until the webhook has not changed for an hour`,
    contest: verdict,
  };
}
