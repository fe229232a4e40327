/**
 * Makes an object as small as a store needs it, and unchangeable.
 *
 * A controller keeps every object that it watches in memory, so each part that is kept for nothing counts ten thousand
 * times. docs/adr/0021 has the target (400 MiB for 10,000 streams) and what was measured on the way.
 */

import type { KubeObject, ObjectMeta } from "../resource.ts";
import type { Condition, RuntimeStatus } from "../status/conditions.ts";

/**
 * `kubectl apply` keeps a copy of the whole object in this annotation. It comes with the metadata, so a Secret's content
 * would be in our memory although we asked for metadata only.
 * https://kubernetes.io/docs/reference/labels-annotations-taints/#kubectl-kubernetes-io-last-applied-configuration
 */
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** All of metadata except `managedFields` (often larger than the object itself), `generateName` and `selfLink`. */
const KEPT = [
  "name",
  "namespace",
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "finalizers",
  "labels",
  "annotations",
  "ownerReferences",
] as const;

/**
 * The object as a store keeps it: without managedFields and kubectl's copy, with equal texts shared, and frozen. It is
 * frozen because everybody gets the same object: a reconciler that changed it would change what all others see.
 */
export function trim<T extends KubeObject>(
  object: T,
  { metadataOnly, transform }: { metadataOnly?: boolean; transform?: (object: T) => T } = {},
): T {
  const metadata = trimmedMetadata(object.metadata);
  const kept = metadataOnly === true ? ({ apiVersion: object.apiVersion, kind: object.kind } as T) : object;
  const trimmed = { ...kept, metadata };
  return deepFreeze(shared(transform === undefined ? trimmed : transform(trimmed)));
}

/** Copied field by field: V8 stores an object that fields were deleted from as a hash table, in three times the memory. */
function trimmedMetadata(metadata: ObjectMeta): ObjectMeta {
  const kept: Record<string, unknown> = {};
  for (const name of KEPT) {
    const value = (metadata as unknown as Record<string, unknown>)[name];
    if (value !== undefined) kept[name] = value;
  }
  if (metadata.annotations?.[LAST_APPLIED] !== undefined) {
    const { [LAST_APPLIED]: _, ...annotations } = metadata.annotations;
    kept.annotations = annotations;
  }
  return kept as unknown as ObjectMeta;
}

/**
 * Keeps one copy of the texts that thousands of objects have in common. JSON.parse makes a new string for every value
 * that is not very short, and the conditions alone are about twenty strings per object.
 */
function shared<T extends KubeObject>(object: T): T {
  object.apiVersion = one(object.apiVersion);
  object.kind = one(object.kind);
  const { metadata } = object;
  if (metadata.namespace !== undefined) metadata.namespace = one(metadata.namespace);
  // Objects that one `kubectl apply` made were created in the same second.
  if (metadata.creationTimestamp !== undefined) metadata.creationTimestamp = one(metadata.creationTimestamp);
  // Ordinary finalizers are few and the same everywhere. A longer list is somebody's own: an object can have a hundred
  // thousand, all different, which would only push the useful texts out.
  if (metadata.finalizers !== undefined && metadata.finalizers.length <= ORDINARY_FINALIZERS)
    metadata.finalizers = metadata.finalizers.map(one);
  const status = object.status as RuntimeStatus | undefined;
  if (status?.conditions === undefined) return object;
  const conditions = status.conditions.map(worded);
  return { ...object, status: { ...status, conditions } };
}

/** Every text of a condition, whatever its fields are called: another project's kind may have fewer or more than ours. */
function worded(condition: Condition): Condition {
  const copy = { ...condition } as unknown as Record<string, unknown>;
  for (const [field, value] of Object.entries(copy)) if (typeof value === "string") copy[field] = one(value);
  return copy as unknown as Condition;
}

/** At this many different texts the table begins again: times and names that come once must not fill it for ever. */
const DIFFERENT = 10_000;
/** Longer texts are hardly ever the same, and would make the table large. */
const LONGEST = 200;
const ORDINARY_FINALIZERS = 16;
const words = new Map<string, string>();

function one<S extends string>(text: S): S {
  const known = words.get(text);
  if (known !== undefined) return known as S;
  if (text.length > LONGEST) return text;
  if (words.size >= DIFFERENT) words.clear();
  words.set(text, text);
  return text;
}

function deepFreeze<V>(value: V): V {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}
