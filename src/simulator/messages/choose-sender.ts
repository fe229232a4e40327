import type { Region } from "../state/region.ts";
import { canText, senderAddress } from "../state/sender.ts";

/** The pool's senders that can send, the same one for the same customer. */
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
