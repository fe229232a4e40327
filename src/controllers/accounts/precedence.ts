import type { Reason } from "../../api/reasons.ts";

/**
 * A setting at Twilio that takes the texts of a number before Twilio calls the webhook of the number. See the
 * references of the Messaging Service (use_inbound_webhook_on_number, inbound_request_url) and of the Conversations
 * address configuration:
 * https://www.twilio.com/docs/messaging/api/service-resource,
 * https://www.twilio.com/docs/conversations/api/address-configuration-resource
 */
export type Override =
  /** Twilio does not call the webhook of the number, but the texts still come to the route of the number. */
  { kind: "routesHere" } | { kind: "elsewhere"; reason: Reason; message: string };

/** The Messaging Service that a number is in, reduced to what matters for incoming texts. */
export interface ServiceMembership {
  serviceSid: string;
  /** Whether “Defer to sender's webhook” is turned on in the service. */
  usesNumbersWebhook: boolean;
  inboundUrl: string;
}

/** The settings at Twilio that can take the texts of one number. */
export interface PrecedenceInput {
  service: ServiceMembership | undefined;
  /** Whether a Conversations address with autocreation exists for this number. */
  conversationsAddress: boolean;
  /** Whether `url` (without its fragment) is the current URL of the number's route. */
  isThisRoute(url: string): boolean;
  hostOf(url: string): string;
}

/**
 * Returns the setting that takes the texts of this number before its own webhook, or undefined if there is none.
 * Conversations are checked first: a Conversations address takes a text whatever the Messaging Service says. Pure.
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
  // Services that are made in the console of Twilio have "Defer to sender's webhook" turned on.
  if (service === undefined || service.usesNumbersWebhook) return undefined;
  // A service that has no URL and does not defer drops incoming texts. Twilio does not even log these texts.
  if (service.inboundUrl === "")
    return elsewhere(
      "MessagingServiceDropsInbound",
      `Messaging Service ${service.serviceSid} drops incoming texts; turn on “Defer to sender's webhook” there`,
    );
  // A user set the URL of the number's route in the service. Texts reach the route that way too.
  if (isThisRoute(service.inboundUrl.split("#")[0]!)) return { kind: "routesHere" };
  return elsewhere(
    "MessagingServiceOverrides",
    `Messaging Service ${service.serviceSid} sends incoming texts to ${hostOf(service.inboundUrl)}; turn on “Defer to sender's webhook” there`,
  );
}

const elsewhere = (reason: Reason, message: string): Override => ({ kind: "elsewhere", reason, message });
