import { type KubeClient, KubeError } from "./client.ts";
import type { KubeObject, ResourceType } from "./resource.ts";

const ATTEMPTS = 5;

/** The object is not there any more, or another one has its name: whatever was to be done for it must not be done. */
export class ObjectGone extends Error {
  override readonly name = "ObjectGone";
}

/**
 * Adds the finalizer unless it is there. Others' finalizers stay, whoever writes them at the same time. Throws ObjectGone
 * where there is nothing to hold: what follows would never be undone.
 */
export async function addFinalizer<T extends KubeObject>(
  options: { client: KubeClient; type: ResourceType<T>; finalizer: string; object: T },
  signal: AbortSignal,
): Promise<void> {
  const next = (held: string[]) => (held.includes(options.finalizer) ? held : [...held, options.finalizer]);
  if (!(await change(options, next, signal))) throw new ObjectGone("the object was deleted");
}

/** Takes only ours away; an object that is gone already is fine. */
export async function removeFinalizer<T extends KubeObject>(
  options: { client: KubeClient; type: ResourceType<T>; finalizer: string; object: T },
  signal: AbortSignal,
): Promise<void> {
  await change(options, (held) => held.filter((finalizer) => finalizer !== options.finalizer), signal);
}

/**
 * A merge patch replaces the whole list, so it carries the resourceVersion that the list was read at; after a conflict the
 * object is read again. Another object of the same name (another uid) is not touched. False: the object is gone.
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
