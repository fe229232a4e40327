import type { Reason } from "../../api/reasons.ts";
import type { Verdict } from "../../kube/summarise.ts";
import { readyVerdict, verdict } from "../workstream/verdicts.ts";

/** One step's word: good, not known yet, or why not. */
export type Step = "good" | "unknown" | { reason: Reason; message: string };

export interface NumberFacts {
  accepted: Step;
  found: Step;
  url: Step;
}

const good: Record<keyof NumberFacts, [string, Reason, string]> = {
  accepted: ["Accepted", "Accepted", "the spec is fine and the number is this object's"],
  found: ["NumberFound", "NumberFound", "the Twilio account owns the number and it takes SMS"],
  url: ["InboundUrlReady", "UrlAnswers", "texts to this number reach the receiver"],
};

/** The four conditions of an SmsNumber. `Ready` is all of the other three. */
export function numberVerdicts(facts: NumberFacts): Verdict[] {
  const parts = (Object.keys(good) as (keyof NumberFacts)[]).map((key) => stepVerdict(key, facts[key]));
  return [...parts, readyVerdict(parts)];
}

function stepVerdict(key: keyof NumberFacts, step: Step): Verdict {
  const [type, reason, message] = good[key];
  if (step === "good") return verdict(type, "True", reason, message);
  if (step === "unknown") return verdict(type, "Unknown", "Progressing", "not checked yet");
  return verdict(type, "False", step.reason, step.message);
}

export const firstSight: NumberFacts = { accepted: "unknown", found: "unknown", url: "unknown" };
