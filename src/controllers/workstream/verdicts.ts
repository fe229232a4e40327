/**
 * From facts to the conditions of a WorkStream. Pure. Each message says what to do where a person must act, and
 * never holds anything that changes with each attempt: that would be a status write each time.
 */

import type { WorkStream } from "../../api/index.ts";
import { classOf, type Reason } from "../../api/reasons.ts";
import { type Condition, conditionOf } from "../../kube/status/conditions.ts";
import type { Verdict } from "../../kube/status/summarise.ts";
import type { RuleProblem } from "../../rules/problems.ts";
import type { UrlVerdict } from "../selfcheck/verdict.ts";

/** A verdict on one condition, with the class that its reason has (see api/reasons.ts). */
export function verdict(type: string, status: Verdict["status"], reason: Reason, message: string): Verdict {
  return { type, status, reason, message, class: classOf(reason) };
}

/** What is known of a stream at the end of an attempt. */
export interface StreamFacts {
  credentials: { ok: true; promoted: boolean } | { ok: false; reason: Reason; message: string } | undefined;
  /** Why there can be no good URL whatever the receiver says; undefined when there is no such reason. */
  urlProblem: { reason: Reason; message: string } | undefined;
  /** What the self-check says; "off" when it is switched off, undefined while there is no route. */
  url: UrlVerdict | "off" | undefined;
  /**
   * The stream's number with its own Ready condition; undefined when none refers to the stream, "unseen" while that
   * is not known.
   */
  number: { name: string; status: Verdict["status"]; reason: string; message: string } | "unseen" | undefined;
  /** What is wrong with the routing rules; absent or undefined while they are not judged. */
  ruleProblems?: readonly RuleProblem[] | undefined;
  /** What earlier attempts found; told as long as this one does not know better. */
  known?: Known | undefined;
}

/**
 * Earlier verdicts that hold until there are new ones. A new leader knows none of its own yet, and must not turn
 * every condition Unknown at each change of leader.
 */
export interface Known {
  /** The inbound URL answered. */
  url?: Verdict | undefined;
  /** About the rules as they are now. */
  routing?: Verdict | undefined;
}

/**
 * What the status still says for certain: of the rules, if the condition is of this generation; of the URL, if it
 * is the one that the stream has now.
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
 * The five conditions of a WorkStream. `Ready` rests on the first two: a text that is sent now arrives. NumberReady
 * and RoutingReady inform and never gate (ADR 20): a stream is applied before its number, and Argo CD must not wait
 * for ever.
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
    // No credentials were ever good, so there is no route, and the receiver refuses every text.
    if (credentials !== undefined && !credentials.ok)
      return verdict(
        "InboundUrlReady",
        "False",
        credentials.reason,
        `the receiver has no route: ${credentials.message}`,
      );
    return verdict("InboundUrlReady", "Unknown", "Progressing", "the inbound URL is being checked");
  }
  if (url === "off")
    return verdict("InboundUrlReady", "True", "UrlAnswers", "not checked, as URL_CHECK=off asks");
  if (url.status === "Unknown")
    return (
      known?.url ?? verdict("InboundUrlReady", "Unknown", "Progressing", "the inbound URL is being checked")
    );
  if (url.status === "False") return verdict("InboundUrlReady", "False", url.reason, url.message);
  return verdict("InboundUrlReady", "True", "UrlAnswers", "the receiver answers at the inbound URL");
}

/** The number's own reason and message are repeated, so that a person need not look for the SmsNumber first. */
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
 * A condition's message is for reading: the first few of many problems are enough to begin with. Kubernetes allows
 * 32 KiB, no screen does.
 */
const RULES_TOLD = 5;

/** The condition RoutingReady; `known` is what it said before, for as long as the rules are being judged. */
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
 * Ready is as bad as the worst of the conditions it rests on: False before Unknown before True. It repeats the
 * worst one's reason and message.
 */
export function readyVerdict(parts: readonly Verdict[]): Verdict {
  const worst =
    parts.find(({ status }) => status === "False") ?? parts.find(({ status }) => status === "Unknown");
  if (worst !== undefined) return { ...worst, type: "Ready" };
  return verdict("Ready", "True", "Ready", "everything is in place");
}
