import { type OperatingHours, operatingHours } from "../../api/index.ts";
import { Controller, type ControllerRuntime, type FailureLike } from "../../kube/controller.ts";
import type { Informer } from "../../kube/informer.ts";
import { queueOf } from "../../kube/queue.ts";
import type { Verdict } from "../../kube/summarise.ts";
import { watchClock } from "./clock-watch.ts";
import { outcomeOf } from "./outcome.ts";

/**
 * Keeps `status` of all OperatingHours as it is at this second. It wakes when one opens, closes, has or had a holiday, and at
 * its local midnight, and writes then and on changes of the spec only. The informer is started by whoever owns it.
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
      // Nothing has to be asked of anybody, so that the first word is already the whole one: one write instead of two.
      firstSight: (object) => outcomeOf(object, clock.now()),
      reconcile: async ({ object }) => outcomeOf(object, clock.now()),
      onFailure: (_, error) => [failed(error)],
    },
    runtime,
  );
  let endWatch = () => {};
  return {
    start() {
      controller.start();
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
