/**
 * One attempt at an SmsNumber. The steps run in the order of the conditions that a user reads: the spec is
 * accepted, the number is in the account, this SmsNumber holds the number, and the webhook leads to this operator.
 * A step that ends the attempt reports the later conditions with the same reason as its own, so that each of them
 * shows the first cause.
 *
 * Every attempt starts from what Twilio and the records say now, and keeps nothing from the attempt before. So when
 * a process dies at any point, the next process repeats the steps.
 */

import type { SmsNumber } from "../../api/index.ts";
import { Failure } from "../../errors.ts";
import type { ReconcileContext } from "../../kube/controller/controller.ts";
import type { Outcome } from "../../kube/status/summarise.ts";
import { gather, type NumberAttempt } from "./attempt.ts";
import { holdClaim } from "./claim.ts";
import type { SmsNumberDeps } from "./deps.ts";
import { findNumber, seeService } from "./found.ts";
import { before, known, outcome } from "./outcome.ts";
import { pointAtUs } from "./webhook.ts";

/**
 * Returns the reconcile function of SmsNumbers. Its result holds every condition. If a step cannot finish, the
 * function throws a `Failure`.
 */
export function smsNumberReconciler(deps: SmsNumberDeps) {
  return async function reconcile(ctx: ReconcileContext<SmsNumber>): Promise<Outcome> {
    const attempt = await gather(deps, ctx);
    const { namespace, stream } = attempt;
    try {
      return atTheLatest(await steps(attempt), attempt.againInMs);
    } catch (error) {
      // When Twilio refuses the credentials in any call, the whole WorkStream is affected: its CredentialsValid
      // must turn False, and each of its other numbers would meet the same refusal.
      if (error instanceof Failure && error.reason === "TwilioUnauthorized")
        deps.wake.credentialsRefused(`${namespace}/${stream}`);
      throw error;
    }
  };
}

async function steps(attempt: NumberAttempt): Promise<Outcome> {
  const { deps, object, namespace } = attempt;
  // While the WorkStreams of this namespace cannot be listed (a permission is missing, or the process has just
  // started), report the last conditions unchanged: "not found" would be a guess, and Argo CD would show the
  // application as degraded because of it. The log and /readyz name the cause.
  if (!deps.seen.knowsWorkStreams(namespace)) return outcome(attempt, known(object));
  await seeService(attempt);
  const { refusal } = attempt;
  // Without a WorkStream a text has no route, and a short code without the required replies breaks the carriers'
  // rules, so in these two cases no webhook is set. Other refusals are reported in the condition `Accepted`, and
  // the webhook is set all the same.
  if (refusal?.stopsWiring === true)
    return outcome(attempt, { accepted: refusal, found: before(object, "NumberFound"), url: refusal });
  const found = await findNumber(attempt);
  if ("stop" in found) return found.stop;
  const held = await holdClaim(attempt, found.go);
  if ("stop" in held) return held.stop;
  return await pointAtUs(attempt, held.go);
}

/** The outcome, with the next attempt due after `ms` at the latest. */
function atTheLatest(outcome: Outcome, ms: number | undefined): Outcome {
  if (ms === undefined) return outcome;
  return { ...outcome, requeueAfterMs: Math.min(ms, outcome.requeueAfterMs ?? ms) };
}
