/**
 * Conditions as Kubernetes defines them (metav1.Condition), and how to read one from a status.
 *
 * https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties
 */

/** `Unknown` is a status of its own, not the absence of one: the controller looked and cannot tell, or has not looked yet. */
export type ConditionStatus = "True" | "False" | "Unknown";

export interface Condition {
  type: string;
  status: ConditionStatus;
  /** One word in CamelCase, for programs. A public contract: scripts and alerts compare it. */
  reason: string;
  /** A sentence for people. It may change from one release to the next. */
  message: string;
  /** When `status` last changed; a new reason or message leaves it as it is. */
  lastTransitionTime: string;
  /** The `metadata.generation` that was judged. An older one than the object's: the verdict is about a former spec. */
  observedGeneration?: number;
}

/** The status fields that this runtime writes for every kind; all others are the kind's own. */
export interface RuntimeStatus {
  observedGeneration?: number;
  /** The installation that works on this object; another one leaves it alone. */
  managedBy?: string;
  conditions?: Condition[];
}

/** At most one condition has a type: the CRDs declare the list as a map with `type` as its key. */
export function conditionOf(status: RuntimeStatus | undefined, type: string): Condition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

/** A time as Kubernetes writes it (metav1.Time): RFC 3339, in UTC and in whole seconds. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}
