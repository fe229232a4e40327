/**
 * Makes an object as small as a store needs it, and unchangeable.
 *
 * A controller keeps every object that it watches in memory, so each needless part of an object counts ten thousand times.
 * docs/adr/0021 has the target (400 MiB for 10,000 streams) and the measurements.
 */

import type { KubeObject, ObjectMeta } from "../resource.ts";
import type { Condition, RuntimeStatus } from "../status/conditions.ts";

/**
 * The annotation in which `kubectl apply` keeps a copy of the whole object. Annotations are part of the metadata, so a Secret's
 * content would be in our memory although only metadata was asked for.
 * https://kubernetes.io/docs/reference/labels-annotations-taints/#kubectl-kubernetes-io-last-applied-configuration
 */
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** The metadata that is kept: all but `managedFields` (often larger than the object itself), `generateName` and `selfLink`. */
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
 * The object as a store keeps it: without managedFields and the copy in kubectl's annotation, with equal texts shared, and
 * frozen. All readers get the same object, so a reconciler that changed it would change it for all other readers.
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

/**
 * The metadata is copied field by field: V8 stores an object that fields were deleted from as a hash table, which takes three
 * times the memory.
 */
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
 * Keeps one copy of the texts that thousands of objects have in common. JSON.parse makes a new string for every value that is
 * not very short, and the conditions alone have about twenty strings per object.
 */
function shared<T extends KubeObject>(object: T): T {
  object.apiVersion = one(object.apiVersion);
  object.kind = one(object.kind);
  const { metadata } = object;
  if (metadata.namespace !== undefined) metadata.namespace = one(metadata.namespace);
  // The time of creation is shared, because objects that were created by one `kubectl apply` have the same second of creation.
  if (metadata.creationTimestamp !== undefined) metadata.creationTimestamp = one(metadata.creationTimestamp);
  // Ordinary finalizers are few, and the same on all objects. A longer list is not shared: an object can have a hundred
  // thousand different finalizers, which would only push the useful texts out of the table.
  if (metadata.finalizers !== undefined && metadata.finalizers.length <= ORDINARY_FINALIZERS)
    metadata.finalizers = metadata.finalizers.map(one);
  const status = object.status as RuntimeStatus | undefined;
  if (status?.conditions === undefined) return object;
  const conditions = status.conditions.map(worded);
  return { ...object, status: { ...status, conditions } };
}

/**
 * Shares every text of a condition, whatever its field is called: a kind of another project may have more or fewer fields than
 * ours.
 */
function worded(condition: Condition): Condition {
  const copy = { ...condition } as unknown as Record<string, unknown>;
  for (const [field, value] of Object.entries(copy)) if (typeof value === "string") copy[field] = one(value);
  return copy as unknown as Condition;
}

/** The table of shared texts is emptied at this many texts: times and names that occur once must not fill it for ever. */
const DIFFERENT = 10_000;
/** Texts longer than this are not shared: they are hardly ever the same, and would make the table large. */
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
