import { type OperatingHours, operatingHours } from "../../api/index.ts";
import { Controller, type ControllerRuntime, type FailureLike } from "../../kube/controller/controller.ts";
import { queueOf } from "../../kube/controller/queue.ts";
import type { Verdict } from "../../kube/status/summarise.ts";
import type { Informer } from "../../kube/watch/informer.ts";
import { watchClock } from "./clock-watch.ts";
import { outcomeOf } from "./outcome.ts";

/**
 * Keeps the `status` of all OperatingHours right to the second. An object gets an attempt when it opens, closes or
 * has a holiday, at its local midnight, and after changes of its spec. Its status is written only at those times.
 * Whoever makes this controller starts the informer.
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
      // No request is needed to compute the status, so the first status that is written is already complete. A
      // first status without opening hours would need a second write.
      firstSight: (object) => outcomeOf(object, clock.now()),
      // The status is computed from the spec and the clock alone, so a missed wake-up only delays the status.
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
