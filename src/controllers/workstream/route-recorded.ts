import type { WorkStream } from "../../api/index.ts";
import { Failure } from "../../errors.ts";
import type { ReconcileContext } from "../../kube/controller.ts";
import { routeKey } from "../../routes/route.ts";
import { signatureKey } from "../../routes/signature-states.ts";
import { urlsOf } from "../../routes/urls.ts";
import type { RouteRecord } from "../records/record.ts";
import { targetOf } from "../selfcheck/target.ts";
import type { CredentialFacts } from "./credentials-valid.ts";
import type { StreamKey, WorkStreamDeps } from "./deps.ts";
import { FORGET_ANNOTATION, forgetOf } from "./forget.ts";
import { rotate } from "./rotation.ts";
import { routeOf } from "./route.ts";
import type { StreamFacts } from "./verdicts.ts";

/** How long a first verdict waits for the self-check, so that one write tells both. */
const SETTLE_MS = 2000;

/** The route as recorded, and why its URL can be of no use whatever the receiver says. */
export interface Recorded {
  route: RouteRecord | undefined;
  problem: StreamFacts["urlProblem"];
}

/** Brings the route up to date; what was good once stays in force when the credentials no longer are. */
export async function recordRoute(
  deps: WorkStreamDeps,
  object: WorkStream,
  where: StreamKey,
  { good, onlyTokens }: CredentialFacts,
): Promise<Recorded> {
  const problem =
    deps.publicUrlProblem === undefined
      ? undefined
      : { reason: "PublicUrlInvalid" as const, message: deps.publicUrlProblem };
  if (good === undefined) {
    if (onlyTokens !== undefined) await recordTokens(deps, where, onlyTokens);
    return { route: newest(deps.records.routesOf(where.namespaceUid, where.stream)), problem };
  }
  const key = routeKey({ ...where, accountSid: good.credentials.accountSid });
  const firstAcceptedAt = await acceptedSince(deps, key, good.accepted);
  const annotation = object.metadata.annotations?.[FORGET_ANNOTATION];
  const now = deps.clock.now();
  try {
    const route = await deps.records.updateRoute(key, where, (before) => {
      const { forget, forgotten } = forgetOf(annotation, before?.forgotten);
      return routeOf({
        before,
        where,
        credentials: good.credentials,
        tokens: rotate({
          known: before?.tokens ?? [],
          accepted: good.accepted,
          firstAcceptedAt,
          forget,
          now,
        }),
        urls: urlsOf(deps.urls, where.namespace, where.stream),
        numbers: deps.digitsOf({ ...where, accountSid: good.credentials.accountSid }),
        pointedAt: deps.pointedAt,
        forgotten,
        now,
      });
    });
    return { route, problem };
  } catch (error) {
    if (!(error instanceof Failure) || error.reason !== "RouteTableFull") throw error;
    return { route: undefined, problem: { reason: error.reason, message: error.message } };
  }
}

/** Texts signed with a token that Twilio accepts are good, whatever is wrong with the rest. Only of a route that is there. */
async function recordTokens(
  deps: WorkStreamDeps,
  where: StreamKey,
  { accountSid, accepted }: NonNullable<CredentialFacts["onlyTokens"]>,
) {
  const key = routeKey({ ...where, accountSid });
  // Room for a new one is not looked for: that there is none would be told in place of what is wrong with the credentials.
  if (deps.records.route(key) === undefined) return;
  const firstAcceptedAt = await acceptedSince(deps, key, accepted);
  const now = deps.clock.now();
  await deps.records.updateRoute(
    key,
    where,
    (before) =>
      before && {
        ...before,
        tokens: rotate({ known: before.tokens, accepted, firstAcceptedAt, forget: false, now }),
      },
  );
}

/** What the receivers report is by fingerprint, never by token. */
async function acceptedSince(deps: WorkStreamDeps, key: string, tokens: readonly string[]) {
  const fingerprints = new Map<string, string>();
  for (const token of tokens) fingerprints.set(token, (await signatureKey(token)).fingerprint);
  return (token: string) => deps.evidence.firstAcceptedAt(key, fingerprints.get(token) ?? "");
}

function newest(routes: RouteRecord[]): RouteRecord | undefined {
  return routes.reduce<RouteRecord | undefined>(
    (best, route) => (best === undefined || route.generation > best.generation ? route : best),
    undefined,
  );
}

/** Has the newest route checked, and waits a moment for the first verdict. */
export async function checkRoute(
  deps: WorkStreamDeps,
  route: RouteRecord,
  { patience }: ReconcileContext<WorkStream>,
) {
  if (deps.urlCheck === "off") return;
  const key = routeKey(route);
  deps.checks.want(key, targetOf(route), route.generation);
  if (deps.checks.verdict(key).status === "Unknown") await deps.checks.settled(key, SETTLE_MS, patience);
}
