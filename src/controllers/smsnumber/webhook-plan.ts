import type { Reason } from "../../api/reasons.ts";
import { withoutFragment } from "../../twilio/connection-overrides.ts";
import { fingerprintOf, hostOf, isUnset, pointsAt, sameWebhook, type Webhook } from "../../twilio/webhook.ts";
import type { Override } from "../accounts/precedence.ts";
import { type Contest, judgeContest } from "./contest.ts";

/** What is to be done at Twilio so that the number's texts reach us. */
export type Plan =
  /** Texts arrive; nothing to do. */
  | { do: "nothing" }
  /**
   * One update. `save` is the webhook as it was before us, to be stored durably before; `forget`: there was none before us, and
   * one that is stored is of an earlier time; with neither, what is stored stands. `repairOf` names a host that changed ours.
   */
  | { do: "set"; webhook: Webhook; save?: Webhook; forget?: true; repairOf?: string }
  /** Texts do not arrive, and we may not or must not change it. */
  | { do: "leave"; reason: Reason; message: string; contest?: Contest };

export interface PlanInput {
  seen: Webhook;
  ours: Webhook;
  /** Is, or was, this URL (without fragment) one of ours? */
  isOurs(url: string): boolean;
  /** The same of a fallback URL. */
  isOurFallback(url: string): boolean;
  /** What takes precedence over the number's own webhook, if anything. */
  override: Override | undefined;
  policy: { manage: boolean; suspended: boolean; takeover: "WhenUnset" | "Always" };
  /** The URL that we set before, fragment included: what is there instead is drift, not somebody's earlier property. */
  configuredUrl: string | undefined;
  /** The fallback URL that we set with it, where that is known. */
  configuredFallbackUrl?: string | undefined;
  /** Why no number may be pointed at the stream's URL yet; undefined when it has answered. */
  urlNotReady: { reason: Reason; message: string } | undefined;
  repairs: readonly number[];
  contest: Contest | undefined;
  generation: number;
  now: number;
}

/** Decides the one next step for a number that this object may configure. Pure. */
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

/** Still as we left it, and only our own wish changed: PUBLIC_URL or FALLBACK_PUBLIC_URL. */
function isUntouched(input: PlanInput, foreign: Foreign | undefined): boolean {
  const { seen, ours, configuredUrl, configuredFallbackUrl = seen.smsFallbackUrl } = input;
  const asLeft = seen.smsUrl === configuredUrl && seen.smsFallbackUrl === configuredFallbackUrl;
  const wishChanged = ours.smsUrl !== configuredUrl || ours.smsFallbackUrl !== configuredFallbackUrl;
  return asLeft && wishChanged && foreign === undefined;
}

/** The webhook from before us is worth keeping when there was one; a URL of ours never is. */
function firstTime(input: PlanInput): Plan {
  const { seen, ours, isOurs } = input;
  const set = { do: "set", webhook: ours } as const;
  if (seen.smsApplicationSid !== "") return { ...set, save: withoutOurs(input) };
  // It was set by a process that ended before it could record so, or by another object.
  if (pointsAt(seen, isOurs)) return set;
  return seen.smsUrl === "" ? { ...set, forget: true } : { ...set, save: withoutOurs(input) };
}

/** Who changes one of a number's URLs at Twilio may leave the other as we had set it. */
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

/** An application takes precedence over the number's URL, whatever that is. */
function isForeign({ seen, isOurs }: PlanInput): Foreign | undefined {
  if (seen.smsApplicationSid !== "") return { kind: "application" };
  if (isUnset(seen) || pointsAt(seen, isOurs)) return undefined;
  return { kind: "webhook", host: hostOf(seen.smsUrl) };
}

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

/** Suspended and observed numbers are left as they are; that is fine as long as their texts arrive. */
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
