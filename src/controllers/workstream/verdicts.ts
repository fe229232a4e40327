import type { WorkStream } from "../../api/index.ts";
import { classOf, type Reason } from "../../api/reasons.ts";
import { type Condition, conditionOf } from "../../kube/conditions.ts";
import type { Verdict } from "../../kube/summarise.ts";
import type { RuleProblem } from "../../rules/problems.ts";
import type { UrlVerdict } from "../selfcheck/verdict.ts";

/** A condition in the making, with the class that its reason has. */
export function verdict(type: string, status: Verdict["status"], reason: Reason, message: string): Verdict {
  return { type, status, reason, message, class: classOf(reason) };
}

export interface StreamFacts {
  credentials: { ok: true; promoted: boolean } | { ok: false; reason: Reason; message: string } | undefined;
  /** Why there can be no good URL whatever the receiver says; undefined when there is no such reason. */
  urlProblem: { reason: Reason; message: string } | undefined;
  /** The self-check's word, "off" when it is switched off, undefined while there is no route. */
  url: UrlVerdict | "off" | undefined;
  /** The stream's number: its own Ready condition, undefined when none refers to the stream, "unseen" when that is not known. */
  number: { name: string; status: Verdict["status"]; reason: string; message: string } | "unseen" | undefined;
  /** What is wrong with the routing rules; absent or undefined while they are not judged yet. */
  ruleProblems?: readonly RuleProblem[] | undefined;
  /** What earlier looks found, told for as long as this one does not know better. */
  known?: Known | undefined;
}

/** Earlier verdicts that hold until there are new ones: a leader that has just begun knows none of its own. */
export interface Known {
  /** The inbound URL answered. */
  url?: Verdict | undefined;
  /** On the rules as they are now. */
  routing?: Verdict | undefined;
}

/** What the status still says for certain of this generation's rules, and of the URL that the stream has now. */
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

/** The five conditions of a WorkStream. `Ready` is the first two; NumberReady and RoutingReady inform and never gate. */
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
    // Without credentials that were good once there is no route, and every text is refused.
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

/** A condition's message is for reading: the first of many problems are enough to begin with. */
const RULES_TOLD = 5;

export function routingVerdict(problems: readonly RuleProblem[] | undefined, known?: Verdict): Verdict {
  if (problems === undefined)
    return known ?? verdict("RoutingReady", "Unknown", "Progressing", "the routing rules are being checked");
  if (problems.length === 0)
    return verdict("RoutingReady", "True", "Ready", "every routing rule can be evaluated");
  const told = problems.slice(0, RULES_TOLD).map(({ name, message }) => `rule ${name}: ${message}`);
  const more = problems.length > RULES_TOLD ? [`and ${problems.length - RULES_TOLD} more`] : [];
  return verdict("RoutingReady", "False", "RoutingRuleInvalid", [...told, ...more].join("; "));
}

/** Ready is as bad as the worst of what it rests on: False before Unknown before True. */
export function readyVerdict(parts: readonly Verdict[]): Verdict {
  const worst =
    parts.find(({ status }) => status === "False") ?? parts.find(({ status }) => status === "Unknown");
  if (worst !== undefined) return { ...worst, type: "Ready" };
  return verdict("Ready", "True", "Ready", "everything is in place");
}
