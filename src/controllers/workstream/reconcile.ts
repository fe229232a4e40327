/**
 * One attempt at a WorkStream: are its credentials good, what does its route look like, and does the receiver
 * answer for it? Credentials that were good once keep their route when they are no longer good, so that texts keep
 * arriving while a person repairs the Secret.
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

/**
 * How long the first outcome waits for the verdict on the routing rules, so that one status write reports
 * everything together.
 */
const FIRST_VERDICT_MS = 2000;

/**
 * Returns the reconcile function of WorkStreams. Its result holds every condition. If nothing could be judged, the
 * function throws a `Failure`.
 */
export function workStreamReconciler(deps: WorkStreamDeps) {
  return async function reconcile(ctx: ReconcileContext<WorkStream>): Promise<Outcome> {
    const { object, signal } = ctx;
    const namespace = object.metadata.namespace!;
    const namespaceUid = await deps.namespaceUid(namespace, signal);
    const where: StreamKey = { namespace, namespaceUid, stream: object.metadata.name };

    // The routing rules are judged in a thread of their own (ADR 22) while the credentials are checked.
    deps.routing.want(object);
    const found = await judge(deps, ctx, where);
    const recorded = await recordRoute(deps, object, where, found);
    // Publish the findings before the self-check, which takes a while: meanwhile the SmsNumbers can already look
    // up their numbers in the account.
    const secretChanged = publish(deps, where, found, recorded);
    if (recorded.route !== undefined && recorded.problem === undefined)
      await checkRoute(deps, recorded.route, ctx);
    await deps.routing.judged(object, FIRST_VERDICT_MS, signal);
    return outcome(deps, object, where, { found, recorded, secretChanged });
  };
}

/**
 * Judges the credentials. If Twilio does not answer, the WorkStream's numbers are informed that nothing can be
 * known about them either.
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

/** Publishes what the WorkStream's numbers need to know. Returns true when the credentials have changed. */
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
