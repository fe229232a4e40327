import type { WorkStream } from "../../api/index.ts";
import type { Reason } from "../../api/reasons.ts";
import { conditionOf, timeText } from "../../kube/status/conditions.ts";
import type { EventNote, Outcome, Verdict } from "../../kube/status/summarise.ts";
import { routeKey } from "../../routes/route.ts";
import { type PublicUrls, urlsOf } from "../../routes/urls.ts";
import type { RouteRecord } from "../records/record.ts";
import { asFailure, type CredentialFacts } from "./credentials-valid.ts";
import type { StreamKey, WorkStreamDeps } from "./deps.ts";
import { nextTokenEnd } from "./rotation.ts";
import { nextUrlEnd } from "./route.ts";
import type { Recorded } from "./route-recorded.ts";
import {
  knownOf,
  readyVerdict,
  routingVerdict,
  type StreamFacts,
  streamVerdicts,
  verdict,
} from "./verdicts.ts";

/** What the steps of an attempt at a WorkStream have found. */
interface Findings {
  found: CredentialFacts;
  recorded: Recorded;
  secretChanged: boolean;
}

/**
 * The outcome of an attempt: the conditions, the status fields, and when the next attempt is due. The status is
 * written whole (ADR 5), so the outcome contains each field that should stay.
 */
export function outcome(
  deps: WorkStreamDeps,
  object: WorkStream,
  { namespace, stream }: StreamKey,
  { found, recorded: { route, problem }, secretChanged }: Findings,
): Outcome {
  const facts: StreamFacts = {
    credentials: found.facts,
    urlProblem: problem,
    url: urlFact(deps, route),
    number: deps.numberOf(namespace, stream),
    ruleProblems: deps.routing.problems(object),
    // A new leader has checked nothing yet, so it uses the verdicts in the status that still hold.
    known: knownOf(object, urlsOf(deps.urls, namespace, stream).inbound),
  };
  const verdicts = streamVerdicts(facts);
  const now = deps.clock.now();
  return {
    verdicts,
    events: routingEvents(object, verdicts),
    status: {
      ...streamUrls(deps.urls, namespace, stream),
      ...(found.good === undefined ? {} : { accountSid: found.good.credentials.accountSid }),
      lastValidation: validation(object, found, secretChanged, now),
      ...numberRef(object, facts.number),
      appliedGeneration: appliedGeneration(deps, object, route),
    },
    // While Twilio does not answer, the status keeps its former conditions for a while. The conditions in
    // `unobserved` take their place if the outage lasts too long.
    ...(found.unobserved === undefined
      ? {}
      : { unobserved: streamVerdicts({ ...facts, credentials: asFailure(found.unobserved) }) }),
    ...wake(route, now),
  };
}

/** The result of the self-check of the route's URL. */
function urlFact({ urlCheck, checks }: WorkStreamDeps, route: RouteRecord | undefined): StreamFacts["url"] {
  if (route === undefined) return undefined;
  return urlCheck === "off" ? "off" : checks.verdict(routeKey(route));
}

/**
 * The status fields with both URLs. They are in the status from the first write, before any check, because a person
 * needs them to prepare DNS and the ingress.
 */
export function streamUrls(urls: PublicUrls, namespace: string, name: string) {
  const { inbound, fallback } = urlsOf(urls, namespace, name);
  return { inboundUrl: inbound, fallbackUrl: fallback };
}

/**
 * The verdicts when an attempt threw an error: the credentials could not be judged, and the other conditions stay
 * as they were.
 */
export function failedVerdicts(
  object: WorkStream,
  { reason, message }: { reason: string; message: string },
  ruleProblems: StreamFacts["ruleProblems"],
): Verdict[] {
  const before = object.status?.conditions ?? [];
  const keep = (type: string): Verdict => {
    const known = before.find((each) => each.type === type);
    return verdict(
      type,
      known?.status ?? "Unknown",
      (known?.reason ?? "Progressing") as Reason,
      known?.message ?? "not checked yet",
    );
  };
  const credentials = verdict("CredentialsValid", "False", reason as Reason, message);
  const url = keep("InboundUrlReady");
  const { routing } = knownOf(object, object.status?.inboundUrl ?? "");
  return [
    credentials,
    url,
    keep("NumberReady"),
    routingVerdict(ruleProblems, routing),
    readyVerdict([credentials, url]),
  ];
}

/**
 * Returns an event for each new message about the routing rules. Ready does not depend on the rules (ADR 20), so
 * without an event nobody would notice a rule that is skipped.
 */
function routingEvents(object: WorkStream, verdicts: readonly Verdict[]): EventNote[] {
  const routing = verdicts.find(({ type }) => type === "RoutingReady");
  if (routing?.status !== "False") return [];
  const { reason, message } = routing;
  return conditionOf(object.status, "RoutingReady")?.message === message
    ? []
    : [{ type: "Warning", reason, message }];
}

/**
 * The status field `lastValidation`. Its `time` changes only with the result or the Secret. If it changed at each
 * resync, every status would be written each time, and each write wakes all watchers.
 */
function validation(
  object: WorkStream,
  { facts, secretVersion }: CredentialFacts,
  secretChanged: boolean,
  now: number,
) {
  const before = object.status?.lastValidation;
  const result = facts.ok ? (facts.promoted ? "TokenPromoted" : "CredentialsValid") : facts.reason;
  const message = facts.ok ? "Twilio accepted the credentials" : facts.message;
  const version = secretVersion === undefined ? {} : { secretResourceVersion: secretVersion };
  const isSameResult = before?.result === result && before.message === message && !secretChanged;
  const sameSecret = before?.secretResourceVersion === secretVersion;
  // Older versions of the operator did not record `secretResourceVersion`. A missing value therefore does not mean
  // that the Secret changed.
  if (isSameResult && (sameSecret || before?.secretResourceVersion === undefined))
    return { ...before, ...version };
  return { time: timeText(now), result, message, ...version };
}

/** The status field `numberRef`. While the SmsNumbers are not listed yet, the name in the status stays. */
function numberRef(object: WorkStream, number: StreamFacts["number"]) {
  if (number === "unseen")
    return object.status?.numberRef === undefined ? {} : { numberRef: object.status.numberRef };
  return number === undefined ? {} : { numberRef: { name: number.name } };
}

/**
 * The status field `appliedGeneration`: the generation of the spec that the controller acts on, and the generation
 * that the receivers have proven to know.
 */
function appliedGeneration(deps: WorkStreamDeps, object: WorkStream, route: RouteRecord | undefined) {
  const generation = object.metadata.generation ?? 0;
  // Only a passed self-check of the newest generation proves that the receivers act on this spec.
  const proven = route !== undefined && deps.checks.passed(routeKey(route), route.generation);
  const receiver = proven ? generation : object.status?.appliedGeneration?.receiver;
  return { controller: generation, ...(receiver === undefined ? {} : { receiver }) };
}

/**
 * Schedules the next attempt for one second after a token or a former URL expires, so that the expiry has certainly
 * passed.
 */
function wake(route: RouteRecord | undefined, now: number): { requeueAfterMs?: number } {
  const ends =
    route === undefined
      ? []
      : [nextTokenEnd(route.tokens), nextUrlEnd(route.urls)].filter((at) => at !== undefined);
  return ends.length === 0 ? {} : { requeueAfterMs: Math.max(1000, Math.min(...ends) - now + 1000) };
}
