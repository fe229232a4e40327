import { type OperatingHours, operatingHours } from "../../api/index.ts";
import { Controller, type ControllerRuntime, type FailureLike } from "../../kube/controller/controller.ts";
import { queueOf } from "../../kube/controller/queue.ts";
import type { Verdict } from "../../kube/status/summarise.ts";
import type { Informer } from "../../kube/watch/informer.ts";
import { watchClock } from "./clock-watch.ts";
import { outcomeOf } from "./outcome.ts";

/**
 * Keeps the `status` of all OperatingHours right to the second. It wakes up when one of them opens, closes or has a
 * holiday, and at its local midnight. It writes the status only at those times and after changes of the spec. The
 * caller starts the informer.
 */
export function operatingHoursController(
  { informer, workers }: { informer: Informer<OperatingHours>; workers?: number | undefined },
  runtime: ControllerRuntime,
): { start(): void; stop(): Promise<void> } {
  const { clock } = runtime;
  const queue = queueOf(informer, { clock, workers });
  const controller = new Controller<OperatingHours>(
    {
      type: operatingHours,
      informer,
      queue,
      // No request is needed to compute the status, so the first status is already complete. That makes one write
      // instead of two.
      firstSight: (object) => outcomeOf(object, clock.now()),
      // The status is computed from the spec and the clock alone, so a missed wake-up only delays it.
      reconcile: async ({ object }) => outcomeOf(object, clock.now()),
      onFailure: (_, error) => [failed(error)],
    },
    runtime,
  );
  let endWatch = () => {};
  return {
    start() {
      controller.start();
      // All timers were set before the wall clock jumped, so every object gets a new attempt.
      endWatch = watchClock(clock, () => {
        for (const key of informer.store.keys()) queue.add(key, "resync");
      });
    },
    async stop() {
      endWatch();
      await controller.stop();
    },
  };
}

function failed({ reason, message, class: kind }: FailureLike): Verdict {
  return { type: "Ready", status: "False", reason, message, class: kind };
}
