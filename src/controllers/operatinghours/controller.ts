import type { Registry } from "@prometheus-io/client";
import { type OperatingHours, operatingHours } from "../../api/index.ts";
import type { Clock } from "../../clock.ts";
import type { KubeClient } from "../../kube/client.ts";
import { Controller, type FailureLike } from "../../kube/controller.ts";
import type { EventRecorder } from "../../kube/events.ts";
import type { Informer } from "../../kube/informer.ts";
import type { LeaderElector } from "../../kube/leader.ts";
import type { Verdict } from "../../kube/summarise.ts";
import type { Log } from "../../log.ts";
import { watchClock } from "./clock-watch.ts";
import { outcomeOf } from "./outcome.ts";

export interface OperatingHoursDeps {
  client: KubeClient;
  informer: Informer<OperatingHours>;
  clock: Clock;
  log: Log;
  registry: Registry;
  events: EventRecorder;
  /** This release's name, for `status.managedBy`. */
  instance: string;
  fieldManager: string;
  takeOverFrom?: string | undefined;
  /** Without one this process is taken to lead always. */
  leader?: LeaderElector | undefined;
}

/**
 * Keeps `status` of all OperatingHours as it is at this second. It wakes when one opens, closes, has or had a holiday, and at
 * its local midnight, and writes then and on changes of the spec only. The informer is started by whoever owns it.
 */
export function operatingHoursController(deps: OperatingHoursDeps): { start(): void; stop(): Promise<void> } {
  const { clock, informer } = deps;
  const controller = new Controller<OperatingHours>({
    ...deps,
    type: operatingHours,
    // Nothing has to be asked of anybody, so that the first word is already the whole one: one write instead of two.
    firstSight: (object) => outcomeOf(object, clock.now()),
    reconcile: async ({ object }) => outcomeOf(object, clock.now()),
    onFailure: (_, error) => [failed(error)],
  });
  let endWatch = () => {};
  return {
    start() {
      controller.start();
      endWatch = watchClock(clock, () => {
        for (const key of informer.store.keys()) controller.enqueue(key, "resync");
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
