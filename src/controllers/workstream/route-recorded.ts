/**
 * The step that records a WorkStream's route: the tokens that verify its texts, the URLs that receive them, and the
 * numbers that they may be sent to. The Secrets of the receivers are compiled from this record.
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

/**
 * How long the first outcome waits for the self-check, so that one status write reports the route and the check
 * together.
 */
const FIRST_VERDICT_MS = 2000;

/** The route as recorded, and why its URL cannot work, whatever the self-check says. */
export interface Recorded {
  route: RouteRecord | undefined;
  problem: StreamFacts["urlProblem"];
}

/**
 * Brings the route up to date, and resolves when the change is durable. Without good credentials the recorded route
 * stays in force: a wrong edit of a Secret must not stop texts that Twilio signs with the right token.
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
    return { route: deps.records.newestRouteOf(where.namespaceUid, where.stream), problem };
  }
  const key = routeKey({ ...where, accountSid: good.credentials.accountSid });
  const firstAcceptedAt = await acceptedSince(deps, key, good.accepted);
  const annotation = object.metadata.annotations?.[FORGET_ANNOTATION];
  const now = deps.clock.now();
  try {
    // Everything is decided inside the callback, from the record as it is at that moment, because other attempts
    // change other parts of the record.
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
    // A full route table is reported as a problem of the URL and not as a failure: the credentials are good, and
    // the WorkStream waits until there is room for its route.
    if (!(error instanceof Failure) || error.reason !== "RouteTableFull") throw error;
    return { route: undefined, problem: { reason: error.reason, message: error.message } };
  }
}

/**
 * Records the accepted tokens when Twilio refuses the API key. Texts signed with an accepted token are valid,
 * whatever is wrong with the API key.
 */
async function recordTokens(
  deps: WorkStreamDeps,
  where: StreamKey,
  { accountSid, accepted }: NonNullable<CredentialFacts["onlyTokens"]>,
) {
  const key = routeKey({ ...where, accountSid });
  // Only an existing route gets the tokens. For a new route the table might be full, and a report of that would
  // hide what is wrong with the credentials.
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

/**
 * Looks up when a receiver first accepted a text that was signed with each token. Receivers report fingerprints,
 * never tokens.
 */
async function acceptedSince(deps: WorkStreamDeps, key: string, tokens: readonly string[]) {
  const fingerprints = new Map<string, string>();
  for (const token of tokens) fingerprints.set(token, (await signatureKey(token)).fingerprint);
  return (token: string) => deps.evidence.firstAcceptedAt(key, fingerprints.get(token) ?? "");
}

/** Starts a self-check of the route's newest generation, and waits a moment for its first verdict. */
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
