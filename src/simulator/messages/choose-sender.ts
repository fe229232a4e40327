import type { Region } from "../state/region.ts";
import { canText, senderAddress } from "../state/sender.ts";

/**
 * The sender of a Messaging Service for this customer. It is always the same sender while the pool does not change, so that a conversation
 * stays on one number. Undefined: no sender of the pool can send texts.
 */
export function poolSender(region: Region, serviceSid: string, customer: string): string | undefined {
  const senders = [...region.pool.values()]
    .filter((member) => member.serviceSid === serviceSid)
    .map(({ sid }) => region.numbers.get(sid) ?? region.shortCodes.get(sid))
    .filter((sender) => sender !== undefined)
    .filter(canText)
    .map(senderAddress);
  const spread = [...customer].reduce((sum, char) => sum + char.charCodeAt(0), 0);
  return senders[spread % Math.max(senders.length, 1)];
}
