import { type SmsNumber, smsNumbers } from "../../api/index.ts";
import { type ControlledKind, Controller, type ControllerRuntime } from "../../kube/controller.ts";
import { ownNumberStatus } from "../owned-status.ts";
import { Endings } from "./cleanup/endings.ts";
import { smsNumberFinalizer } from "./cleanup/finalize.ts";
import { urgentInMs } from "./cleanup/patience.ts";
import type { SmsNumberDeps } from "./deps.ts";
import { failedVerdicts, firstSight, numberVerdicts } from "./outcome.ts";
import { smsNumberReconciler } from "./reconcile.ts";

export const FINALIZER = "smschannel.dev/webhook";

export interface SmsNumberControllerOptions
  extends Pick<ControlledKind<SmsNumber>, "informer" | "queue">,
    Required<Pick<ControlledKind<SmsNumber>, "onGone">> {
  deps: SmsNumberDeps;
}

/** Looks after SmsNumbers. They have no resync of their own: that of their account wakes them. */
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
      urgentInMs: (number) => urgentInMs(number, () => deps.seen.deletionLeftMs(number)),
      ownStatus: ownNumberStatus,
      firstSight: () => ({ verdicts: numberVerdicts(firstSight) }),
      async reconcile(ctx) {
        // A deletion does not wait for this.
        await deps.recordsLoaded(ctx.patience);
        return await reconcile(ctx);
      },
      finalize: smsNumberFinalizer(deps, endings),
      onFailure: failedVerdicts,
      onGone(object) {
        endings.forget(object.metadata.uid!);
        onGone(object);
      },
    },
    runtime,
  );
}
