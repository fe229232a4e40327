import type { SmsNumber } from "../../api/index.ts";
import { Failure } from "../../errors.ts";
import type { ReconcileContext } from "../../kube/controller.ts";
import type { Outcome } from "../../kube/summarise.ts";
import { holdClaim } from "./claim-held.ts";
import type { SmsNumberDeps } from "./deps.ts";
import { pointAtUs } from "./inbound-url.ts";
import { findNumber } from "./number-found.ts";
import { before, known, outcome } from "./outcome.ts";
import { gather } from "./work.ts";

/** An SmsNumber's life, one step for each condition: accepted, found in the account, held by this object, pointed at us. */
export function smsNumberReconciler(deps: SmsNumberDeps) {
  return async function reconcile(ctx: ReconcileContext<SmsNumber>): Promise<Outcome> {
    const work = await gather(deps, ctx);
    const { object, refusal, namespace, stream } = work;
    // Nothing is said of what cannot be seen, and nothing done: the log and /readyz tell why.
    if (!deps.knowsWorkStreams(namespace)) return outcome(work, known(object));
    if (refusal?.stopsWiring === true)
      return outcome(work, { accepted: refusal, found: before(object, "NumberFound"), url: refusal });
    try {
      const found = await findNumber(work);
      if ("stop" in found) return found.stop;
      const held = await holdClaim(work, found.go);
      if ("stop" in held) return held.stop;
      return await pointAtUs(work, held.go);
    } catch (error) {
      if (error instanceof Failure && error.reason === "TwilioUnauthorized")
        deps.credentialsRefused(`${namespace}/${stream}`);
      throw error;
    }
  };
}
