/**
 * Puts our finalizer on an object and takes it away.
 *
 * An object with a finalizer is not removed when it is deleted: the API server sets `deletionTimestamp` and waits until
 * the list of finalizers is empty. A controller adds its own before its first change outside the cluster, and takes it
 * away when that change is undone. The order matters both ways: a change that is made before the finalizer is there would
 * never be undone if the object went in between.
 *
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/
 */

import { type KubeClient, KubeError } from "../client/client.ts";
import type { KubeObject, ResourceType } from "../resource.ts";

/** How many writes a call tries when others change the object. Then it fails, and the whole attempt is retried after a pause. */
const ATTEMPTS = 5;

/** The object is gone, or another one has its name: what was to be done for it must not be done. */
export class ObjectGone extends Error {
  override readonly name = "ObjectGone";
}

/**
 * Adds the finalizer unless it is there, and leaves those of others alone, even if they are written at the same time.
 * Throws ObjectGone where there is no such object any more: what follows could never be undone. An object that is being
 * deleted takes no new finalizer either; the API server refuses it.
 */
export async function addFinalizer<T extends KubeObject>(
  options: { client: KubeClient; type: ResourceType<T>; finalizer: string; object: T },
  signal: AbortSignal,
): Promise<void> {
  const next = (held: string[]) => (held.includes(options.finalizer) ? held : [...held, options.finalizer]);
  if (!(await change(options, next, signal))) throw new ObjectGone("the object was deleted");
}

/** Takes away our finalizer and no other. An object that is gone already is as it should be. */
export async function removeFinalizer<T extends KubeObject>(
  options: { client: KubeClient; type: ResourceType<T>; finalizer: string; object: T },
  signal: AbortSignal,
): Promise<void> {
  await change(options, (held) => held.filter((finalizer) => finalizer !== options.finalizer), signal);
}

/**
 * Changes the list of finalizers; false when the object is gone.
 *
 * A merge patch replaces a list as a whole (RFC 7386), so it could remove a finalizer that somebody added a moment ago.
 * The patch therefore names the resourceVersion at which the list was read: when the object has changed since, the API
 * server answers with a conflict, and we read and try again. It also names the uid, so that an object that was created
 * anew under the same name is never touched.
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
