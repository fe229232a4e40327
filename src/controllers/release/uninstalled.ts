import type { Condition } from "../../api/index.ts";
import type { KubeObject } from "../../kube/resource.ts";
import { timeText } from "../../kube/status/conditions.ts";

/** Fields that stay true when nobody looks after the object any more; all others go with the operator. */
const LASTING = [
  "phoneNumberSid",
  "capabilities",
  "messagingServiceSid",
  "accountSid",
  "driftRepairs",
] as const;
/** True only while the webhook is left at Twilio. */
const WHILE_WIRED = ["configuredUrl", "previousWebhook"] as const;

/** Any of the kinds' statuses. */
type UninstalledStatus = Record<string, unknown> & { conditions?: Condition[] };

/**
 * The last status of an object: every condition Unknown with `OperatorUninstalled`, since nobody knows any more,
 * and without `managedBy`, so that another installation can take it up without force. Pure.
 */
export function uninstalledStatus(
  object: KubeObject,
  { message, wired, now }: { message: string; wired: boolean; now: number },
): UninstalledStatus {
  const before = (object.status ?? {}) as UninstalledStatus;
  // Reconciling and Stalled must go: tools that follow kstatus would wait for them for ever.
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

/** As the Kubernetes conventions ask: the time moves only when the status does. */
function transitionTime(conditions: readonly Condition[], type: string, now: number): string {
  const before = conditions.find((each) => each.type === type);
  return before?.status === "Unknown" ? before.lastTransitionTime : timeText(now);
}
