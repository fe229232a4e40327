/**
 * Conditions as Kubernetes defines them (metav1.Condition), and how to read one from a status.
 *
 * https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties
 */

/** A condition's status. `Unknown` means that the controller looked and cannot tell, or has not looked yet. */
export type ConditionStatus = "True" | "False" | "Unknown";

export interface Condition {
  type: string;
  status: ConditionStatus;
  /** One word in CamelCase, for programs. Reasons are a public contract, because scripts and alerts compare them. */
  reason: string;
  /** A sentence for people. The wording may change from one release to the next. */
  message: string;
  /** When `status` last changed. A change of reason or message alone does not change this time. */
  lastTransitionTime: string;
  /** The `metadata.generation` that was judged. When it is older than the object's, the condition is about a former spec. */
  observedGeneration?: number;
}

/** The status fields that this runtime writes for every kind. All other fields belong to the kind. */
export interface RuntimeStatus {
  observedGeneration?: number;
  /** The installation that manages this object; every other installation leaves the object alone. */
  managedBy?: string;
  conditions?: Condition[];
}

/** The condition of this type. There is at most one, because the CRDs declare the list as a map with `type` as its key. */
export function conditionOf(status: RuntimeStatus | undefined, type: string): Condition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

/** A time as Kubernetes writes it (metav1.Time): RFC 3339, in UTC and in whole seconds. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}
