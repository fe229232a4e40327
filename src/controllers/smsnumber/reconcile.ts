import type { SmsNumber } from "../../api/index.ts";
import { Failure } from "../../errors.ts";
import type { ReconcileContext } from "../../kube/controller.ts";
import type { Outcome } from "../../kube/summarise.ts";
import { holdClaim } from "./claim.ts";
import type { SmsNumberDeps } from "./deps.ts";
import { findNumber, seeService } from "./found.ts";
import { before, known, outcome } from "./outcome.ts";
import { pointAtUs } from "./webhook.ts";
import { gather, type NumberWork } from "./work.ts";

/** An SmsNumber's life, one step for each condition: accepted, found in the account, held by this object, pointed at us. */
export function smsNumberReconciler(deps: SmsNumberDeps) {
  return async function reconcile(ctx: ReconcileContext<SmsNumber>): Promise<Outcome> {
    const work = await gather(deps, ctx);
    const { namespace, stream } = work;
    try {
      return atTheLatest(await steps(work), work.againInMs);
    } catch (error) {
      if (error instanceof Failure && error.reason === "TwilioUnauthorized")
        deps.wake.credentialsRefused(`${namespace}/${stream}`);
      throw error;
    }
  };
}

async function steps(work: NumberWork): Promise<Outcome> {
  const { deps, object, namespace } = work;
  // Nothing is said of what cannot be seen, and nothing done: the log and /readyz tell why.
  if (!deps.seen.knowsWorkStreams(namespace)) return outcome(work, known(object));
  await seeService(work);
  const { refusal } = work;
  if (refusal?.stopsWiring === true)
    return outcome(work, { accepted: refusal, found: before(object, "NumberFound"), url: refusal });
  const found = await findNumber(work);
  if ("stop" in found) return found.stop;
  const held = await holdClaim(work, found.go);
  if ("stop" in held) return held.stop;
  return await pointAtUs(work, held.go);
}

/** Look again after this long, or sooner where that was planned already. */
function atTheLatest(outcome: Outcome, ms: number | undefined): Outcome {
  if (ms === undefined) return outcome;
  return { ...outcome, requeueAfterMs: Math.min(ms, outcome.requeueAfterMs ?? ms) };
}
