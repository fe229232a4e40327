import { type SmsNumber, smsNumbers } from "../../api/index.ts";
import { type ControlledKind, Controller, type ControllerRuntime } from "../../kube/controller/controller.ts";
import { ownNumberStatus } from "../owned-status.ts";
import { Endings } from "./cleanup/endings.ts";
import { smsNumberFinalizer } from "./cleanup/finalize.ts";
import { urgentInMs } from "./cleanup/patience.ts";
import type { SmsNumberDeps } from "./deps.ts";
import { failedVerdicts, firstSight, numberVerdicts } from "./outcome.ts";
import { smsNumberReconciler } from "./reconcile.ts";

/** Public: users see it on their objects, and docs tell how to take it off by hand. */
export const FINALIZER = "smschannel.dev/webhook";

/** Where the objects come from, what the steps work with, and who hears that an object is gone. */
export interface SmsNumberControllerOptions
  extends Pick<ControlledKind<SmsNumber>, "informer" | "queue">,
    Required<Pick<ControlledKind<SmsNumber>, "onGone">> {
  deps: SmsNumberDeps;
}

/**
 * The controller of SmsNumbers. They have no resync of their own: the resync of their account wakes them, so that a
 * thousand numbers of one account cost one list at Twilio.
 */
export function smsNumberController(
  { informer, queue, deps, onGone }: SmsNumberControllerOptions,
  runtime: ControllerRuntime,
): Controller<SmsNumber> {
  const reconcile = smsNumberReconciler(deps);
  const endings = new Endings();
  return new Controller<SmsNumber>(
    {
      type: smsNumbers,
      informer,
      queue,
      finalizer: FINALIZER,
      // A deletion whose time is nearly over jumps the queue: it may wait for DELETE_TIMEOUT, not for
      // DELETE_TIMEOUT and a queue.
      urgentInMs: (number) => urgentInMs(number, () => deps.seen.deletionLeftMs(number)),
      ownStatus: ownNumberStatus,
      firstSight: () => ({ verdicts: numberVerdicts(firstSight) }),
      async reconcile(ctx) {
        // Without the records nobody knows who holds what. `patience` ends this wait when the object is deleted;
        // the finalizer has its own.
        await deps.recordsLoaded(ctx.patience);
        return await reconcile(ctx);
      },
      finalize: smsNumberFinalizer(deps, endings),
      onFailure: failedVerdicts,
      onGone(object) {
        // Only now: until the object is really gone an attempt may have to tell the same endings again.
        endings.forget(object.metadata.uid!);
        onGone(object);
      },
    },
    runtime,
  );
}
