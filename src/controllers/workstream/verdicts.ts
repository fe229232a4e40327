/**
 * Turns facts into the conditions of a WorkStream. Pure. If a person must act, the message says what to do. A
 * message never contains anything that changes with each attempt, because each change is a status write.
 */

import type { WorkStream } from "../../api/index.ts";
import { classOf, type Reason } from "../../api/reasons.ts";
import { type Condition, conditionOf } from "../../kube/status/conditions.ts";
import type { Verdict } from "../../kube/status/summarise.ts";
import type { RuleProblem } from "../../rules/problems.ts";
import type { UrlVerdict } from "../selfcheck/verdict.ts";

/** Makes a verdict on one condition, with the class of its reason (see api/reasons.ts). */
export function verdict(type: string, status: Verdict["status"], reason: Reason, message: string): Verdict {
  return { type, status, reason, message, class: classOf(reason) };
}

/** What is known about a WorkStream at the end of an attempt. */
export interface StreamFacts {
  credentials: { ok: true; promoted: boolean } | { ok: false; reason: Reason; message: string } | undefined;
  /** Why the URL cannot work, even if the self-check succeeds; undefined when there is no such reason. */
  urlProblem: { reason: Reason; message: string } | undefined;
  /** The result of the self-check: "off" when self-checks are switched off, undefined while there is no route. */
  url: UrlVerdict | "off" | undefined;
  /**
   * The SmsNumber that refers to the WorkStream, with the SmsNumber's condition Ready. Undefined when there is no
   * such SmsNumber, and "unseen" while it is not known whether there is one.
   */
  number: { name: string; status: Verdict["status"]; reason: string; message: string } | "unseen" | undefined;
  /** The problems of the routing rules; absent or undefined while the rules are not judged yet. */
  ruleProblems?: readonly RuleProblem[] | undefined;
  /** The results of earlier attempts, which are reported until there are newer ones. */
  known?: Known | undefined;
}

/**
 * Earlier verdicts that hold until there are new ones. A new leader has no verdicts of its own yet, and a change of
 * leader must not turn every condition Unknown.
 */
export interface Known {
  /** The earlier verdict that the inbound URL answers. */
  url?: Verdict | undefined;
  /** The earlier verdict on the present routing rules. */
  routing?: Verdict | undefined;
}

/**
 * Takes from the status the verdicts that still hold. A verdict on the rules holds if its condition is of the
 * present generation. The verdict that the URL answers holds if the WorkStream still has the same URL.
 */
export function knownOf({ metadata, status }: WorkStream, inboundUrl: string): Known {
  const url = conditionOf(status, "InboundUrlReady");
  const routing = conditionOf(status, "RoutingReady");
  const urlHolds = url?.status === "True" && status?.inboundUrl === inboundUrl;
  const isJudged = routing !== undefined && routing.status !== "Unknown";
  return {
    url: urlHolds ? asVerdict(url) : undefined,
    routing: isJudged && routing.observedGeneration === metadata.generation ? asVerdict(routing) : undefined,
  };
}

const asVerdict = ({ type, status, reason, message }: Condition): Verdict =>
  verdict(type, status, reason as Reason, message);

/**
 * The five conditions of a WorkStream. `Ready` depends on CredentialsValid and InboundUrlReady, which say whether a
 * text that is sent now arrives. NumberReady and RoutingReady only inform and do not affect Ready (ADR 20): a
 * WorkStream is applied before its number, and Argo CD must not wait for ever.
 */
export function streamVerdicts(facts: StreamFacts): Verdict[] {
  const credentials = credentialsVerdict(facts.credentials);
  const url = urlVerdict(facts);
  return [
    credentials,
    url,
    numberVerdict(facts.number),
    routingVerdict(facts.ruleProblems, facts.known?.routing),
    readyVerdict([credentials, url]),
  ];
}

function credentialsVerdict(credentials: StreamFacts["credentials"]): Verdict {
  if (credentials === undefined)
    return verdict("CredentialsValid", "Unknown", "Progressing", "the credentials are being checked");
  if (!credentials.ok) return verdict("CredentialsValid", "False", credentials.reason, credentials.message);
  return credentials.promoted
    ? verdict(
        "CredentialsValid",
        "True",
        "TokenPromoted",
        "Twilio accepts only secondaryAuthToken; move secondaryAuthToken to authToken in the Secret",
      )
    : verdict("CredentialsValid", "True", "CredentialsValid", "Twilio accepted the credentials");
}

function urlVerdict({ urlProblem, url, credentials, known }: StreamFacts): Verdict {
  if (urlProblem !== undefined)
    return verdict("InboundUrlReady", "False", urlProblem.reason, urlProblem.message);
  if (url === undefined) {
    // Twilio has never accepted the credentials, so there is no route, and the receiver refuses every text.
    if (credentials !== undefined && !credentials.ok)
      return verdict(
        "InboundUrlReady",
        "False",
        credentials.reason,
        `the receiver cannot accept texts for this WorkStream: ${credentials.message}`,
      );
    return verdict("InboundUrlReady", "Unknown", "Progressing", "the inbound URL is being checked");
  }
  if (url === "off")
    return verdict("InboundUrlReady", "True", "UrlAnswers", "not checked, because URL_CHECK is off");
  if (url.status === "Unknown")
    return (
      known?.url ?? verdict("InboundUrlReady", "Unknown", "Progressing", "the inbound URL is being checked")
    );
  if (url.status === "False") return verdict("InboundUrlReady", "False", url.reason, url.message);
  return verdict("InboundUrlReady", "True", "UrlAnswers", "the receiver answers at the inbound URL");
}

/**
 * The condition NumberReady. It repeats the reason and message of the SmsNumber, so that a person need not look up
 * the SmsNumber first.
 */
function numberVerdict(number: StreamFacts["number"]): Verdict {
  if (number === undefined)
    return verdict("NumberReady", "False", "NoNumber", "no SmsNumber refers to this WorkStream");
  if (number === "unseen")
    return verdict(
      "NumberReady",
      "Unknown",
      "Progressing",
      "the SmsNumbers of the namespace are not known yet",
    );
  if (number.status === "Unknown")
    return verdict("NumberReady", "Unknown", "Progressing", `SmsNumber ${number.name} is being checked`);
  if (number.status === "True")
    return verdict("NumberReady", "True", "Ready", `SmsNumber ${number.name} is ready`);
  return verdict(
    "NumberReady",
    "False",
    number.reason as Reason,
    `SmsNumber ${number.name}: ${number.message}`,
  );
}

/**
 * How many broken rules a message lists: the first few of many problems are enough to start with. Kubernetes allows
 * messages of 32 KiB, but no screen shows that much.
 */
const RULES_TOLD = 5;

/**
 * The condition RoutingReady. `known` is the earlier verdict, which is reported while the rules are being judged.
 */
export function routingVerdict(problems: readonly RuleProblem[] | undefined, known?: Verdict): Verdict {
  if (problems === undefined)
    return known ?? verdict("RoutingReady", "Unknown", "Progressing", "the routing rules are being checked");
  if (problems.length === 0)
    return verdict("RoutingReady", "True", "Ready", "every routing rule can be evaluated");
  const told = problems.slice(0, RULES_TOLD).map(({ name, message }) => `rule ${name}: ${message}`);
  const more = problems.length > RULES_TOLD ? [`and ${problems.length - RULES_TOLD} more`] : [];
  return verdict("RoutingReady", "False", "RoutingRuleInvalid", [...told, ...more].join("; "));
}

/**
 * The condition Ready. It is as bad as the worst of the conditions that it depends on: False is worse than Unknown,
 * and Unknown is worse than True. It repeats the reason and message of the worst one.
 */
export function readyVerdict(parts: readonly Verdict[]): Verdict {
  const worst =
    parts.find(({ status }) => status === "False") ?? parts.find(({ status }) => status === "Unknown");
  if (worst !== undefined) return { ...worst, type: "Ready" };
  return verdict("Ready", "True", "Ready", "everything is in place");
}
