import { type OperatingHours, operatingHours } from "../../api/index.ts";
import { Controller, type ControllerRuntime, type FailureLike } from "../../kube/controller/controller.ts";
import { queueOf } from "../../kube/controller/queue.ts";
import type { Verdict } from "../../kube/status/summarise.ts";
import type { Informer } from "../../kube/watch/informer.ts";
import { watchClock } from "./clock-watch.ts";
import { outcomeOf } from "./outcome.ts";

/**
 * Keeps the `status` of all OperatingHours right to the second. It wakes when one opens, closes or has a holiday,
 * and at its local midnight, and writes only then and on changes of the spec. The informer is started by its owner.
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
      // Nobody has to be asked, so the first status is already the whole one: one write instead of two.
      firstSight: (object) => outcomeOf(object, clock.now()),
      // Each attempt is computed from spec and clock alone, so a missed wake-up costs nothing but time.
      reconcile: async ({ object }) => outcomeOf(object, clock.now()),
      onFailure: (_, error) => [failed(error)],
    },
    runtime,
  );
  let endWatch = () => {};
  return {
    start() {
      controller.start();
      // Every timer was set by the clock before it jumped.
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
