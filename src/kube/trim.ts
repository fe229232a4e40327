import type { KubeObject } from "./resource.ts";

/** `kubectl apply` keeps the whole object here once more: of a Secret that is its content, in what should be metadata only. */
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** What a store keeps of an object: no managedFields, no copy of what was applied, and nobody can change it. */
export function trim<T extends KubeObject>(
  object: T,
  { metadataOnly, transform }: { metadataOnly?: boolean; transform?: (object: T) => T },
): T {
  const metadata = { ...object.metadata } as T["metadata"] & { managedFields?: unknown };
  delete metadata.managedFields;
  if (metadata.annotations?.[LAST_APPLIED] !== undefined) {
    const { [LAST_APPLIED]: _, ...annotations } = metadata.annotations;
    metadata.annotations = annotations;
  }
  const kept = metadataOnly === true ? ({ apiVersion: object.apiVersion, kind: object.kind } as T) : object;
  const trimmed = { ...kept, metadata };
  return deepFreeze(transform === undefined ? trimmed : transform(trimmed));
}

function deepFreeze<V>(value: V): V {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}
