import type { Condition } from "../../api/index.ts";
import type { KubeObject } from "../../kube/resource.ts";
import { timeText } from "../../kube/status/conditions.ts";

/**
 * Status fields that stay true without an operator. All other fields are removed when the operator is uninstalled.
 */
const LASTING = [
  "phoneNumberSid",
  "capabilities",
  "messagingServiceSid",
  "accountSid",
  "driftRepairs",
] as const;
/** Status fields that are true only while the operator's webhook stays at Twilio. */
const WHILE_WIRED = ["configuredUrl", "previousWebhook"] as const;

/** The status of an object of any kind. */
type UninstalledStatus = Record<string, unknown> & { conditions?: Condition[] };

/**
 * Returns the status that an object keeps when the operator is uninstalled. Every condition is Unknown with the
 * reason `OperatorUninstalled`, because nothing checks the object any more. The status has no `managedBy`, so that
 * another installation can take the object over without force. Pure.
 */
export function uninstalledStatus(
  object: KubeObject,
  { message, wired, now }: { message: string; wired: boolean; now: number },
): UninstalledStatus {
  const before = (object.status ?? {}) as UninstalledStatus;
  // Reconciling and Stalled must be removed: nothing would ever change these conditions, and tools that follow
  // kstatus would wait for a change for ever.
  const named = (before.conditions ?? []).filter(({ type }) => type !== "Reconciling" && type !== "Stalled");
  const types = named.some(({ type }) => type === "Ready")
    ? named.map(({ type }) => type)
    : [...named.map(({ type }) => type), "Ready"];
  const observedGeneration = object.metadata.generation ?? 0;
  const kept = [...LASTING, ...(wired ? WHILE_WIRED : [])].filter((field) => before[field] !== undefined);
  return {
    observedGeneration,
    ...Object.fromEntries(kept.map((field) => [field, before[field]])),
    conditions: types.map((type) => ({
      type,
      status: "Unknown",
      reason: "OperatorUninstalled",
      message,
      observedGeneration,
      lastTransitionTime: transitionTime(named, type, now),
    })),
  };
}

/**
 * The transition time changes only when the status of the condition changes, as the Kubernetes API conventions ask.
 */
function transitionTime(conditions: readonly Condition[], type: string, now: number): string {
  const before = conditions.find((each) => each.type === type);
  return before?.status === "Unknown" ? before.lastTransitionTime : timeText(now);
}
