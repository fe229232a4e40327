import type { SmsNumber } from "../../api/index.ts";
import type { Reason } from "../../api/reasons.ts";
import { Failure } from "../../errors.ts";
import { timeText } from "../../kube/conditions.ts";
import type { ReconcileContext } from "../../kube/controller.ts";
import type { EventNote, Outcome, Verdict } from "../../kube/summarise.ts";
import type { CallOptions, PhoneNumber, WebhookChange } from "../../twilio/twilio.ts";
import type { Account } from "../accounts/accounts.ts";
import type { Snapshot } from "../accounts/snapshot.ts";
import type { ClaimRecord, RouteRecord } from "../records/record.ts";
import { routeKey } from "../records/record.ts";
import { urlsOf } from "../workstream/urls.ts";
import { type Refusal, refusalOf } from "./acceptance.ts";
import { type Claim, decideClaim } from "./claims.ts";
import { recentRepairs } from "./contest.ts";
import type { SmsNumberDeps } from "./deps.ts";
import { candidateOf, find, type Observed, observe } from "./observe.ts";
import { type Plan, plan } from "./plan.ts";
import { type NumberFacts, numberVerdicts, type Step } from "./verdicts.ts";
import { hostOf, ourWebhook, sameWebhook, type Webhook, webhookOf, withoutFragment } from "./webhook.ts";

/** A webhook that is about to be replaced is judged by a look no older than this; a thousand new numbers still share one. */
const FRESH_MS = 15_000;
/** How long a first verdict waits for the self-check, so that one write tells both. */
const SETTLE_MS = 3000;
/** An older object that may have a better right is waited for no longer than this after our own creation. */
const UNDECIDED_MS = 10_000;

/** One SmsNumber under work, with what is known of it so far. */
interface Work {
  deps: SmsNumberDeps;
  ctx: ReconcileContext<SmsNumber>;
  object: SmsNumber;
  namespace: string;
  namespaceUid: string;
  stream: string;
  refusal: Refusal | undefined;
}

export function smsNumberReconciler(deps: SmsNumberDeps) {
  return async function reconcile(ctx: ReconcileContext<SmsNumber>): Promise<Outcome> {
    const { object } = ctx;
    const namespace = object.metadata.namespace!;
    const stream = object.spec.workStreamRef.name;
    const namespaceUid = await deps.namespaceUid(namespace, ctx.signal);
    const refusal = refusalOf({
      number: object,
      stream: deps.workStream(namespace, stream),
      hoursExist: hoursExist(deps, object),
      inService: object.status?.messagingServiceSid !== undefined,
    });
    const work: Work = { deps, ctx, object, namespace, namespaceUid, stream, refusal };
    if (refusal?.stopsWiring === true)
      return outcome(work, { accepted: refusal, found: before(object, "NumberFound"), url: refusal });
    return await locate(work);
  };
}

/** The account, and the number in it. */
async function locate(work: Work): Promise<Outcome> {
  const { deps, object, namespace, stream } = work;
  const state = deps.streams.get(`${namespace}/${stream}`);
  // The stream's own reconciler wakes us as soon as it knows. Nothing is told by halves meanwhile: each part would be a write.
  if (state === undefined)
    return outcome(work, {
      accepted: work.refusal ?? before(object, "Accepted"),
      found: before(object, "NumberFound"),
      url: before(object, "InboundUrlReady"),
    });
  if (!state.credentials.ok || state.account === undefined || state.routeKey === undefined) {
    const why = state.credentials.ok ? (state.problem ?? ("unknown" as const)) : state.credentials;
    return outcome(work, { accepted: accepted(work), found: before(object, "NumberFound"), url: why });
  }
  const { account } = state;
  try {
    const snapshot = await look(work, account);
    const number = find(snapshot, object.spec) ?? (await boughtJustNow(work, account));
    if (number === undefined) return await notInAccount(work);
    if (!number.capabilities.sms)
      return outcome(work, { accepted: accepted(work), found: notCapable, url: notCapable });
    const route = deps.records.route(state.routeKey);
    if (route === undefined)
      return outcome(work, { accepted: accepted(work), found: "good", url: "unknown" });
    return await hold(work, account, route, snapshot, number);
  } catch (error) {
    if (error instanceof Failure && error.reason === "TwilioUnauthorized")
      deps.credentialsRefused(`${namespace}/${stream}`);
    throw error;
  }
}

/** The verdicts when a step threw: what was known stays known, and only what this reason speaks of turns. */
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

/** An older look will do for a number that is wired already: drift shows at the next resync. */
async function look({ deps, ctx, object }: Work, account: Account): Promise<Snapshot> {
  const { latest, failedResyncs } = account;
  const settled = deps.records.claimOf(object.metadata.uid!)?.configured !== undefined;
  const known = latest !== undefined && find(latest, object.spec) !== undefined;
  const now = deps.clock.now();
  // While resyncs fail the last look is no longer the present: say so, and see at once when Twilio is back.
  const since = !settled || !known ? freshSince(object, now) : failedResyncs === 0 ? 0 : now;
  return await account.since(since, callOptions(ctx));
}

/**
 * Who sets up a webhook at Twilio and then applies an object means what is there now: neither creation nor a change of the
 * spec is judged by an earlier look, or that webhook would be overwritten unseen. By whole seconds, as Kubernetes has them,
 * so that many numbers applied together share a look all the same.
 */
function freshSince({ metadata, status }: SmsNumber, now: number): number {
  const changed = status?.observedGeneration !== metadata.generation;
  const asked = changed ? Math.floor(now / 1000) * 1000 : Date.parse(metadata.creationTimestamp ?? "");
  return Math.max(now - FRESH_MS, Math.min(now, asked));
}

/** Somebody buys a number and applies it at once: it may be younger than the list. One call, and only for a user's change. */
async function boughtJustNow({ ctx, object }: Work, account: Account): Promise<PhoneNumber | undefined> {
  if (ctx.lane !== "change" || object.spec.type === "ShortCode") return undefined;
  return await account.find(object.spec.number, callOptions(ctx));
}

const notCapable = {
  reason: "NumberNotSmsCapable",
  message: "the Twilio account owns the number, but it cannot take SMS",
} as const;

/** Twilio's word that the number is not in the account ends a claim; 401, throttling and outages do not get here. */
async function notInAccount(work: Work): Promise<Outcome> {
  const { deps, object, namespaceUid, stream } = work;
  const claim = deps.records.claimOf(object.metadata.uid!);
  if (claim !== undefined) {
    deps.guard();
    await deps.records.dropClaim(claim.phoneNumberSid);
    await deps.refreshDigits(namespaceUid, stream);
    wakeOthers(work);
  }
  const why = {
    reason: "NumberNotInAccount",
    message: `the Twilio account does not own ${object.spec.number}${object.spec.type === "ShortCode" ? " as a short code" : ""}; compare it with Active Numbers in Twilio's console`,
  } as const;
  return outcome(work, { accepted: accepted(work), found: why, url: why });
}

/** Whose number it is. */
async function hold(
  work: Work,
  account: Account,
  route: RouteRecord,
  snapshot: Snapshot,
  number: PhoneNumber,
): Promise<Outcome> {
  const { deps, ctx, object, namespaceUid, stream } = work;
  const seen = observe(snapshot, number, (url) => route.urls.some(({ inbound }) => inbound === url));
  if (object.spec.managementPolicy === "Observe") {
    await letGoOfClaim(work);
    await deps.refreshDigits(namespaceUid, stream);
    return await wire(work, account, route, seen, undefined);
  }
  const claim = judgeClaim(work);
  if (claim.kind === "undecided")
    return {
      ...outcome(work, { accepted: "unknown", found: "good", url: "unknown" }, seen),
      requeueAfterMs: 500,
    };
  if (claim.kind === "numberTaken" || claim.kind === "streamTaken") {
    const why = taken[claim.kind];
    return outcome(work, { accepted: why, found: "good", url: why }, seen);
  }
  await ctx.ensureFinalizer();
  const record: ClaimRecord = {
    ...(deps.records.claim(number.sid) ?? {}),
    phoneNumberSid: number.sid,
    accountSid: route.accountSid,
    number: object.spec.number,
    namespace: work.namespace,
    namespaceUid,
    stream,
    name: object.metadata.name,
    uid: object.metadata.uid!,
  };
  deps.guard();
  await deps.records.putClaim(record);
  await deps.refreshDigits(namespaceUid, stream);
  return await wire(work, account, route, seen, record);
}

const taken = {
  numberTaken: { reason: "NumberAlreadyClaimed", message: "another SmsNumber holds this number" },
  streamTaken: {
    reason: "WorkStreamAlreadyHasNumber",
    message: "another SmsNumber holds this WorkStream, and a stream has one number",
  },
} as const;

function judgeClaim({ deps, object, namespace, stream }: Work): Claim {
  const self = candidateOf(deps, object);
  const claim = decideClaim({
    self,
    sameNumber: deps.numbersWithDigits(object.spec.number).map((other) => candidateOf(deps, other)),
    sameStream: deps.numbersOfStream(namespace, stream).map((other) => candidateOf(deps, other)),
    holderOf: (sid) => deps.records.claim(sid)?.uid,
  });
  const waitedEnough = deps.clock.now() - self.createdAtMs >= UNDECIDED_MS;
  return claim.kind === "undecided" && waitedEnough ? { kind: "free" } : claim;
}

/** Where the number's texts go, and what is to be done about it. */
async function wire(
  work: Work,
  account: Account,
  route: RouteRecord,
  seen: Observed,
  claim: ClaimRecord | undefined,
): Promise<Outcome> {
  const { deps, object, namespace, stream } = work;
  const current = deps.records.route(routeKey(route)) ?? route;
  const ours = ourWebhook(urlsOf(deps.urls, namespace, stream));
  const urlNotReady = await urlProblem(work, current);
  const step = plan({
    seen: webhookOf(seen.number),
    ours,
    isOurs: (url) => isOurs(deps, url),
    override: seen.override,
    policy: {
      manage: object.spec.managementPolicy !== "Observe",
      suspended: object.spec.suspend === true || deps.workStream(namespace, stream)?.spec.suspend === true,
      takeover: object.spec.takeover ?? "WhenUnset",
    },
    configuredUrl: claim?.configured?.url,
    configuredFallbackUrl: claim?.configured?.fallbackUrl,
    urlNotReady,
    repairs: claim?.repairs ?? [],
    contest: claim?.contest,
    generation: object.metadata.generation ?? 0,
    now: deps.clock.now(),
  });
  return await act(work, account, seen, claim, step, ours);
}

/** Any URL that this operator set, or would set, for any stream. */
export function isOurs({ urls, records }: Pick<SmsNumberDeps, "urls" | "records">, url: string): boolean {
  if (url.startsWith(`${urls.publicUrl}/inbound/`)) return true;
  return records.hasInboundUrl(url);
}

/** With URL_CHECK=enforce a number is pointed only at a URL whose newest route has passed the self-check. */
async function urlProblem(
  { deps, ctx, namespace, stream }: Work,
  route: RouteRecord,
): Promise<Exclude<Step, string> | undefined> {
  const key = routeKey(route);
  const problem = deps.streams.get(`${namespace}/${stream}`)?.problem;
  if (problem !== undefined) return problem;
  if (deps.urlCheck === "off") return undefined;
  deps.checks.want(
    key,
    { ...route, url: route.urls[0]!.inbound, checkKey: Buffer.from(route.checkKey, "base64") },
    route.generation,
  );
  if (deps.urlCheck === "report" || deps.checks.passed(key, route.generation)) return undefined;
  await deps.checks.settled(key, SETTLE_MS, ctx.signal);
  if (deps.checks.passed(key, route.generation)) return undefined;
  const verdict = deps.checks.verdict(key);
  if (verdict.status === "False") return { reason: verdict.reason, message: verdict.message };
  return { reason: "Progressing", message: "waiting until the receiver answers for this number" };
}

async function act(
  work: Work,
  account: Account,
  seen: Observed,
  claim: ClaimRecord | undefined,
  step: Plan,
  ours: Webhook,
): Promise<Outcome> {
  const { deps, ctx, object } = work;
  const facts = (url: Step): NumberFacts => ({ accepted: accepted(work), found: "good", url });
  switch (step.do) {
    case "nothing": {
      if (claim !== undefined) await noteConfigured(work, claim, ours, seen.override === undefined);
      return outcome(work, facts(streamUrl(work)), seen);
    }
    case "leave": {
      const news = step.contest !== undefined && claim?.contest === undefined;
      if (claim !== undefined && step.contest !== undefined)
        await deps.records.putClaim({ ...claim, contest: step.contest });
      const event: EventNote = { type: "Warning", reason: step.reason, message: step.message };
      const url: Step = step.reason === "Progressing" ? "unknown" : step;
      return { ...outcome(work, facts(url), seen), ...(news ? { events: [event] } : {}) };
    }
    case "set": {
      if (claim === undefined) throw new Error("a number without a claim was to be changed");
      if (step.save !== undefined) await deps.previous.save(object.metadata.uid!, step.save, ctx.signal);
      deps.guard();
      const answer = await update(account, seen.number, step.webhook, callOptions(ctx));
      account.noteUpdated(answer);
      // Those who only observe this number, or wait for it, see another webhook now.
      wakeOthers(work);
      if (!sameWebhook(webhookOf(answer), step.webhook))
        throw new Failure("TwilioRejected", "Twilio took the update but kept another webhook");
      await noteSet(work, claim, step);
      return afterSet(work, facts(streamUrl(work)), { ...seen, number: answer }, step);
    }
  }
}

/** A call to Twilio begins only with enough of the lease left to end before it. */
export function callOptions({ lane, signal, remainingLeaseMs }: ReconcileContext<SmsNumber>): CallOptions {
  return { lane, signal, remainingLeaseMs };
}

/** The one update; its answer is the read-back. */
export async function update(
  account: Account,
  number: PhoneNumber,
  webhook: Webhook,
  options: CallOptions,
): Promise<PhoneNumber> {
  const change = webhook as WebhookChange;
  return number.kind === "shortCode"
    ? await account.twilio.updateShortCode(number.sid, change, options)
    : await account.twilio.updateNumber(number.sid, change, options);
}

async function noteConfigured(work: Work, claim: ClaimRecord, ours: Webhook, byNumber: boolean) {
  const { deps } = work;
  const { contest, ...rest } = claim;
  const sinceMs = claim.configured?.sinceMs ?? deps.clock.now();
  await deps.records.putClaim({
    ...rest,
    ...(byNumber
      ? {
          ...(await previousOf(work, claim, undefined)),
          configured: { url: ours.smsUrl, fallbackUrl: ours.smsFallbackUrl, sinceMs },
        }
      : {}),
  });
}

/** Where the number's texts went before us: as just saved, or by a process that ended since, or handed over by another object. */
async function previousOf(
  { deps, ctx, object }: Work,
  claim: ClaimRecord,
  justSaved: Webhook | undefined,
): Promise<Pick<ClaimRecord, "previous">> {
  if (claim.configured !== undefined) return {};
  const saved = justSaved ?? (await deps.previous.read(object.metadata.uid!, ctx.signal));
  if (saved === undefined) return {};
  const host = saved.smsApplicationSid === "" ? hostOf(saved.smsUrl) : "a Twilio application";
  return { previous: { host, savedAtMs: deps.clock.now() } };
}

async function noteSet(work: Work, claim: ClaimRecord, step: Extract<Plan, { do: "set" }>) {
  const { deps } = work;
  const now = deps.clock.now();
  const { contest, ...rest } = claim;
  const repairs =
    step.repairOf === undefined
      ? recentRepairs(claim.repairs ?? [], now)
      : [...recentRepairs(claim.repairs ?? [], now), now];
  await deps.records.putClaim({
    ...rest,
    ...(await previousOf(work, claim, step.save)),
    configured: {
      url: step.webhook.smsUrl,
      fallbackUrl: step.webhook.smsFallbackUrl,
      sinceMs: claim.configured?.sinceMs ?? now,
    },
    ...(repairs.length === 0 ? {} : { repairs }),
  });
}

function afterSet(
  work: Work,
  facts: NumberFacts,
  seen: Observed,
  step: Extract<Plan, { do: "set" }>,
): Outcome {
  const { deps, object } = work;
  const now = timeText(deps.clock.now());
  const base = outcome(work, facts, seen);
  if (step.repairOf !== undefined) {
    deps.countDrift();
    const count = (object.status?.driftRepairs?.count ?? 0) + 1;
    return {
      ...base,
      status: { ...base.status, driftRepairs: { count, lastTime: now, lastHost: step.repairOf } },
      events: [
        {
          type: "Warning",
          reason: "WebhookRepaired",
          message: `the webhook had been pointed at ${step.repairOf}; it leads to this cluster again`,
        },
      ],
    };
  }
  const from = base.status?.previousWebhook as { host: string } | undefined;
  const before = step.save === undefined || from === undefined ? "" : `; before, to ${from.host}`;
  return {
    ...base,
    events: [
      {
        type: "Normal",
        reason: "WebhookSet",
        message: `the number's webhook leads to this cluster${before}`,
      },
    ],
  };
}

/** Texts reach the receiver only if the stream's own URL and credentials are good as well. */
function streamUrl({ deps, namespace, stream }: Work): Step {
  const state = deps.streams.get(`${namespace}/${stream}`);
  if (state?.problem !== undefined) return state.problem;
  if (state?.routeKey === undefined || deps.urlCheck === "off") return "good";
  const verdict = deps.checks.verdict(state.routeKey);
  if (verdict.status === "False") return { reason: verdict.reason, message: verdict.message };
  return "good";
}

async function letGoOfClaim(work: Work) {
  const claim = work.deps.records.claimOf(work.object.metadata.uid!);
  if (claim === undefined) return;
  await work.deps.records.dropClaim(claim.phoneNumberSid);
  wakeOthers(work);
}

/** Those who wait for the same number or the same stream. */
function wakeOthers({ deps, object, namespace, stream }: Work) {
  for (const other of [
    ...deps.numbersWithDigits(object.spec.number),
    ...deps.numbersOfStream(namespace, stream),
  ])
    if (other.metadata.uid !== object.metadata.uid)
      deps.wakeNumber(other.metadata.namespace!, other.metadata.name);
}

function hoursExist(deps: SmsNumberDeps, { metadata, spec }: SmsNumber): boolean {
  return (
    spec.operatingHoursRef === undefined ||
    deps.operatingHours(metadata.namespace!, spec.operatingHoursRef.name) !== undefined
  );
}

const accepted = ({ refusal }: Work): Step => refusal ?? "good";

/** A condition as it stands: what cannot be looked at now is not made worse. */
function before(object: SmsNumber, type: string): Step {
  const condition = object.status?.conditions?.find((each) => each.type === type);
  if (condition?.status === "True") return "good";
  return condition?.status === "False"
    ? { reason: condition.reason as never, message: condition.message }
    : "unknown";
}

function known(object: SmsNumber): NumberFacts {
  return {
    accepted: before(object, "Accepted"),
    found: before(object, "NumberFound"),
    url: before(object, "InboundUrlReady"),
  };
}

function outcome({ deps, object }: Work, facts: NumberFacts, seen?: Observed): Outcome {
  const claim = deps.records.claimOf(object.metadata.uid!);
  const status = object.status;
  return {
    verdicts: numberVerdicts(facts),
    status: {
      ...(seen === undefined
        ? {
            ...pick(status, "phoneNumberSid"),
            ...pick(status, "capabilities"),
            ...pick(status, "messagingServiceSid"),
          }
        : {
            phoneNumberSid: seen.number.sid,
            capabilities: seen.number.capabilities,
            ...(seen.messagingServiceSid === undefined
              ? {}
              : { messagingServiceSid: seen.messagingServiceSid }),
          }),
      ...(claim?.configured === undefined ? {} : { configuredUrl: withoutFragment(claim.configured.url) }),
      ...(claim?.previous === undefined
        ? pick(status, "previousWebhook")
        : { previousWebhook: { host: claim.previous.host, savedAt: timeText(claim.previous.savedAtMs) } }),
      ...pick(status, "driftRepairs"),
    },
  };
}

function pick<K extends keyof NonNullable<SmsNumber["status"]>>(status: SmsNumber["status"], key: K) {
  return status?.[key] === undefined ? {} : { [key]: status[key] };
}
