import type { Region } from "../state/region.ts";
import type { HttpMethod, SimulatedSender, SmsWebhooks } from "../state/resources.ts";
import { senderAddress } from "../state/sender.ts";

/** A configured webhook. `fallbackUrl` is "" when there is no fallback. */
export interface WebhookTarget {
  url: string;
  method: HttpMethod;
  fallbackUrl: string;
  fallbackMethod: HttpMethod;
}

/** Where an inbound text goes. */
export type Destination =
  | { to: "number" | "application" | "service"; target: WebhookTarget }
  | { to: "conversation"; target: WebhookTarget | undefined }
  /** No webhook is configured. The text is logged all the same. */
  | { to: "nowhere" }
  /** The Messaging Service has no webhook: Twilio drops the text and does not even log it. */
  | { to: "dropped" };

/**
 * Decides where an inbound text goes. Twilio looks for a destination in this order: Conversations, the Messaging Service (unless it defers
 * to its senders), the number's TwiML application, the number's own URL. Twilio uses only the first of these that is configured, even when
 * its webhook fails.
 */
export function destinationOf(sender: SimulatedSender, region: Region): Destination {
  const address = senderAddress(sender);
  const conversation = [...region.addresses].find(
    (row) => row.address === address && row.autoCreation.enabled,
  );
  if (conversation !== undefined) return conversationDestination(conversation.autoCreation.webhookUrl);
  const service = region.serviceOf(sender.sid);
  if (service !== undefined && !service.useInboundWebhookOnNumber) {
    if (service.inboundRequestUrl === null) return { to: "dropped" };
    const { inboundRequestUrl: url, inboundMethod: method, fallbackMethod } = service;
    return { to: "service", target: { url, method, fallbackUrl: service.fallbackUrl ?? "", fallbackMethod } };
  }
  const sid = "smsApplicationSid" in sender ? sender.smsApplicationSid : "";
  const application = sid === "" ? undefined : region.applications.of(sender.accountSid, sid);
  // An application without a URL still overrides the number's own URL.
  return application === undefined ? own("number", sender) : own("application", application);
}

function own(to: "number" | "application", from: SmsWebhooks): Destination {
  if (from.smsUrl === "") return { to: "nowhere" };
  const {
    smsUrl: url,
    smsMethod: method,
    smsFallbackUrl: fallbackUrl,
    smsFallbackMethod: fallbackMethod,
  } = from;
  return { to, target: { url, method, fallbackUrl, fallbackMethod } };
}

function conversationDestination(url: string): Destination {
  const target = { url, method: "POST", fallbackUrl: "", fallbackMethod: "POST" } as const;
  return { to: "conversation", target: url === "" ? undefined : target };
}
