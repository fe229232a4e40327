import type { WorkStream } from "../../api/index.ts";
import type { Reason } from "../../api/reasons.ts";
import type { Clock } from "../../clock.ts";
import { Failure } from "../../errors.ts";
import { conditionOf } from "../../kube/conditions.ts";
import type { ReconcileContext } from "../../kube/controller.ts";
import type { EventNote, Outcome, Verdict } from "../../kube/summarise.ts";
import { signatureKey } from "../../routes/signature-states.ts";
import { type Credentials, parseCredentials } from "../../twilio/credentials.ts";
import type { Accounts } from "../accounts/accounts.ts";
import type { Activity } from "../activity.ts";
import type { RouteRecord } from "../records/record.ts";
import { routeKey } from "../records/record.ts";
import type { Records } from "../records/records.ts";
import type { Checks } from "../selfcheck/checks.ts";
import type { CredentialChecks } from "./credential-checks.ts";
import { nextTokenEnd, rotate } from "./rotation.ts";
import { nextUrlEnd, routeOf } from "./route.ts";
import type { SecretReader } from "./secret-reader.ts";
import type { Streams } from "./streams.ts";
import { type PublicUrls, urlsOf } from "./urls.ts";
import { readyVerdict, routingVerdict, type StreamFacts, streamVerdicts, verdict } from "./verdicts.ts";

/** Set on a WorkStream, with any value, it ends former tokens at once; each value acts one time. */
export const FORGET_ANNOTATION = "smschannel.dev/forget-previous-token";

/** How long a first verdict waits for the self-check, so that one write tells both. */
const SETTLE_MS = 2000;

export interface WorkStreamDeps {
  clock: Clock;
  records: Records;
  accounts: Accounts;
  checks: Checks;
  credentialChecks: CredentialChecks;
  streams: Streams;
  secrets: SecretReader;
  activity: Activity;
  urls: PublicUrls;
  /** Why PUBLIC_URL is of no use to Twilio; undefined when it is fine. */
  publicUrlProblem: string | undefined;
  urlCheck: "enforce" | "report" | "off";
  namespaceUid(namespace: string, signal: AbortSignal): Promise<string>;
  /** The stream's number as its own status tells it. */
  numberOf(namespace: string, stream: string): StreamFacts["number"];
  /** Digits whose texts belong to this route. */
  digitsOf(route: Pick<RouteRecord, "namespace" | "namespaceUid" | "stream" | "accountSid">): string[];
  /** Does a number that we configured point at this inbound URL? */
  pointedAt(inbound: string): boolean;
}

interface CredentialFacts {
  facts: NonNullable<StreamFacts["credentials"]>;
  /** Present when they are good. */
  good: { credentials: Credentials; accepted: string[] } | undefined;
  /** Twilio could not be asked; nothing is known that was not known before. */
  unobserved: Failure | undefined;
}

export function workStreamReconciler(deps: WorkStreamDeps) {
  const lastFingerprint = new Map<string, string>();

  return async function reconcile(ctx: ReconcileContext<WorkStream>): Promise<Outcome> {
    const { object, signal } = ctx;
    const namespace = object.metadata.namespace!;
    const name = object.metadata.name;
    const key = `${namespace}/${name}`;
    const namespaceUid = await deps.namespaceUid(namespace, signal);
    const where = { namespace, namespaceUid, stream: name };

    const found = await credentialsOf(deps, ctx, where);
    const { route, problem } = await compile(deps, object, where, found);
    publish(deps, key, found, route, problem);
    if (route !== undefined && problem === undefined) await check(deps, route, ctx);

    const facts: StreamFacts = {
      credentials: found.facts,
      urlProblem: problem,
      url:
        route === undefined
          ? undefined
          : deps.urlCheck === "off"
            ? "off"
            : deps.checks.verdict(routeKey(route)),
      number: deps.numberOf(namespace, name),
      rules: object.spec.routingRules ?? [],
    };
    const verdicts = streamVerdicts(facts);
    const fingerprint =
      found.good === undefined ? undefined : deps.accounts.fingerprintOf(found.good.credentials);
    const secretChanged =
      fingerprint !== undefined && lastFingerprint.has(key) && lastFingerprint.get(key) !== fingerprint;
    if (fingerprint !== undefined) lastFingerprint.set(key, fingerprint);
    return {
      verdicts,
      events: routingEvents(object, verdicts),
      status: {
        ...streamUrls(deps.urls, namespace, name),
        ...(found.good === undefined ? {} : { accountSid: found.good.credentials.accountSid }),
        lastValidation: validation(object, found, secretChanged, deps.clock.now()),
        ...(facts.number === undefined ? {} : { numberRef: { name: facts.number.name } }),
        appliedGeneration: appliedGeneration(deps, object, route),
      },
      ...(found.unobserved === undefined
        ? {}
        : { unobserved: streamVerdicts({ ...facts, credentials: asFailure(found.unobserved) }) }),
      ...wake(route, deps.clock.now()),
    };
  };
}

/** Both URLs are in status at first sight, before any check: a person can prepare DNS and ingress with them. */
export function streamUrls(urls: PublicUrls, namespace: string, name: string) {
  const { inbound, fallback } = urlsOf(urls, namespace, name);
  return { inboundUrl: inbound, fallbackUrl: fallback };
}

async function credentialsOf(
  deps: WorkStreamDeps,
  { object, lane, signal }: ReconcileContext<WorkStream>,
  where: { namespace: string; namespaceUid: string; stream: string },
): Promise<CredentialFacts> {
  const { credentialsSecretRef, region, edge } = object.spec.sms.twilio;
  try {
    const data = await deps.secrets.read(
      { namespace: where.namespace, name: credentialsSecretRef.name },
      signal,
    );
    const credentials = parseCredentials(data, {
      ...(region === undefined ? {} : { region }),
      ...(edge === undefined ? {} : { edge }),
    });
    return await judge(deps, credentials, where, { lane, signal });
  } catch (error) {
    if (!(error instanceof Failure) || error.class === "transient") throw error;
    return { facts: asFailure(error), good: undefined, unobserved: undefined };
  }
}

async function judge(
  deps: WorkStreamDeps,
  credentials: Credentials,
  where: { namespaceUid: string; stream: string },
  options: { lane: "change" | "resync"; signal: AbortSignal },
): Promise<CredentialFacts> {
  try {
    const answer = await deps.credentialChecks.check(credentials, {
      ...options,
      again: options.lane === "resync",
    });
    const accepted = [
      ...(answer.authToken === "accepted" ? [credentials.authToken] : []),
      ...(answer.secondaryAuthToken === "accepted" && credentials.secondaryAuthToken !== undefined
        ? [credentials.secondaryAuthToken]
        : []),
    ];
    return {
      facts: { ok: true, promoted: answer.promoted },
      good: { credentials, accepted },
      unobserved: undefined,
    };
  } catch (error) {
    const recorded = deps.records.route(routeKey({ ...where, accountSid: credentials.accountSid }));
    const transient = error instanceof Failure && error.class === "transient";
    // The very credentials that Twilio accepted before: an outage takes nothing away from them.
    if (
      !transient ||
      recorded === undefined ||
      JSON.stringify(recorded.credentials) !== JSON.stringify(credentials)
    )
      throw error;
    const current = recorded.tokens
      .filter(({ retiredAtMs }) => retiredAtMs === undefined)
      .map(({ token }) => token);
    return {
      facts: { ok: true, promoted: false },
      good: { credentials, accepted: current },
      unobserved: error,
    };
  }
}

/** Brings the route up to date; what was good once stays in force when the credentials no longer are. */
async function compile(
  deps: WorkStreamDeps,
  object: WorkStream,
  where: { namespace: string; namespaceUid: string; stream: string },
  { good }: CredentialFacts,
): Promise<{ route: RouteRecord | undefined; problem: StreamFacts["urlProblem"] }> {
  const problem =
    deps.publicUrlProblem === undefined
      ? undefined
      : { reason: "PublicUrlInvalid" as const, message: deps.publicUrlProblem };
  if (good === undefined)
    return { route: newest(deps.records.routesOf(where.namespaceUid, where.stream)), problem };
  const key = routeKey({ ...where, accountSid: good.credentials.accountSid });
  const firstAcceptedAt = await acceptedSince(deps, key, good.accepted);
  const forgotten = object.metadata.annotations?.[FORGET_ANNOTATION];
  const now = deps.clock.now();
  try {
    const route = await deps.records.updateRoute(key, where, (before) =>
      routeOf({
        before,
        where,
        credentials: good.credentials,
        tokens: rotate({
          known: before?.tokens ?? [],
          accepted: good.accepted,
          firstAcceptedAt,
          forget: forgotten !== undefined && forgotten !== before?.forgotten,
          now,
        }),
        urls: urlsOf(deps.urls, where.namespace, where.stream),
        numbers: deps.digitsOf({ ...where, accountSid: good.credentials.accountSid }),
        pointedAt: deps.pointedAt,
        forgotten: forgotten ?? before?.forgotten,
        now,
      }),
    );
    return { route, problem };
  } catch (error) {
    if (!(error instanceof Failure) || error.reason !== "RouteTableFull") throw error;
    return { route: undefined, problem: { reason: error.reason, message: error.message } };
  }
}

/** What the receivers report is by fingerprint, never by token. */
async function acceptedSince(deps: WorkStreamDeps, key: string, tokens: string[]) {
  const fingerprints = new Map<string, string>();
  for (const token of tokens) fingerprints.set(token, (await signatureKey(token)).fingerprint);
  return (token: string) => deps.activity.firstAcceptedAt(key, fingerprints.get(token) ?? "");
}

function publish(
  deps: WorkStreamDeps,
  key: string,
  { facts, good }: CredentialFacts,
  route: RouteRecord | undefined,
  problem: StreamFacts["urlProblem"],
) {
  if (good === undefined) deps.accounts.release(key);
  deps.streams.set(key, {
    routeKey: route === undefined ? undefined : routeKey(route),
    account: good === undefined ? undefined : deps.accounts.use(key, good.credentials),
    problem,
    credentials: facts,
  });
}

async function check(deps: WorkStreamDeps, route: RouteRecord, { signal }: ReconcileContext<WorkStream>) {
  if (deps.urlCheck === "off") return;
  const key = routeKey(route);
  const url = route.urls[0]!.inbound;
  deps.checks.want(key, { ...route, url, checkKey: Buffer.from(route.checkKey, "base64") }, route.generation);
  if (deps.checks.verdict(key).status === "Unknown") await deps.checks.settled(key, SETTLE_MS, signal);
}

/** The verdicts when a step threw: the credentials could not be judged, the rest stands as it was. */
export function failedVerdicts(
  object: WorkStream,
  { reason, message }: { reason: string; message: string },
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
  return [
    credentials,
    url,
    keep("NumberReady"),
    routingVerdict(object.spec.routingRules ?? []),
    readyVerdict([credentials, url]),
  ];
}

/** Ready says nothing of rules, so nobody would hear of one that is skipped: an event for each new thing that is wrong. */
function routingEvents(object: WorkStream, verdicts: readonly Verdict[]): EventNote[] {
  const routing = verdicts.find(({ type }) => type === "RoutingReady");
  if (routing?.status !== "False") return [];
  const { reason, message } = routing;
  return conditionOf(object.status, "RoutingReady")?.message === message
    ? []
    : [{ type: "Warning", reason, message }];
}

function asFailure({ reason, message }: Failure) {
  return { ok: false as const, reason, message };
}

function newest(routes: RouteRecord[]): RouteRecord | undefined {
  return routes.reduce<RouteRecord | undefined>(
    (best, route) => (best === undefined || route.generation > best.generation ? route : best),
    undefined,
  );
}

/** `time` moves only with the result or the Secret, so that an unchanged stream is never written. */
function validation(object: WorkStream, { facts }: CredentialFacts, secretChanged: boolean, now: number) {
  const before = object.status?.lastValidation;
  const result = facts.ok ? (facts.promoted ? "TokenPromoted" : "CredentialsValid") : facts.reason;
  const message = facts.ok ? "Twilio accepted the credentials" : facts.message;
  if (before !== undefined && before.result === result && before.message === message && !secretChanged)
    return before;
  return { time: new Date(now).toISOString().replace(/\.\d+Z$/, "Z"), result, message };
}

function appliedGeneration(deps: WorkStreamDeps, object: WorkStream, route: RouteRecord | undefined) {
  const generation = object.metadata.generation ?? 0;
  const proven = route !== undefined && deps.checks.passed(routeKey(route), route.generation);
  const receiver = proven ? generation : object.status?.appliedGeneration?.receiver;
  return { controller: generation, ...(receiver === undefined ? {} : { receiver }) };
}

/** Tokens and URLs that end by themselves: be there then. */
function wake(route: RouteRecord | undefined, now: number): { requeueAfterMs?: number } {
  const ends =
    route === undefined
      ? []
      : [nextTokenEnd(route.tokens), nextUrlEnd(route.urls)].filter((at) => at !== undefined);
  return ends.length === 0 ? {} : { requeueAfterMs: Math.max(1000, Math.min(...ends) - now + 1000) };
}
