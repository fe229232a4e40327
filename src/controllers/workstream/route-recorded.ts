/**
 * The step that records a stream's route: the tokens that verify its texts, the URLs that they come to, the numbers
 * that they may be for. From the record the receivers' Secrets are compiled.
 */

import type { WorkStream } from "../../api/index.ts";
import { Failure } from "../../errors.ts";
import type { ReconcileContext } from "../../kube/controller/controller.ts";
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

/** How long the first outcome waits for the self-check, so that one status write tells both. */
const FIRST_VERDICT_MS = 2000;

/** The route as recorded, and why its URL can be of no use whatever the receiver says. */
export interface Recorded {
  route: RouteRecord | undefined;
  problem: StreamFacts["urlProblem"];
}

/**
 * Brings the route up to date; resolves when that is durable. Without good credentials what was recorded stays in
 * force: a wrong edit of a Secret must not stop texts that are signed with the token at Twilio.
 */
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
    // All of it is decided inside the callback, from the record as it is at that moment: other attempts change
    // other parts of it.
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
    // Told as the URL's problem, not as a failure: the credentials are good, and the stream waits for room.
    if (!(error instanceof Failure) || error.reason !== "RouteTableFull") throw error;
    return { route: undefined, problem: { reason: error.reason, message: error.message } };
  }
}

/**
 * Twilio refused the API key but accepts a token. Texts signed with that are good, whatever is wrong with the key,
 * so the route gets it.
 */
async function recordTokens(
  deps: WorkStreamDeps,
  where: StreamKey,
  { accountSid, accepted }: NonNullable<CredentialFacts["onlyTokens"]>,
) {
  const key = routeKey({ ...where, accountSid });
  // Only into a route that exists. For a new one there might be no room, and that would be told in place of what is
  // wrong with the credentials.
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

/** When each token was first seen to sign a text. Receivers report fingerprints, never tokens. */
async function acceptedSince(deps: WorkStreamDeps, key: string, tokens: readonly string[]) {
  const fingerprints = new Map<string, string>();
  for (const token of tokens) fingerprints.set(token, (await signatureKey(token)).fingerprint);
  return (token: string) => deps.evidence.firstAcceptedAt(key, fingerprints.get(token) ?? "");
}

/** A stream whose account changed has several routes; the one that was changed last counts. */
function newest(routes: RouteRecord[]): RouteRecord | undefined {
  return routes.reduce<RouteRecord | undefined>(
    (best, route) => (best === undefined || route.generation > best.generation ? route : best),
    undefined,
  );
}

/** Has the newest generation of the route checked, and waits a moment for its first verdict. */
export async function checkRoute(
  deps: WorkStreamDeps,
  route: RouteRecord,
  { patience }: ReconcileContext<WorkStream>,
) {
  if (deps.urlCheck === "off") return;
  const key = routeKey(route);
  deps.checks.want(key, targetOf(route), route.generation);
  if (deps.checks.verdict(key).status === "Unknown")
    await deps.checks.firstVerdict(key, FIRST_VERDICT_MS, patience);
}
