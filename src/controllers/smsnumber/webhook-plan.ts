/**
 * What is to be done at Twilio about one number's webhook. Twilio keeps no versions and no owner of a webhook, so
 * the decision is made from three things: what is there now, what we remember having set, and what we would set.
 * From the difference follows whose change it is.
 */

import type { Reason } from "../../api/reasons.ts";
import { withoutFragment } from "../../twilio/connection-overrides.ts";
import { fingerprintOf, hostOf, isUnset, pointsAt, sameWebhook, type Webhook } from "../../twilio/webhook.ts";
import type { Override } from "../accounts/precedence.ts";
import { type Contest, judgeContest } from "./contest.ts";

/** What is to be done at Twilio so that the number's texts reach us. */
export type Plan =
  /** Texts arrive. */
  | { do: "nothing" }
  /**
   * One update. `save` is the webhook from before us, to be stored durably before the update. `discard`: there was
   * none before us, so one that is stored is of an earlier time and must go. With neither, what is stored stands.
   * `repairOf` names the host that somebody else had set.
   */
  | { do: "set"; webhook: Webhook; save?: Webhook; discard?: true; repairOf?: string }
  /** Texts do not arrive, and we may not or must not change that. */
  | { do: "leave"; reason: Reason; message: string; contest?: Contest };

/** Everything the plan depends on. */
export interface PlanInput {
  /** The webhook as Twilio has it. */
  seen: Webhook;
  /** The webhook that we would set, with Twilio's connection overrides in its fragment. */
  ours: Webhook;
  /** Is this URL (without fragment) one that we set or would set? */
  isOurs(url: string): boolean;
  /** The same for a fallback URL. */
  isOurFallback(url: string): boolean;
  /** What takes precedence over the number's own webhook, if anything. */
  override: Override | undefined;
  policy: { manage: boolean; suspended: boolean; takeover: "WhenUnset" | "Always" };
  /**
   * The URL that we set, fragment included. Once there is one, anything else at Twilio is drift and not somebody's
   * earlier property.
   */
  configuredUrl: string | undefined;
  /** The fallback URL that we set with it, where that is known: older records lack it. */
  configuredFallbackUrl?: string | undefined;
  /** Why no number may be pointed at the stream's URL yet; undefined once it has answered. */
  urlNotReady: { reason: Reason; message: string } | undefined;
  /** When we set foreign changes back, in ms; with `contest`, `generation` and `now` the input of the contest. */
  repairs: readonly number[];
  contest: Contest | undefined;
  generation: number;
  now: number;
}

/**
 * Decides the next step for a number that this object may configure. The order matters: what takes precedence at
 * Twilio makes our URL pointless; what forbids changes comes before what is worth changing; the takeover rule is
 * told before the self-check, since a person must act on it, while the self-check mends itself. Pure.
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
 * The webhook is as we left it, and only our own wish has changed: PUBLIC_URL or FALLBACK_PUBLIC_URL. That is no
 * repair, and must not count as one.
 */
function isUntouched(input: PlanInput, foreign: Foreign | undefined): boolean {
  const { seen, ours, configuredUrl, configuredFallbackUrl = seen.smsFallbackUrl } = input;
  const asLeft = seen.smsUrl === configuredUrl && seen.smsFallbackUrl === configuredFallbackUrl;
  const wishChanged = ours.smsUrl !== configuredUrl || ours.smsFallbackUrl !== configuredFallbackUrl;
  return asLeft && wishChanged && foreign === undefined;
}

/**
 * We have not set this number's webhook yet. What was there is worth keeping, unless it was nothing or a URL of
 * ours.
 */
function firstTime(input: PlanInput): Plan {
  const { seen, ours, isOurs } = input;
  const set = { do: "set", webhook: ours } as const;
  if (seen.smsApplicationSid !== "") return { ...set, save: withoutOurs(input) };
  // The webhook is ours already: another object set it, or a process that ended before it could record that. The webhook from before us is saved already,
  // so keep that.
  if (pointsAt(seen, isOurs)) return set;
  return seen.smsUrl === "" ? { ...set, discard: true } : { ...set, save: withoutOurs(input) };
}

/**
 * A person who changes one of a number's two URLs may leave the other as we had set it. That one must not be
 * restored one day.
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

/** Whose webhook is it, if not ours? An application takes precedence over the number's URL, whatever the URL says. */
function isForeign({ seen, isOurs }: PlanInput): Foreign | undefined {
  if (seen.smsApplicationSid !== "") return { kind: "application" };
  if (isUnset(seen) || pointsAt(seen, isOurs)) return undefined;
  return { kind: "webhook", host: hostOf(seen.smsUrl) };
}

/** Messages name the host only: a webhook's path, query or user part can hold a password. */
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
 * Suspended and observed numbers are left as they are. That is fine as long as their texts arrive; the fragment is
 * no reason to complain about, as it only tunes Twilio's retries.
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
        message: "the webhook at Twilio is not ours, and suspend: true forbids setting it",
      }
    : {
        do: "leave",
        reason: "Observing",
        message: "the webhook at Twilio is not ours, and managementPolicy: Observe forbids setting it",
      };
}

/** Somebody changed what we had set: set it back, unless it has become a contest. */
function repair(input: PlanInput, foreign: Foreign | undefined): Plan {
  const host =
    foreign?.kind === "application" ? "a Twilio application" : hostOf(input.seen.smsUrl) || "nowhere";
  const verdict = judgeContest({ ...input, seen: fingerprintOf(input.seen) });
  if (verdict === "repair") return { do: "set", webhook: input.ours, repairOf: host };
  return {
    do: "leave",
    reason: "Contested",
    message: `something else keeps pointing the number at ${host}; find and stop it, then change this object, or leave the webhook alone for an hour`,
    contest: verdict,
  };
}
