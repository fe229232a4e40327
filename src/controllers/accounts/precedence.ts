import type { Reason } from "../../api/reasons.ts";

/**
 * What at Twilio takes a number's texts before its own webhook is asked. From the Messaging Service reference
 * (use_inbound_webhook_on_number, inbound_request_url) and the Conversations address configuration:
 * https://www.twilio.com/docs/messaging/api/service-resource, https://www.twilio.com/docs/conversations/api/address-configuration-resource
 */
export type Override =
  /** Not the number's webhook, but texts come to this route all the same. */
  { kind: "routesHere" } | { kind: "elsewhere"; reason: Reason; message: string };

/** The Messaging Service that a number is in, as far as incoming texts are concerned. */
export interface ServiceMembership {
  serviceSid: string;
  /** “Defer to sender's webhook”. */
  usesNumbersWebhook: boolean;
  inboundUrl: string;
}

/** What surrounds one number. */
export interface PrecedenceInput {
  service: ServiceMembership | undefined;
  /** A Conversations address with autocreation exists for this number. */
  conversationsAddress: boolean;
  /** Is this URL (without fragment) the current one of this number's route? */
  isThisRoute(url: string): boolean;
  hostOf(url: string): string;
}

/**
 * What takes this number's texts before its own webhook, or undefined. Conversations first: an address there takes
 * the text whatever the service says. Pure.
 */
export function overrideOf({
  service,
  conversationsAddress,
  isThisRoute,
  hostOf,
}: PrecedenceInput): Override | undefined {
  if (conversationsAddress)
    return elsewhere(
      "ConversationsOverrides",
      "a Twilio Conversations address takes this number's texts; remove its autocreation at Twilio",
    );
  // "Defer to sender's webhook" is what services made in Twilio's console have.
  if (service === undefined || service.usesNumbersWebhook) return undefined;
  // A service without a URL that does not defer drops incoming texts; Twilio does not even log them.
  if (service.inboundUrl === "")
    return elsewhere(
      "MessagingServiceDropsInbound",
      `Messaging Service ${service.serviceSid} drops incoming texts; turn on “Defer to sender's webhook” there`,
    );
  // Somebody pointed the service at our URL, which works as well.
  if (isThisRoute(service.inboundUrl.split("#")[0]!)) return { kind: "routesHere" };
  return elsewhere(
    "MessagingServiceOverrides",
    `Messaging Service ${service.serviceSid} sends incoming texts to ${hostOf(service.inboundUrl)}; turn on “Defer to sender's webhook” there`,
  );
}

const elsewhere = (reason: Reason, message: string): Override => ({ kind: "elsewhere", reason, message });
