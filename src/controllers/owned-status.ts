/** What of a kind's status this process owns; `smschannel work` owns the rest, and server-side apply keeps the two apart. */

export function ownStreamStatus(status: Record<string, unknown>): Record<string, unknown> {
  const { conversations, appliedGeneration, ...own } = status;
  const { work, ...applied } = (appliedGeneration ?? {}) as Record<string, unknown>;
  return { ...own, ...(appliedGeneration === undefined ? {} : { appliedGeneration: applied }) };
}

export function ownNumberStatus(status: Record<string, unknown>): Record<string, unknown> {
  const { lastInboundTime, ...own } = status;
  return own;
}
