/**
 * Kubernetes objects as JSON: what every kind has, and the built-in kinds that this runtime itself reads or writes.
 *
 * These are plain types and not the model classes of @kubernetes/client-node. Those copy each object field by field and
 * turn times into Date objects, which a controller that keeps ten thousand objects would pay for at each event.
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
  /** Tells an object from a later one of the same name. */
  uid?: string;
  /** Counts changes of the spec. Writes to the status leave it alone, in kinds that have a status subresource. */
  generation?: number;
  /** Changes at every write. A write that names one fails with a conflict when the object has changed since. */
  resourceVersion?: string;
  creationTimestamp?: string;
  /** Set when somebody deleted the object and finalizers still hold it. It is never taken back. */
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
 * Where a kind lives in the API. `__type` is never set: it carries the object's type, so that `client.get(secrets, …)`
 * gives a Secret.
 */
export interface ResourceType<T extends KubeObject = KubeObject> {
  /** Empty for the core group, whose path begins with /api instead of /apis. */
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
  /** Values in base64. */
  data?: Record<string, string>;
  /** Values as they are, for writing only: the API server moves them into `data`. */
  stringData?: Record<string, string>;
}

/** https://kubernetes.io/docs/concepts/architecture/leases/ */
export interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

/** An event of events.k8s.io/v1. `Event` alone is a type of JavaScript's own. */
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
  /** Set once the same thing has happened again; absent from an event that happened once. */
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

/** The path of an object, or of a collection when `name` is absent. Without a namespace it is that of all namespaces. */
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

/** `namespace/name`, or `/name` of an object without a namespace: the key in stores and queues. No name has a slash. */
export function keyOf({ metadata }: { metadata: Ref }): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}
