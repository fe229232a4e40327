import type { Region } from "../state/region.ts";
import type { HttpMethod, SimulatedSender, SmsWebhooks } from "../state/resources.ts";
import { senderAddress } from "../state/sender.ts";

export interface WebhookTarget {
  url: string;
  method: HttpMethod;
  fallbackUrl: string;
  fallbackMethod: HttpMethod;
}

/** Where a text to one of our numbers goes. */
export type Destination =
  | { to: "number" | "application" | "service"; target: WebhookTarget }
  | { to: "conversation"; target: WebhookTarget | undefined }
  /** There is nothing to call; the text is in the log all the same. */
  | { to: "nowhere" }
  /** Its Messaging Service takes no inbound texts: Twilio does not even log them. */
  | { to: "dropped" };

/**
 * Decides who gets a text: Conversations, then the Messaging Service unless it defers to its senders, then the number's
 * application, then the number's own URL.
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
  // Even an application without a URL takes the number's own one out of play.
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
