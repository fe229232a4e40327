import { type KubeClient, KubeError } from "./client.ts";
import type { KubeObject, ResourceType } from "./resource.ts";

const ATTEMPTS = 5;

/** Adds the finalizer unless it is there. Others' finalizers stay, whoever writes them at the same time. */
export function addFinalizer<T extends KubeObject>(
  options: { client: KubeClient; type: ResourceType<T>; finalizer: string; object: T },
  signal: AbortSignal,
): Promise<void> {
  return change(
    options,
    (held) => (held.includes(options.finalizer) ? held : [...held, options.finalizer]),
    signal,
  );
}

/** Takes only ours away; an object that is gone already is fine. */
export function removeFinalizer<T extends KubeObject>(
  options: { client: KubeClient; type: ResourceType<T>; finalizer: string; object: T },
  signal: AbortSignal,
): Promise<void> {
  return change(options, (held) => held.filter((finalizer) => finalizer !== options.finalizer), signal);
}

/**
 * A merge patch replaces the whole list, so it carries the resourceVersion that the list was read at; after a conflict the
 * object is read again. Another object of the same name (another uid) is not touched.
 */
async function change<T extends KubeObject>(
  { client, type, object }: { client: KubeClient; type: ResourceType<T>; object: T },
  next: (held: string[]) => string[],
  signal: AbortSignal,
): Promise<void> {
  let current: T | undefined = object;
  for (let attempt = 1; current !== undefined && current.metadata.uid === object.metadata.uid; attempt++) {
    const held: string[] = current.metadata.finalizers ?? [];
    const wanted = next(held);
    if (wanted.length === held.length) return;
    const { resourceVersion, uid } = current.metadata;
    try {
      await client.patch(
        type,
        object.metadata,
        { metadata: { finalizers: wanted, resourceVersion, uid } },
        { metadataOnly: true },
        signal,
      );
      return;
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return;
      if (!(error instanceof KubeError && error.reason === "Conflict") || attempt >= ATTEMPTS) throw error;
      current = await client.get(type, object.metadata, signal);
    }
  }
}
