/**
 * Turns what the steps found into conditions and status fields. The status is written whole by server-side apply
 * (ADR 5): a field that is left out here is deleted from the object, so what cannot be known in this attempt is
 * carried over from the present status.
 */

import type { SmsNumber } from "../../api/index.ts";
import type { Reason } from "../../api/reasons.ts";
import { timeText } from "../../kube/status/conditions.ts";
import type { Outcome, Verdict } from "../../kube/status/summarise.ts";
import { withoutFragment } from "../../twilio/connection-overrides.ts";
import type { ClaimRecord } from "../records/record.ts";
import { readyVerdict, verdict } from "../workstream/verdicts.ts";
import type { SeenNumber } from "./found.ts";
import type { NumberWork } from "./work.ts";

/** What one step says of its condition: good, not known yet, or why not. */
export type StepFinding = "good" | "unknown" | { reason: Reason; message: string };

/** One word for each condition, from which `Ready` follows. */
export interface NumberFacts {
  accepted: StepFinding;
  found: StepFinding;
  url: StepFinding;
}

/** Type, reason and message of each condition when all is well. */
const good: Record<keyof NumberFacts, [string, Reason, string]> = {
  accepted: ["Accepted", "Accepted", "the spec is fine and the number is this object's"],
  found: ["NumberFound", "NumberFound", "the Twilio account owns the number and it takes SMS"],
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

/** What an object is given at first sight: all conditions, all Unknown, as the Kubernetes conventions ask. */
export const firstSight: NumberFacts = { accepted: "unknown", found: "unknown", url: "unknown" };

/**
 * What an attempt comes to: conditions, and the status fields as far as they are known. `seen` is left out when
 * Twilio was not looked at.
 */
export function outcome({ deps, object }: NumberWork, facts: NumberFacts, seen?: SeenNumber): Outcome {
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
 * What we set at Twilio. Where the records do not tell (they were lost, say) the status still knows it, and the
 * cleanup goes by that; it is dropped only when it is certain that the number is not this object's.
 */
function configuredUrl(claim: ClaimRecord | undefined, status: SmsNumber["status"], over: boolean) {
  if (claim?.configured !== undefined) return { configuredUrl: withoutFragment(claim.configured.url) };
  return over ? {} : pick(status, "configuredUrl");
}

/** Twilio said that the account does not own the number. */
const notOwned = ({ found }: NumberFacts) =>
  typeof found === "object" && found.reason === "NumberNotInAccount";

/**
 * Until the number is ours again nobody knows better than the status. Then the record does, and also that there was
 * nothing before.
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

/** The first condition's word, once every rule was asked. */
export const accepted = ({ refusal }: NumberWork): StepFinding => refusal ?? "good";

/** A condition as it stands in the status: what cannot be looked at now is not made worse. */
export function before(object: SmsNumber, type: string): StepFinding {
  const condition = object.status?.conditions?.find((each) => each.type === type);
  if (condition?.status === "True") return "good";
  return condition?.status === "False"
    ? { reason: condition.reason as never, message: condition.message }
    : "unknown";
}

/** All conditions as they stand. */
export function known(object: SmsNumber): NumberFacts {
  return {
    accepted: before(object, "Accepted"),
    found: before(object, "NumberFound"),
    url: before(object, "InboundUrlReady"),
  };
}

/**
 * The verdicts when a step threw: what was known stays known, and only the conditions that this failure speaks of
 * turn. A Twilio outage does not make a found number not found.
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
