import type { SmsNumberStatus, WorkStreamStatus } from "../api/index.ts";

/**
 * Which process owns a field of the status. The controller owns most fields and `smschannel work` owns the rest;
 * server-side apply keeps the two apart by field manager (ADR 5). Fields that are not listed here belong to neither.
 * Otherwise a controller that is older than a field would find a difference at each attempt, and would write the
 * status again each time.
 */
type Owner = "controller" | "work";

const OF_STREAM: Record<keyof WorkStreamStatus, Owner> = {
  observedGeneration: "controller",
  managedBy: "controller",
  conditions: "controller",
  inboundUrl: "controller",
  fallbackUrl: "controller",
  accountSid: "controller",
  lastValidation: "controller",
  numberRef: "controller",
  conversations: "work",
  // `appliedGeneration` has a part for each process: see OF_APPLIED_GENERATION.
  appliedGeneration: "controller",
};

const OF_APPLIED_GENERATION: Record<keyof NonNullable<WorkStreamStatus["appliedGeneration"]>, Owner> = {
  controller: "controller",
  receiver: "controller",
  work: "work",
};

const OF_NUMBER: Record<keyof SmsNumberStatus, Owner> = {
  observedGeneration: "controller",
  managedBy: "controller",
  conditions: "controller",
  phoneNumberSid: "controller",
  capabilities: "controller",
  messagingServiceSid: "controller",
  configuredUrl: "controller",
  previousWebhook: "controller",
  driftRepairs: "controller",
  lastInboundTime: "work",
};

/** The fields of a WorkStream's status that the controller compares and writes. */
export function ownStreamStatus(status: Record<string, unknown>): Record<string, unknown> {
  const own = controllers(OF_STREAM, status);
  if (own.appliedGeneration === undefined) return own;
  const applied = own.appliedGeneration as Record<string, unknown>;
  return { ...own, appliedGeneration: controllers(OF_APPLIED_GENERATION, applied) };
}

/** The fields of an SmsNumber's status that the controller compares and writes. */
export function ownNumberStatus(status: Record<string, unknown>): Record<string, unknown> {
  return controllers(OF_NUMBER, status);
}

/**
 * Returns the fields that the controller owns. Uses a loop and not Object.entries, because it runs several times in
 * each attempt, for ten thousand objects.
 */
function controllers(owners: Record<string, Owner>, status: Record<string, unknown>) {
  const own: Record<string, unknown> = {};
  for (const field in status) if (owners[field] === "controller") own[field] = status[field];
  return own;
}
