import { isDeepStrictEqual } from "node:util";
import type { WorkStream } from "../api/index.ts";
import type { Clock } from "../clock.ts";
import { type KubeObject, keyOf } from "../kube/resource.ts";
import type { Change, Informer } from "../kube/watch/informer.ts";
import type { Watches } from "./watches.ts";

/**
 * When a user last changed an object (a "touch"), as far as this process saw it and by its monotonic clock. Kubernetes'
 * own times are whole seconds, and Kubernetes stores no time of a change. Creating an object counts, and so does
 * changing its spec, a label or an annotation. The operator's own writes of status and finalizers do not count. A
 * `Touches` must be made before the informer starts, because it does not learn of earlier changes.
 */
export class Touches<T extends KubeObject> {
  readonly #clock: Clock;
  readonly #at = new Map<string, number>();

  constructor(informer: Pick<Informer<T>, "onChange">, clock: Clock) {
    this.#clock = clock;
    informer.onChange((change) => {
      const { uid = "" } = change.object.metadata;
      if (change.type === "deleted") this.#at.delete(uid);
      else if (isTouch(change)) this.#at.set(uid, clock.monotonic());
    });
  }

  /** When the object was last touched. An object that was not seen yet counts as touched now. */
  at({ metadata }: T): number {
    return this.#at.get(metadata.uid ?? "") ?? this.#clock.monotonic();
  }

  /** Counts the object as touched now. Call this when something that belongs to it was changed, such as its Secret. */
  touch({ metadata }: T) {
    if (metadata.uid !== undefined && this.#at.has(metadata.uid))
      this.#at.set(metadata.uid, this.#clock.monotonic());
  }
}

/**
 * Whether a user made this change. The operator's own writes do not count: a write of the status does not raise the
 * generation, and a finalizer is neither a label nor an annotation.
 */
function isTouch({ object, previous }: Change<KubeObject>): boolean {
  if (previous === undefined) return true;
  const [a, b] = [previous.metadata, object.metadata];
  return (
    a.generation !== b.generation ||
    !isDeepStrictEqual(a.annotations ?? {}, b.annotations ?? {}) ||
    !isDeepStrictEqual(a.labels ?? {}, b.labels ?? {})
  );
}

/** When users last changed each WorkStream. A change of the Secret of a stream counts as a change of the stream. */
export function touchesOfStreams({ workStreams, secrets }: Watches, clock: Clock): Touches<WorkStream> {
  const touches = new Touches(workStreams, clock);
  secrets.onChange(({ object }) => {
    for (const stream of workStreams.store.byIndex("secret", keyOf(object))) touches.touch(stream);
  });
  return touches;
}
