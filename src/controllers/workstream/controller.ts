import { orAborted } from "../../aborted.ts";
import { type WorkStream, workStreams } from "../../api/index.ts";
import { type ControlledKind, Controller, type ControllerRuntime } from "../../kube/controller/controller.ts";
import type { Secret } from "../../kube/resource.ts";
import type { ReadStore } from "../../kube/watch/store.ts";
import { ownStreamStatus } from "../owned-status.ts";
import type { WorkStreamDeps } from "./deps.ts";
import { failedVerdicts, streamUrls } from "./outcome.ts";
import { workStreamReconciler } from "./reconcile.ts";
import { secretChangedWhileAway } from "./secret-changed.ts";
import { streamVerdicts } from "./verdicts.ts";

/**
 * The options of the WorkStream controller: the source of its objects, the dependencies of its steps, and callbacks
 * after each attempt and after a deletion.
 */
export interface WorkStreamControllerOptions
  extends Pick<ControlledKind<WorkStream>, "informer" | "queue">,
    Required<Pick<ControlledKind<WorkStream>, "onGone" | "resyncIntervalMs">> {
  deps: WorkStreamDeps;
  /** The watched metadata of Secrets. */
  secrets: Pick<ReadStore<Secret>, "get">;
  /** Resolves when the records were read in this term of leadership. */
  recordsLoaded(): Promise<void>;
  /** Called when an attempt at a WorkStream is over, whether it succeeded or failed. */
  onReconciled(object: WorkStream): void;
}

/**
 * The controller of WorkStreams. WorkStreams have no finalizer, because nothing at Twilio belongs to the WorkStream
 * itself.
 */
export function workStreamController(
  options: WorkStreamControllerOptions,
  runtime: ControllerRuntime,
): Controller<WorkStream> {
  const { informer, queue, deps, secrets, recordsLoaded, onReconciled, onGone, resyncIntervalMs } = options;
  const reconcile = workStreamReconciler(deps);
  return new Controller<WorkStream>(
    {
      type: workStreams,
      informer,
      queue,
      resyncIntervalMs,
      // A WorkStream whose Secret changed while no operator ran goes first. A token in the Secret may have been
      // promoted at Twilio, and the receivers refuse texts signed with that token until they know it.
      changedWhileAway: (stream) => secretChangedWhileAway(secrets, stream),
      ownStatus: ownStreamStatus,
      // The first status is written before any call to Twilio. It has all conditions Unknown and both URLs of the
      // WorkStream, because the URLs are what a person waits for.
      firstSight: ({ metadata }) => ({
        verdicts: streamVerdicts({
          credentials: undefined,
          urlProblem: undefined,
          url: undefined,
          number: "unseen",
        }),
        status: streamUrls(deps.urls, metadata.namespace!, metadata.name),
      }),
      async reconcile(ctx) {
        // Routes are made from the records, so nothing is decided before the records are read.
        await orAborted(recordsLoaded(), ctx.patience);
        try {
          return await reconcile(ctx);
        } finally {
          onReconciled(ctx.object);
        }
      },
      // Routing rules are judged without Twilio, so their condition is right even when the attempt failed.
      onFailure: (object, error) => failedVerdicts(object, error, deps.routing.problems(object)),
      onGone,
    },
    runtime,
  );
}
