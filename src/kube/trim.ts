import type { Condition, RuntimeStatus } from "./conditions.ts";
import type { KubeObject, ObjectMeta } from "./resource.ts";

/** `kubectl apply` keeps the whole object here once more: of a Secret that is its content, in what should be metadata only. */
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** All that is known of metadata but `managedFields` (often more than the object itself) and `generateName`, `selfLink`. */
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

/** What a store keeps of an object: no managedFields, no copy of what was applied, and nobody can change it. */
export function trim<T extends KubeObject>(
  object: T,
  { metadataOnly, transform }: { metadataOnly?: boolean; transform?: (object: T) => T } = {},
): T {
  const metadata = trimmedMetadata(object.metadata);
  const kept = metadataOnly === true ? ({ apiVersion: object.apiVersion, kind: object.kind } as T) : object;
  const trimmed = { ...kept, metadata };
  return deepFreeze(shared(transform === undefined ? trimmed : transform(trimmed)));
}

/** Copied field by field: an object that fields were deleted from takes V8 three times the memory. */
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
 * What thousands of objects say in the same words is kept once: JSON.parse makes a new string for every value that is not very
 * short. Conditions alone are twenty of them per object.
 */
function shared<T extends KubeObject>(object: T): T {
  object.apiVersion = one(object.apiVersion);
  object.kind = one(object.kind);
  const { metadata } = object;
  if (metadata.namespace !== undefined) metadata.namespace = one(metadata.namespace);
  if (metadata.creationTimestamp !== undefined) metadata.creationTimestamp = one(metadata.creationTimestamp);
  // Ordinary ones are few and the same everywhere; an object can have a hundred thousand that are not.
  if (metadata.finalizers !== undefined && metadata.finalizers.length <= ORDINARY_FINALIZERS)
    metadata.finalizers = metadata.finalizers.map(one);
  const status = object.status as RuntimeStatus | undefined;
  if (status?.conditions === undefined) return object;
  const conditions = status.conditions.map(worded);
  return { ...object, status: { ...status, conditions } };
}

/** Whatever a kind's conditions have: the runtime's own may lack something where the kind is somebody else's. */
function worded(condition: Condition): Condition {
  const copy = { ...condition } as unknown as Record<string, unknown>;
  for (const [field, value] of Object.entries(copy)) if (typeof value === "string") copy[field] = one(value);
  return copy as unknown as Condition;
}

/** So many different words are kept; then it begins anew, so that names and times which come once do not fill it for ever. */
const DIFFERENT = 10_000;
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
