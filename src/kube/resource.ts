/**
 * Kubernetes objects as JSON: the fields that every kind has, and the built-in kinds that this runtime itself reads or writes.
 *
 * These are plain types and not the model classes of @kubernetes/client-node. The model classes copy each object field by field
 * and turn times into Date objects. A controller that keeps ten thousand objects would pay for that at each event.
 *
 * https://kubernetes.io/docs/reference/using-api/api-concepts/
 */

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  name: string;
  namespace?: string;
  /** Distinguishes an object from a later object of the same name. */
  uid?: string;
  /** Counts changes of the spec. In kinds that have a status subresource, a write to the status does not change it. */
  generation?: number;
  /**
   * Changes at every write. A write that names a version fails with a conflict when the object has changed since that version.
   */
  resourceVersion?: string;
  creationTimestamp?: string;
  /** Set when somebody has deleted the object and finalizers still hold it. A deletion is never taken back. */
  deletionTimestamp?: string;
  finalizers?: string[];
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
}

export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec?: unknown;
  status?: unknown;
}

/**
 * Where a kind lives in the API. `__type` is never set: it only carries the object's type, so that `client.get(secrets, …)`
 * returns a Secret.
 */
export interface ResourceType<T extends KubeObject = KubeObject> {
  /** The API group. Empty for the core group, whose path begins with /api instead of /apis. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly __type?: T;
}

export interface Ref {
  namespace?: string | undefined;
  name: string;
}

export interface Secret extends KubeObject {
  type?: string;
  /** The Secret's values, in base64. */
  data?: Record<string, string>;
  /** Values as plain text, for writing only: the API server moves them into `data`. */
  stringData?: Record<string, string>;
}

/** A Lease, by which replicas elect a leader: https://kubernetes.io/docs/concepts/architecture/leases/ */
export interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

/** An event of events.k8s.io/v1. The type is not called `Event` because JavaScript has a type of that name. */
export interface EventObject extends KubeObject {
  eventTime: string;
  reportingController: string;
  reportingInstance: string;
  action: string;
  reason: string;
  note: string;
  type: "Normal" | "Warning";
  regarding: {
    apiVersion: string;
    kind: string;
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
  };
  /** Set when the same thing has happened again; absent from an event that happened once. */
  series?: { count: number; lastObservedTime: string };
}

export const secrets: ResourceType<Secret> = {
  group: "",
  version: "v1",
  plural: "secrets",
  kind: "Secret",
  namespaced: true,
};
export const namespaces: ResourceType = {
  group: "",
  version: "v1",
  plural: "namespaces",
  kind: "Namespace",
  namespaced: false,
};
export const leases: ResourceType<Lease> = {
  group: "coordination.k8s.io",
  version: "v1",
  plural: "leases",
  kind: "Lease",
  namespaced: true,
};
export const events: ResourceType<EventObject> = {
  group: "events.k8s.io",
  version: "v1",
  plural: "events",
  kind: "Event",
  namespaced: true,
};
export const customResourceDefinitions: ResourceType = {
  group: "apiextensions.k8s.io",
  version: "v1",
  plural: "customresourcedefinitions",
  kind: "CustomResourceDefinition",
  namespaced: false,
};

export function apiVersionOf({ group, version }: ResourceType): string {
  return group === "" ? version : `${group}/${version}`;
}

/**
 * The path of an object, or of a collection when `name` is absent. Without `namespace`, the collection covers all namespaces.
 */
export function pathOf(
  type: ResourceType,
  ref: { namespace?: string | undefined; name?: string | undefined },
  subresource?: string,
): string {
  const root = type.group === "" ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`;
  const scope =
    type.namespaced && ref.namespace !== undefined ? `/namespaces/${encodeURIComponent(ref.namespace)}` : "";
  const object = ref.name === undefined ? "" : `/${encodeURIComponent(ref.name)}`;
  return `${root}${scope}/${type.plural}${object}${subresource === undefined ? "" : `/${subresource}`}`;
}

/** The key of an object in stores and queues: `namespace/name`, or `/name` without a namespace. No name contains a slash. */
export function keyOf({ metadata }: { metadata: Ref }): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}
