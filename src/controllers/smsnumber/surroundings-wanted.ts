import type { SmsNumber } from "../../api/index.ts";
import type { Reason } from "../../api/reasons.ts";
import { conditionOf } from "../../kube/conditions.ts";

/** What ends when somebody changes a service, a short code or a Conversations address at Twilio. */
const BY_SURROUNDINGS: ReadonlySet<string> = new Set<Reason>([
  "MessagingServiceDropsInbound",
  "MessagingServiceOverrides",
  "ConversationsOverrides",
  "ComplianceRepliesMissing",
]);

/**
 * Is the number not Ready because of what is read once an hour at rest? Short codes are among that, other numbers are read at each
 * resync anyway. Pure.
 */
export function waitsForSurroundings({ spec, status }: SmsNumber): boolean {
  return ["Accepted", "NumberFound", "InboundUrlReady"].some((type) => {
    const condition = conditionOf(status, type);
    if (condition?.status !== "False") return false;
    return (
      BY_SURROUNDINGS.has(condition.reason) ||
      (condition.reason === "NumberNotInAccount" && spec.type === "ShortCode")
    );
  });
}
