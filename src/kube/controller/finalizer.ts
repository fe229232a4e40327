/**
 * Puts our finalizer on an object and takes it away.
 *
 * An object with a finalizer is not removed when it is deleted: the API server sets `deletionTimestamp` and waits until the
 * list of finalizers is empty. A controller adds its finalizer before its first change outside the cluster, and removes the
 * finalizer when that change is undone. Without this order the object could be removed after the change but before the
 * finalizer is there, and the change would never be undone.
 *
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/
 */

import { type KubeClient, KubeError } from "../client/client.ts";
import type { KubeObject, ResourceType } from "../resource.ts";

/**
 * How often one call tries to write while other programs keep changing the object. After the last try the call fails, and the
 * whole attempt is retried after a pause.
 */
const ATTEMPTS = 5;

/** The object is gone, or another object has its name, so work for the object must stop. */
export class ObjectGone extends Error {
  override readonly name = "ObjectGone";
}

/**
 * Adds the finalizer unless it is there. Finalizers of other programs stay, even if they are written at the same time. Throws
 * ObjectGone when the object no longer exists, because later changes could never be undone. The API server also refuses a new
 * finalizer on an object that is being deleted.
 */
export async function addFinalizer<T extends KubeObject>(
  options: { client: KubeClient; type: ResourceType<T>; finalizer: string; object: T },
  signal: AbortSignal,
): Promise<void> {
  const next = (held: string[]) => (held.includes(options.finalizer) ? held : [...held, options.finalizer]);
  if (!(await change(options, next, signal))) throw new ObjectGone("the object was deleted");
}

/** Removes our finalizer and no other. It is no error when the object is already gone. */
export async function removeFinalizer<T extends KubeObject>(
  options: { client: KubeClient; type: ResourceType<T>; finalizer: string; object: T },
  signal: AbortSignal,
): Promise<void> {
  await change(options, (held) => held.filter((finalizer) => finalizer !== options.finalizer), signal);
}

/**
 * Changes the list of finalizers; false when the object is gone.
 *
 * A merge patch replaces a list as a whole (RFC 7386), so it could remove a finalizer that somebody added a moment ago. The
 * patch therefore names the resourceVersion at which the list was read. When the object has changed since then, the API server
 * answers with a conflict, and the list is read and changed again. The patch also names the uid, so that a new object of the
 * same name is never changed.
 */
async function change<T extends KubeObject>(
  { client, type, object }: { client: KubeClient; type: ResourceType<T>; object: T },
  next: (held: string[]) => string[],
  signal: AbortSignal,
): Promise<boolean> {
  let current: T | undefined = object;
  for (let attempt = 1; current !== undefined && current.metadata.uid === object.metadata.uid; attempt++) {
    const held: string[] = current.metadata.finalizers ?? [];
    const wanted = next(held);
    if (wanted.length === held.length) return true;
    const { resourceVersion, uid } = current.metadata;
    try {
      await client.patch(
        type,
        object.metadata,
        { metadata: { finalizers: wanted, resourceVersion, uid } },
        { metadataOnly: true },
        signal,
      );
      return true;
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return false;
      if (!(error instanceof KubeError && error.reason === "Conflict") || attempt >= ATTEMPTS) throw error;
      current = await client.get(type, object.metadata, signal);
    }
  }
  return false;
}
