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

/** Where the objects come from, what the steps work with, and who hears of each attempt. */
export interface WorkStreamControllerOptions
  extends Pick<ControlledKind<WorkStream>, "informer" | "queue">,
    Required<Pick<ControlledKind<WorkStream>, "onGone" | "resyncIntervalMs">> {
  deps: WorkStreamDeps;
  /** Secrets as watched. */
  secrets: Pick<ReadStore<Secret>, "get">;
  /** Resolves when the records of this term are read. */
  recordsLoaded(): Promise<void>;
  /** An attempt at a stream is over, however it ended. */
  onReconciled(object: WorkStream): void;
}

/** The controller of WorkStreams. They have no finalizer: nothing at Twilio belongs to a stream itself. */
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
      // A Secret that changed while no operator ran goes first: a token in it may have been promoted, and texts
      // signed with that are refused until the receivers know it.
      changedWhileAway: (stream) => secretChangedWhileAway(secrets, stream),
      ownStatus: ownStreamStatus,
      // All conditions Unknown and both URLs, before any call: the URLs are what a person waits for.
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
        // Routes are written from what the records hold, so nothing is decided before they are read.
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
