/**
 * The step that makes texts reach this operator: it decides what to do about the number's webhook, does it, and
 * records it. The order of the writes makes a crash harmless. First the original webhook is stored, then Twilio is
 * changed, and then the claim records the change. After a crash in between, the next attempt continues at the same
 * step or a later one.
 */

import { Failure } from "../../errors.ts";
import { timeText } from "../../kube/status/conditions.ts";
import type { EventNote, Outcome } from "../../kube/status/summarise.ts";
import { routeKey } from "../../routes/route.ts";
import { urlsOf } from "../../routes/urls.ts";
import { differences, ourWebhook, pointsAt, type Webhook, webhookOf } from "../../twilio/webhook.ts";
import type { ClaimRecord, RouteRecord } from "../records/record.ts";
import { targetOf } from "../selfcheck/target.ts";
import { callOptions, type NumberAttempt } from "./attempt.ts";
import { wakeOthers } from "./candidate.ts";
import type { NumberToWire } from "./claim.ts";
import { claimAtPeace, claimSet, claimWired } from "./claim-record.ts";
import type { SeenNumber } from "./found.ts";
import { isOurFallback, isOursOrWas } from "./ours.ts";
import type { NumberFacts, StepFinding } from "./outcome.ts";
import { accepted, outcome } from "./outcome.ts";
import { dropOwedIfAny } from "./previous/owed.ts";
import { isSuspended } from "./seen.ts";
import { type Plan, plan } from "./webhook-plan.ts";

/**
 * How long the first outcome waits for the self-check, so that one status write reports the webhook and the check
 * together. If the receiver cannot be reached, the self-check fails sooner and ends the wait. The full time is only
 * needed when hundreds of routes become known at the same time.
 */
const FIRST_VERDICT_MS = 10_000;

/**
 * Completes the condition `InboundUrlReady`: finds out where the number's texts go, and changes the webhook if
 * needed.
 */
export async function pointAtUs(attempt: NumberAttempt, held: NumberToWire): Promise<Outcome> {
  const ours = ourWebhook(urlsOf(attempt.deps.urls, attempt.namespace, attempt.stream));
  const step = plan(await planInput(attempt, held, ours));
  switch (step.do) {
    case "nothing":
      return await recordWired(attempt, held, ours);
    case "leave":
      return await leave(attempt, held, step);
    case "set":
      return await set(attempt, held, step);
  }
}

/**
 * Collects the input of `plan`. The route is read again, because taking the claim added the number's digits to the
 * route and so raised its generation.
 */
async function planInput(attempt: NumberAttempt, { route, seen, claim }: NumberToWire, ours: Webhook) {
  const { deps, object, effective } = attempt;
  const current = deps.records.route(routeKey(route)) ?? route;
  return {
    seen: webhookOf(seen.number),
    ours,
    isOurs: (url: string) => isOursOrWas(attempt, url),
    isOurFallback: (url: string) => isOurFallback(deps, url),
    override: seen.override,
    policy: {
      manage: effective.managementPolicy === "Manage",
      suspended: isSuspended(deps, object),
      takeover: effective.takeover,
    },
    configuredUrl: claim?.configured?.url,
    configuredFallbackUrl: claim?.configured?.fallbackUrl,
    urlNotReady: await urlProblem(attempt, current),
    repairs: claim?.repairs ?? [],
    contest: claim?.contest,
    generation: object.metadata.generation ?? 0,
    now: deps.clock.now(),
  };
}

/**
 * Returns the reason why the number must not be pointed at the URL yet, if there is one. With URL_CHECK=enforce the
 * newest generation of the route must have passed the self-check, which proves that the receivers know this route
 * with this number (ADR 14).
 */
async function urlProblem(
  { deps, ctx, namespace, stream }: NumberAttempt,
  route: RouteRecord,
): Promise<Exclude<StepFinding, string> | undefined> {
  const key = routeKey(route);
  const problem = deps.streams.get(`${namespace}/${stream}`)?.problem;
  if (problem !== undefined) return problem;
  if (deps.urlCheck === "off") return undefined;
  // A self-check also runs with URL_CHECK=report: the condition then still reports a URL that does not answer.
  deps.checks.want(key, targetOf(route), route.generation);
  if (deps.urlCheck === "report" || deps.checks.passed(key, route.generation)) return undefined;
  await deps.checks.firstVerdict(key, FIRST_VERDICT_MS, ctx.patience);
  if (deps.checks.passed(key, route.generation)) return undefined;
  const verdict = deps.checks.verdict(key);
  if (verdict.status === "False") return { reason: verdict.reason, message: verdict.message };
  return { reason: "Progressing", message: "waiting until the receiver answers for this number" };
}

/**
 * Handles a number whose texts arrive already, and records what the reading showed. If an earlier process set the
 * webhook and ended before it could record that, this completes the record of the claim.
 */
async function recordWired(
  attempt: NumberAttempt,
  { claim, seen }: NumberToWire,
  ours: Webhook,
): Promise<Outcome> {
  const { records, clock } = attempt.deps;
  // If a Messaging Service sends the texts to this operator, the number's own webhook was not set by the operator.
  // It must not be recorded as configured.
  if (claim !== undefined && seen.override !== undefined) await records.putClaim(claimAtPeace(claim));
  else if (claim !== undefined) {
    const saved = await savedBefore(attempt, claim, seen);
    attempt.deps.newNumbers.end(claim.uid);
    await records.putClaim(claimWired({ claim, saved, now: clock.now() }, ours));
    await dropOwedIfAny(attempt.deps, claim.phoneNumberSid, attempt.ctx.signal);
  }
  return outcome(attempt, factsOf(attempt, streamUrl(attempt)), seen);
}

/**
 * Reports that texts do not arrive, and changes nothing. An event is recorded once, when a contest begins; after
 * that the condition is enough.
 */
async function leave(
  attempt: NumberAttempt,
  { claim, seen }: NumberToWire,
  step: Extract<Plan, { do: "leave" }>,
): Promise<Outcome> {
  const { deps } = attempt;
  const contestBegins = step.contest !== undefined && claim?.contest === undefined;
  if (claim !== undefined && step.contest !== undefined)
    await deps.records.putClaim({ ...claim, contest: step.contest });
  const event: EventNote = { type: "Warning", reason: step.reason, message: step.message };
  // With the reason "Progressing" the condition is Unknown and not False: the receiver has not had the time to
  // answer yet.
  const url: StepFinding = step.reason === "Progressing" ? "unknown" : step;
  return { ...outcome(attempt, factsOf(attempt, url), seen), ...(contestBegins ? { events: [event] } : {}) };
}

/** Makes the one update of an attempt, and records it. */
async function set(
  attempt: NumberAttempt,
  { account, seen, claim }: NumberToWire,
  step: Extract<Plan, { do: "set" }>,
): Promise<Outcome> {
  const { deps, ctx } = attempt;
  if (claim === undefined) throw new Error("tried to change a number for which this SmsNumber has no claim");
  const saved = await save(attempt, claim, seen, step);
  const answer = await account.update(seen.number, step.webhook, callOptions(ctx));
  account.noteUpdated(answer);
  // SmsNumbers that only observe this number, or wait for it, now see another webhook, so they are woken.
  wakeOthers(attempt.deps, attempt.object);
  // Twilio answers with the number as it is after the update. If Twilio changed or dropped a URL, the operator
  // would set it again at every resync. So report the difference instead.
  const kept = differences(webhookOf(answer), step.webhook);
  if (kept.length > 0)
    throw new Failure(
      "TwilioRejected",
      `Twilio accepted the update, but stored other values than those that were sent for ${kept.join(" and ")}`,
    );
  deps.newNumbers.end(claim.uid);
  // The claim is recorded only after Twilio's answer. If it were recorded before and the update failed, the
  // original webhook would look like drift.
  await deps.records.putClaim(claimSet({ claim, saved, now: deps.clock.now() }, step));
  await dropOwedIfAny(deps, claim.phoneNumberSid, ctx.signal);
  if (step.repairOf !== undefined) deps.metrics.countDrift();
  return withNews(
    attempt,
    outcome(attempt, factsOf(attempt, streamUrl(attempt)), { ...seen, number: answer }),
    step,
  );
}

/**
 * Stores the webhook that `step` wants saved, before the first change at Twilio. Returns the webhook that is stored
 * afterwards. Until the first change Twilio still has the original webhook, so after a crash it can be read again.
 */
async function save(
  attempt: NumberAttempt,
  claim: ClaimRecord,
  seen: SeenNumber,
  step: Extract<Plan, { do: "set" }>,
): Promise<Webhook | undefined> {
  const { deps, ctx, object } = attempt;
  const uid = object.metadata.uid!;
  // The number has no webhook at Twilio, so a webhook that is stored under this UID is out of date.
  if (step.discard === true && !deps.newNumbers.has(uid)) await deps.previous.remove(uid, ctx.signal);
  if (step.save === undefined) return await savedBefore(attempt, claim, seen);
  // If the number's URL is one of this operator's, somebody has added an application, which takes precedence over
  // the URL. The webhook from before the operator's URL is stored already. So keep it, and add only the
  // application.
  const under = await savedBefore(attempt, claim, seen);
  const whole = { ...step.save, ...under, smsApplicationSid: step.save.smsApplicationSid };
  await deps.previous.save(uid, whole, ctx.signal);
  return whole;
}

/**
 * Returns the saved webhook, which the number had before this operator. An earlier process saved it, another
 * SmsNumber handed it over, or it was kept for the number while no SmsNumber held it. In each of these cases the
 * number already leads to this operator. For any other number nothing is saved, so no request is made: that helps
 * when many numbers get their first webhook.
 */
async function savedBefore(
  attempt: NumberAttempt,
  claim: ClaimRecord,
  { number }: SeenNumber,
): Promise<Webhook | undefined> {
  const { deps, ctx, object } = attempt;
  if (claim.configured !== undefined || !pointsAt(webhookOf(number), (url) => isOursOrWas(attempt, url)))
    return undefined;
  const uid = object.metadata.uid!;
  const own = await deps.previous.read(uid, ctx.signal);
  if (own !== undefined) return own;
  // From here on a webhook may be stored for this SmsNumber. So it no longer counts as new: its cleanup may have
  // something to delete.
  deps.newNumbers.end(uid);
  return await deps.previous.inherit(uid, claim, ctx.signal);
}

/** Adds the event that tells a person about the update: that it was a repair, or where the texts went before. */
function withNews(
  { deps, object }: NumberAttempt,
  base: Outcome,
  step: Extract<Plan, { do: "set" }>,
): Outcome {
  if (step.repairOf !== undefined) {
    const count = (object.status?.driftRepairs?.count ?? 0) + 1;
    const driftRepairs = { count, lastTime: timeText(deps.clock.now()), lastHost: step.repairOf };
    const message = `something else had pointed the webhook at ${step.repairOf}; it leads to this cluster again`;
    return {
      ...base,
      status: { ...base.status, driftRepairs },
      events: [{ type: "Warning", reason: "WebhookRepaired", message }],
    };
  }
  const from = base.status?.previousWebhook as { host: string } | undefined;
  const before = step.save === undefined || from === undefined ? "" : `; before, it led to ${from.host}`;
  const message = `the number's webhook now leads to this cluster${before}`;
  return { ...base, events: [{ type: "Normal", reason: "WebhookSet", message }] };
}

const factsOf = (attempt: NumberAttempt, url: StepFinding): NumberFacts => ({
  accepted: accepted(attempt),
  found: "good",
  url,
});

/**
 * Texts reach the receiver only if the WorkStream's own URL and credentials are good as well. So a problem of the
 * WorkStream is also a problem of its number.
 */
function streamUrl({ deps, namespace, stream }: NumberAttempt): StepFinding {
  const state = deps.streams.get(`${namespace}/${stream}`);
  if (state?.problem !== undefined) return state.problem;
  if (state?.routeKey === undefined || deps.urlCheck === "off") return "good";
  const verdict = deps.checks.verdict(state.routeKey);
  if (verdict.status === "False") return { reason: verdict.reason, message: verdict.message };
  return "good";
}
