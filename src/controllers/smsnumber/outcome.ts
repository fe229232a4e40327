/**
 * Turns the findings of the steps into conditions and status fields. The status is written whole by server-side
 * apply (ADR 5), so a field that is left out is deleted from the object. A field whose value is not known in this
 * attempt is therefore copied from the present status.
 */

import type { SmsNumber } from "../../api/index.ts";
import type { Reason } from "../../api/reasons.ts";
import { timeText } from "../../kube/status/conditions.ts";
import type { Outcome, Verdict } from "../../kube/status/summarise.ts";
import { withoutFragment } from "../../twilio/connection-overrides.ts";
import type { ClaimRecord } from "../records/record.ts";
import { readyVerdict, verdict } from "../workstream/verdicts.ts";
import type { NumberAttempt } from "./attempt.ts";
import type { SeenNumber } from "./found.ts";

/** What one step found for its condition: good, not known yet, or the reason why the condition is False. */
export type StepFinding = "good" | "unknown" | { reason: Reason; message: string };

/** The finding for each condition. `Ready` follows from all of them. */
export interface NumberFacts {
  accepted: StepFinding;
  found: StepFinding;
  url: StepFinding;
}

/** Type, reason and message of each condition whose finding is good. */
const good: Record<keyof NumberFacts, [string, Reason, string]> = {
  accepted: ["Accepted", "Accepted", "the spec is valid, and this SmsNumber may have the number"],
  found: ["NumberFound", "NumberFound", "the Twilio account owns the number, and the number can receive SMS"],
  url: ["InboundUrlReady", "UrlAnswers", "texts to this number reach the receiver"],
};

/** The four conditions of an SmsNumber. `Ready` is True only if the other three are. */
export function numberVerdicts(facts: NumberFacts): Verdict[] {
  const parts = (Object.keys(good) as (keyof NumberFacts)[]).map((key) => stepVerdict(key, facts[key]));
  return [...parts, readyVerdict(parts)];
}

function stepVerdict(key: keyof NumberFacts, step: StepFinding): Verdict {
  const [type, reason, message] = good[key];
  if (step === "good") return verdict(type, "True", reason, message);
  if (step === "unknown") return verdict(type, "Unknown", "Progressing", "not checked yet");
  return verdict(type, "False", step.reason, step.message);
}

/**
 * The findings for an SmsNumber that the operator sees for the first time: all conditions exist and are Unknown, as
 * the Kubernetes API conventions ask.
 */
export const firstSight: NumberFacts = { accepted: "unknown", found: "unknown", url: "unknown" };

/**
 * The outcome of an attempt: the conditions, and the status fields as far as they are known. `seen` is left out
 * when the Twilio account was not read.
 */
export function outcome({ deps, object }: NumberAttempt, facts: NumberFacts, seen?: SeenNumber): Outcome {
  const claim = deps.records.claimOf(object.metadata.uid!);
  const status = object.status;
  return {
    verdicts: numberVerdicts(facts),
    status: {
      ...(seen === undefined ? seenBefore(status) : seenNow(seen)),
      ...configuredUrl(claim, status, claim === undefined && (seen !== undefined || notOwned(facts))),
      ...previousWebhook(claim, status),
      ...pick(status, "driftRepairs"),
    },
  };
}

/**
 * The status field `configuredUrl`, which is the URL that the operator set at Twilio. If the records lack the URL
 * (they were lost, for example), the present value stays, because the cleanup of a deletion relies on it. `over` is
 * true when the number certainly does not belong to this SmsNumber; the field is then dropped.
 */
function configuredUrl(claim: ClaimRecord | undefined, status: SmsNumber["status"], over: boolean) {
  if (claim?.configured !== undefined) return { configuredUrl: withoutFragment(claim.configured.url) };
  return over ? {} : pick(status, "configuredUrl");
}

/** True when Twilio said that the account does not own the number. */
const notOwned = ({ found }: NumberFacts) =>
  typeof found === "object" && found.reason === "NumberNotInAccount";

/**
 * The status field `previousWebhook`. Until the claim records that the operator set the webhook, only the status
 * knows the earlier webhook. After that the claim knows it, and also knows when there was none.
 */
function previousWebhook(claim: ClaimRecord | undefined, status: SmsNumber["status"]) {
  if (claim?.previous !== undefined)
    return { previousWebhook: { host: claim.previous.host, savedAt: timeText(claim.previous.savedAtMs) } };
  return claim?.configured === undefined ? pick(status, "previousWebhook") : {};
}

function seenNow({ number, messagingServiceSid }: SeenNumber) {
  return {
    phoneNumberSid: number.sid,
    capabilities: number.capabilities,
    ...(messagingServiceSid === undefined ? {} : { messagingServiceSid }),
  };
}

function seenBefore(status: SmsNumber["status"]) {
  return {
    ...pick(status, "phoneNumberSid"),
    ...pick(status, "capabilities"),
    ...pick(status, "messagingServiceSid"),
  };
}

function pick<K extends keyof NonNullable<SmsNumber["status"]>>(status: SmsNumber["status"], key: K) {
  return status?.[key] === undefined ? {} : { [key]: status[key] };
}

/** The finding for the condition Accepted, once every rule was checked. */
export const accepted = ({ refusal }: NumberAttempt): StepFinding => refusal ?? "good";

/**
 * Reads a step's finding from the present condition. A condition that cannot be checked now thus stays as it is.
 */
export function before(object: SmsNumber, type: string): StepFinding {
  const condition = object.status?.conditions?.find((each) => each.type === type);
  if (condition?.status === "True") return "good";
  return condition?.status === "False"
    ? { reason: condition.reason as never, message: condition.message }
    : "unknown";
}

/** Reads the findings of all steps from the present conditions. */
export function known(object: SmsNumber): NumberFacts {
  return {
    accepted: before(object, "Accepted"),
    found: before(object, "NumberFound"),
    url: before(object, "InboundUrlReady"),
  };
}

/**
 * The verdicts when a step threw an error. What was known stays known, and only the conditions that the error
 * concerns change. A Twilio outage does not turn a found number into one that is not found.
 */
export function failedVerdicts(
  object: SmsNumber,
  { reason, message }: { reason: string; message: string },
): Verdict[] {
  const why = { reason: reason as Reason, message };
  const facts = known(object);
  return numberVerdicts({
    accepted: facts.accepted === "unknown" ? "good" : facts.accepted,
    found: facts.found === "good" ? "good" : why,
    url: why,
  });
}
