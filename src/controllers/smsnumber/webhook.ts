/**
 * The step that gets texts to us: decides what to do about the webhook, does it, and records it. The order of
 * writes is what makes a crash harmless: first the webhook from before us is stored, then Twilio is changed, then
 * the claim says so. A process that ends in between leaves a state from which the next attempt finds the same or a
 * later step.
 */

import { Failure } from "../../errors.ts";
import { timeText } from "../../kube/status/conditions.ts";
import type { EventNote, Outcome } from "../../kube/status/summarise.ts";
import { routeKey } from "../../routes/route.ts";
import { urlsOf } from "../../routes/urls.ts";
import { differences, ourWebhook, pointsAt, type Webhook, webhookOf } from "../../twilio/webhook.ts";
import type { ClaimRecord, RouteRecord } from "../records/record.ts";
import { targetOf } from "../selfcheck/target.ts";
import type { NumberToWire } from "./claim.ts";
import { claimAtPeace, claimSet, claimWired } from "./claim-record.ts";
import type { SeenNumber } from "./found.ts";
import type { NumberFacts, StepFinding } from "./outcome.ts";
import { accepted, outcome } from "./outcome.ts";
import { dropOwedIfAny } from "./previous/owed.ts";
import { type Plan, plan } from "./webhook-plan.ts";
import { callOptions, isOurFallback, isOursOrWas, isSuspended, type NumberWork, wakeOthers } from "./work.ts";

/**
 * How long the first outcome waits for the self-check, so that one status write tells both. A receiver that cannot
 * be reached ends the wait sooner, with its own reason. The full time is needed only when hundreds of routes become
 * known at once.
 */
const FIRST_VERDICT_MS = 10_000;

/** Completes `InboundUrlReady`: where the number's texts go, and what to do about it. */
export async function pointAtUs(work: NumberWork, held: NumberToWire): Promise<Outcome> {
  const ours = ourWebhook(urlsOf(work.deps.urls, work.namespace, work.stream));
  const step = plan(await planInput(work, held, ours));
  switch (step.do) {
    case "nothing":
      return await recordWired(work, held, ours);
    case "leave":
      return await leave(work, held, step);
    case "set":
      return await set(work, held, step);
  }
}

/**
 * Collects what `plan` needs. The route is read again, since taking the claim has put the number's digits into it
 * and so raised its generation.
 */
async function planInput(work: NumberWork, { route, seen, claim }: NumberToWire, ours: Webhook) {
  const { deps, object, effective } = work;
  const current = deps.records.route(routeKey(route)) ?? route;
  return {
    seen: webhookOf(seen.number),
    ours,
    isOurs: (url: string) => isOursOrWas(work, url),
    isOurFallback: (url: string) => isOurFallback(deps, current, url),
    override: seen.override,
    policy: {
      manage: effective.managementPolicy === "Manage",
      suspended: isSuspended(deps, object),
      takeover: effective.takeover,
    },
    configuredUrl: claim?.configured?.url,
    configuredFallbackUrl: claim?.configured?.fallbackUrl,
    urlNotReady: await urlProblem(work, current),
    repairs: claim?.repairs ?? [],
    contest: claim?.contest,
    generation: object.metadata.generation ?? 0,
    now: deps.clock.now(),
  };
}

/**
 * Why the number must not be pointed at the URL yet. With URL_CHECK=enforce the newest generation of the route must
 * have passed the self-check: only then is it known that the receivers have this route with this number (ADR 14).
 */
async function urlProblem(
  { deps, ctx, namespace, stream }: NumberWork,
  route: RouteRecord,
): Promise<Exclude<StepFinding, string> | undefined> {
  const key = routeKey(route);
  const problem = deps.streams.get(`${namespace}/${stream}`)?.problem;
  if (problem !== undefined) return problem;
  if (deps.urlCheck === "off") return undefined;
  // Asked for with `report` as well: there the condition still tells of a URL that does not answer.
  deps.checks.want(key, targetOf(route), route.generation);
  if (deps.urlCheck === "report" || deps.checks.passed(key, route.generation)) return undefined;
  await deps.checks.firstVerdict(key, FIRST_VERDICT_MS, ctx.patience);
  if (deps.checks.passed(key, route.generation)) return undefined;
  const verdict = deps.checks.verdict(key);
  if (verdict.status === "False") return { reason: verdict.reason, message: verdict.message };
  return { reason: "Progressing", message: "waiting until the receiver answers for this number" };
}

/**
 * Texts arrive already. Records what the look showed, so that a claim which was made by a process that ended is
 * complete again.
 */
async function recordWired(work: NumberWork, { claim, seen }: NumberToWire, ours: Webhook): Promise<Outcome> {
  const { records, clock } = work.deps;
  // Where something else routes the texts here, the number's own webhook was not set by us and must not be recorded
  // as configured.
  if (claim !== undefined && seen.override !== undefined) await records.putClaim(claimAtPeace(claim));
  else if (claim !== undefined) {
    const saved = await savedBefore(work, claim, seen);
    work.deps.newNumbers.end(claim.uid);
    await records.putClaim(claimWired({ claim, saved, now: clock.now() }, ours));
    await dropOwedIfAny(work.deps, claim.phoneNumberSid, work.ctx.signal);
  }
  return outcome(work, factsOf(work, streamUrl(work)), seen);
}

/**
 * Texts do not arrive and nothing is changed. The event is given once, when a contest begins: the condition tells
 * the rest.
 */
async function leave(
  work: NumberWork,
  { claim, seen }: NumberToWire,
  step: Extract<Plan, { do: "leave" }>,
): Promise<Outcome> {
  const { deps } = work;
  const contestBegins = step.contest !== undefined && claim?.contest === undefined;
  if (claim !== undefined && step.contest !== undefined)
    await deps.records.putClaim({ ...claim, contest: step.contest });
  const event: EventNote = { type: "Warning", reason: step.reason, message: step.message };
  // "Progressing" is no verdict of False: the receiver has not had the time to answer yet.
  const url: StepFinding = step.reason === "Progressing" ? "unknown" : step;
  return { ...outcome(work, factsOf(work, url), seen), ...(contestBegins ? { events: [event] } : {}) };
}

/** The one update of an attempt. */
async function set(
  work: NumberWork,
  { account, seen, claim }: NumberToWire,
  step: Extract<Plan, { do: "set" }>,
): Promise<Outcome> {
  const { deps, ctx } = work;
  if (claim === undefined) throw new Error("a number without a claim was to be changed");
  const saved = await save(work, claim, seen, step);
  const answer = await account.update(seen.number, step.webhook, callOptions(ctx));
  account.noteUpdated(answer);
  // Those who only observe this number, or wait for it, see another webhook now.
  wakeOthers(work.deps, work.object);
  // Twilio answers with the number as it now is. A URL it has changed or dropped would be set again at every
  // resync, so say it instead.
  const kept = differences(webhookOf(answer), step.webhook);
  if (kept.length > 0)
    throw new Failure("TwilioRejected", `Twilio took the update but kept another ${kept.join(" and ")}`);
  deps.newNumbers.end(claim.uid);
  // Only after Twilio's answer: a record made before would pass off the old webhook as drift if the update failed.
  await deps.records.putClaim(claimSet({ claim, saved, now: deps.clock.now() }, step));
  await dropOwedIfAny(deps, claim.phoneNumberSid, ctx.signal);
  if (step.repairOf !== undefined) deps.metrics.countDrift();
  return withNews(work, outcome(work, factsOf(work, streamUrl(work)), { ...seen, number: answer }), step);
}

/**
 * Stores what `step` found worth keeping, before the first change, and returns what is stored in the end. Until
 * that change the number at Twilio is its own witness: a process that ends in between leaves everything there to be
 * read again.
 */
async function save(
  work: NumberWork,
  claim: ClaimRecord,
  seen: SeenNumber,
  step: Extract<Plan, { do: "set" }>,
): Promise<Webhook | undefined> {
  const { deps, ctx, object } = work;
  const uid = object.metadata.uid!;
  // There was no webhook before us. One stored under this UID is from an earlier time with us.
  if (step.discard === true && !deps.newNumbers.has(uid)) await deps.previous.remove(uid, ctx.signal);
  if (step.save === undefined) return await savedBefore(work, claim, seen);
  // An application over a URL of ours: what is stored is still what that URL took the place of, and only the
  // application is new.
  const under = await savedBefore(work, claim, seen);
  const whole = { ...step.save, ...under, smsApplicationSid: step.save.smsApplicationSid };
  await deps.previous.save(uid, whole, ctx.signal);
  return whole;
}

/**
 * What an earlier process saved, another object handed over, or was kept for the number while nobody held it. In
 * each case the number leads to us by now. A number that does not has nothing saved, which spares a request for
 * every number that is wired for the first time.
 */
async function savedBefore(
  work: NumberWork,
  claim: ClaimRecord,
  { number }: SeenNumber,
): Promise<Webhook | undefined> {
  const { deps, ctx, object } = work;
  if (claim.configured !== undefined || !pointsAt(webhookOf(number), (url) => isOursOrWas(work, url)))
    return undefined;
  const uid = object.metadata.uid!;
  const own = await deps.previous.read(uid, ctx.signal);
  if (own !== undefined) return own;
  // A webhook from before us is now saved for this SmsNumber, so it is no longer new: its cleanup has something to delete.
  deps.newNumbers.end(uid);
  return await deps.previous.inherit(uid, claim, ctx.signal);
}

/** Adds the event that a person wants to see for an update: that it was a repair, or where the texts went before. */
function withNews({ deps, object }: NumberWork, base: Outcome, step: Extract<Plan, { do: "set" }>): Outcome {
  if (step.repairOf !== undefined) {
    const count = (object.status?.driftRepairs?.count ?? 0) + 1;
    const driftRepairs = { count, lastTime: timeText(deps.clock.now()), lastHost: step.repairOf };
    const message = `the webhook had been pointed at ${step.repairOf}; it leads to this cluster again`;
    return {
      ...base,
      status: { ...base.status, driftRepairs },
      events: [{ type: "Warning", reason: "WebhookRepaired", message }],
    };
  }
  const from = base.status?.previousWebhook as { host: string } | undefined;
  const before = step.save === undefined || from === undefined ? "" : `; before, to ${from.host}`;
  const message = `the number's webhook leads to this cluster${before}`;
  return { ...base, events: [{ type: "Normal", reason: "WebhookSet", message }] };
}

const factsOf = (work: NumberWork, url: StepFinding): NumberFacts => ({
  accepted: accepted(work),
  found: "good",
  url,
});

/**
 * Texts reach the receiver only if the stream's own URL and credentials are good as well, so its problem is also
 * the number's.
 */
function streamUrl({ deps, namespace, stream }: NumberWork): StepFinding {
  const state = deps.streams.get(`${namespace}/${stream}`);
  if (state?.problem !== undefined) return state.problem;
  if (state?.routeKey === undefined || deps.urlCheck === "off") return "good";
  const verdict = deps.checks.verdict(state.routeKey);
  if (verdict.status === "False") return { reason: verdict.reason, message: verdict.message };
  return "good";
}
