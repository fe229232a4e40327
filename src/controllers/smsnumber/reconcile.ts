/**
 * One attempt at an SmsNumber, from the top. The steps stand in the order of the conditions that a user reads: the
 * spec is accepted, the number is in the account, this object holds it, its webhook is ours. Each step may end the
 * attempt, and then reports the later conditions with the same reason, so that a reader finds the first cause in
 * any of them.
 *
 * Every attempt starts from what Twilio and the records say now; nothing is carried over from the last one. So a
 * process that dies at any point is followed by one that simply does the same steps again.
 */

import type { SmsNumber } from "../../api/index.ts";
import { Failure } from "../../errors.ts";
import type { ReconcileContext } from "../../kube/controller/controller.ts";
import type { Outcome } from "../../kube/status/summarise.ts";
import { holdClaim } from "./claim.ts";
import type { SmsNumberDeps } from "./deps.ts";
import { findNumber, seeService } from "./found.ts";
import { before, known, outcome } from "./outcome.ts";
import { pointAtUs } from "./webhook.ts";
import { gather, type NumberWork } from "./work.ts";

/**
 * Returns the reconcile function of SmsNumbers. Its result holds every condition; a step that cannot finish throws
 * a `Failure`.
 */
export function smsNumberReconciler(deps: SmsNumberDeps) {
  return async function reconcile(ctx: ReconcileContext<SmsNumber>): Promise<Outcome> {
    const work = await gather(deps, ctx);
    const { namespace, stream } = work;
    try {
      return atTheLatest(await steps(work), work.againInMs);
    } catch (error) {
      // A refusal in any call is news about the whole stream: its WorkStream must turn CredentialsValid, and every
      // other number of it would meet the same refusal.
      if (error instanceof Failure && error.reason === "TwilioUnauthorized")
        deps.wake.credentialsRefused(`${namespace}/${stream}`);
      throw error;
    }
  };
}

async function steps(work: NumberWork): Promise<Outcome> {
  const { deps, object, namespace } = work;
  // WorkStreams of this namespace cannot be listed, for want of a right or during a restart. Report the last
  // conditions unchanged: "not found" would be a guess, and Argo CD would turn the application degraded for it. The
  // log and /readyz name the cause.
  if (!deps.seen.knowsWorkStreams(namespace)) return outcome(work, known(object));
  await seeService(work);
  const { refusal } = work;
  // Without its WorkStream a text has no route, and a short code without replies breaks the carriers' rules. Other
  // refusals are reported with `Accepted`, and the number is wired all the same.
  if (refusal?.stopsWiring === true)
    return outcome(work, { accepted: refusal, found: before(object, "NumberFound"), url: refusal });
  const found = await findNumber(work);
  if ("stop" in found) return found.stop;
  const held = await holdClaim(work, found.go);
  if ("stop" in held) return held.stop;
  return await pointAtUs(work, held.go);
}

/** The outcome, with the object looked at again after `ms` at the latest. */
function atTheLatest(outcome: Outcome, ms: number | undefined): Outcome {
  if (ms === undefined) return outcome;
  return { ...outcome, requeueAfterMs: Math.min(ms, outcome.requeueAfterMs ?? ms) };
}
