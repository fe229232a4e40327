export type ConditionStatus = "True" | "False" | "Unknown";

export interface Condition {
  type: string;
  status: ConditionStatus;
  reason: string;
  message: string;
  lastTransitionTime: string;
  observedGeneration?: number;
}

/** The fields of a status that this runtime writes itself; all others are the controller's. */
export interface RuntimeStatus {
  observedGeneration?: number;
  managedBy?: string;
  conditions?: Condition[];
}

export function conditionOf(status: RuntimeStatus | undefined, type: string): Condition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

/** RFC 3339 in whole seconds, as metav1.Time is. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}
