import { type SmsNumber, smsNumbers } from "../../api/index.ts";
import { type ControlledKind, Controller, type ControllerRuntime } from "../../kube/controller/controller.ts";
import { ownNumberStatus } from "../owned-status.ts";
import { Endings } from "./cleanup/endings.ts";
import { smsNumberFinalizer } from "./cleanup/finalize.ts";
import { urgentInMs } from "./cleanup/patience.ts";
import type { SmsNumberDeps } from "./deps.ts";
import { failedVerdicts, firstSight, numberVerdicts } from "./outcome.ts";
import { smsNumberReconciler } from "./reconcile.ts";

/**
 * The finalizer of SmsNumbers. Its name is public: users see it on their objects, and the docs say how to remove it
 * by hand.
 */
export const FINALIZER = "smschannel.dev/webhook";

/**
 * The options of the SmsNumber controller: the source of its objects, the dependencies of its steps, and a callback
 * for objects that are gone.
 */
export interface SmsNumberControllerOptions
  extends Pick<ControlledKind<SmsNumber>, "informer" | "queue">,
    Required<Pick<ControlledKind<SmsNumber>, "onGone">> {
  deps: SmsNumberDeps;
}

/**
 * The controller of SmsNumbers. SmsNumbers have no resync of their own: the resync of their Twilio account wakes
 * them, so that a thousand numbers of one account cost one list at Twilio.
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
      // A deletion whose time is over goes to the head of the queue, so that it waits for DELETE_TIMEOUT in all, and
      // not for DELETE_TIMEOUT plus the time in the queue.
      urgentInMs: (number) => urgentInMs(number, () => deps.seen.deletionLeftMs(number)),
      ownStatus: ownNumberStatus,
      firstSight: () => ({ verdicts: numberVerdicts(firstSight) }),
      async reconcile(ctx) {
        // Without the records it is not known which SmsNumber holds which number. `patience` ends this wait when
        // the object is deleted; the finalizer has its own wait.
        await deps.recordsLoaded(ctx.patience);
        return await reconcile(ctx);
      },
      finalize: smsNumberFinalizer(deps, endings),
      onFailure: failedVerdicts,
      onGone(object) {
        // How the deletion ended is remembered until the object is really gone, because an attempt may have to report
        // the same ending again.
        endings.forget(object.metadata.uid!);
        onGone(object);
      },
    },
    runtime,
  );
}
