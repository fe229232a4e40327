import { isDeepStrictEqual } from "node:util";
import type { WorkStream } from "../api/index.ts";
import type { Clock } from "../clock.ts";
import { type KubeObject, keyOf } from "../kube/resource.ts";
import type { Change, Informer } from "../kube/watch/informer.ts";
import type { Watches } from "./watches.ts";

/**
 * When a user last did something to an object, as far as this process saw it and by its monotonic clock:
 * Kubernetes' own times are whole seconds, and it has none for a change. Making an object counts, and so does
 * changing its spec, a label or an annotation; our own writes of status and finalizers do not. Listens from now on,
 * so it must be made before the informer starts.
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

  /** An object that was not seen yet counts as touched now. */
  at({ metadata }: T): number {
    return this.#at.get(metadata.uid ?? "") ?? this.#clock.monotonic();
  }

  /** Something that belongs to the object was touched, such as its Secret. */
  touch({ metadata }: T) {
    if (metadata.uid !== undefined && this.#at.has(metadata.uid))
      this.#at.set(metadata.uid, this.#clock.monotonic());
  }
}

/** A status write raises no generation; a finalizer is neither label nor annotation. */
function isTouch({ object, previous }: Change<KubeObject>): boolean {
  if (previous === undefined) return true;
  const [a, b] = [previous.metadata, object.metadata];
  return (
    a.generation !== b.generation ||
    !isDeepStrictEqual(a.annotations ?? {}, b.annotations ?? {}) ||
    !isDeepStrictEqual(a.labels ?? {}, b.labels ?? {})
  );
}

/** A stream's Secret is a part of it: a user who changes the Secret touches the stream. */
export function touchesOfStreams({ workStreams, secrets }: Watches, clock: Clock): Touches<WorkStream> {
  const touches = new Touches(workStreams, clock);
  secrets.onChange(({ object }) => {
    for (const stream of workStreams.store.byIndex("secret", keyOf(object))) touches.touch(stream);
  });
  return touches;
}
