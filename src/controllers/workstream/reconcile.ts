/**
 * One attempt at a WorkStream, from the top: are its credentials good, what does its route look like, does the
 * receiver answer for it. Credentials that were good once keep their route when they no longer are: texts keep
 * arriving while a person mends the Secret.
 */

import type { WorkStream } from "../../api/index.ts";
import { Failure } from "../../errors.ts";
import type { ReconcileContext } from "../../kube/controller/controller.ts";
import type { Outcome } from "../../kube/status/summarise.ts";
import { routeKey } from "../../routes/route.ts";
import { type CredentialFacts, judgeCredentials } from "./credentials-valid.ts";
import type { StreamKey, WorkStreamDeps } from "./deps.ts";
import { outcome } from "./outcome.ts";
import { checkRoute, type Recorded, recordRoute } from "./route-recorded.ts";

/** How long the first outcome waits for the rules to be judged, so that one status write tells both. */
const FIRST_VERDICT_MS = 2000;

/**
 * Returns the reconcile function of WorkStreams. Its result holds every condition; it throws a `Failure` when
 * nothing could be judged.
 */
export function workStreamReconciler(deps: WorkStreamDeps) {
  return async function reconcile(ctx: ReconcileContext<WorkStream>): Promise<Outcome> {
    const { object, signal } = ctx;
    const namespace = object.metadata.namespace!;
    const namespaceUid = await deps.namespaceUid(namespace, signal);
    const where: StreamKey = { namespace, namespaceUid, stream: object.metadata.name };

    // Judged in a thread of their own (ADR 22) while the credentials are asked about.
    deps.routing.want(object);
    const found = await judge(deps, ctx, where);
    const recorded = await recordRoute(deps, object, where, found);
    // This comes before the self-check, which takes a while: the stream's numbers can look for themselves in the account meanwhile.
    const secretChanged = publish(deps, where, found, recorded);
    if (recorded.route !== undefined && recorded.problem === undefined)
      await checkRoute(deps, recorded.route, ctx);
    await deps.routing.judged(object, FIRST_VERDICT_MS, signal);
    return outcome(deps, object, where, found, recorded, secretChanged);
  };
}

/**
 * Judges the credentials. Where Twilio does not answer, the stream's numbers are told that they cannot be known
 * either.
 */
async function judge(
  deps: WorkStreamDeps,
  ctx: ReconcileContext<WorkStream>,
  where: StreamKey,
): Promise<CredentialFacts> {
  try {
    return await judgeCredentials(deps, ctx, where);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const key = `${where.namespace}/${where.stream}`;
    deps.streams.failed(key, error);
    if (ctx.cause === "resync" && deps.streams.get(key) === undefined) deps.resyncFailed(key);
    throw error;
  }
}

/** Tells the stream's numbers what they need to know. True when its credentials are others than before. */
function publish(
  deps: WorkStreamDeps,
  { namespace, stream }: StreamKey,
  { facts, good }: CredentialFacts,
  { route, problem }: Recorded,
): boolean {
  const key = `${namespace}/${stream}`;
  const before = deps.streams.get(key)?.fingerprint;
  if (good === undefined) deps.accounts.stopUsing(key);
  const fingerprint = good === undefined ? before : deps.accounts.fingerprintOf(good.credentials);
  deps.streams.set(key, {
    routeKey: route === undefined ? undefined : routeKey(route),
    account: good === undefined ? undefined : deps.accounts.use(key, good.credentials),
    problem,
    credentials: facts,
    fingerprint,
  });
  return before !== undefined && before !== fingerprint;
}
