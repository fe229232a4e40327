/**
 * The calls to Twilio as a table. A call that is added here has its metric, its name in logs and its message for missing rights without
 * further code.
 */

import type { CallNature } from "./fault.ts";
import type { Product } from "./url.ts";

/** What is known of a call before it is made. */
export interface OperationInfo extends CallNature {
  /** The product, which decides the host that the call goes to. */
  product: Product;
  /** The HTTP method. Twilio creates and updates by POST. */
  method: "GET" | "POST";
  /** The key under which the answer holds the list. An answer without this key is not Twilio's. */
  list?: string;
}

/**
 * Every call that this client makes. Logs and metrics show calls by these names and never by path or query, which hold SIDs and numbers.
 * `permission` is what a restricted API key needs for the call. The message for error 70051 shows it when the permission is missing.
 */
export const operations = {
  FetchAccount: {
    product: "api",
    method: "GET",
    purpose: "read the account",
    // No restricted key can be allowed to read the account, so no message asks for it: the check of a key lists one number instead.
    permission: "access to the account",
  },
  ListNumbers: {
    product: "api",
    method: "GET",
    list: "incoming_phone_numbers",
    purpose: "list the account's numbers",
    permission: "/twilio/phone-numbers/incoming-phone-numbers/list",
  },
  FetchNumber: {
    product: "api",
    method: "GET",
    purpose: "read a number",
    permission: "/twilio/phone-numbers/incoming-phone-numbers/read",
  },
  UpdateNumber: {
    product: "api",
    method: "POST",
    purpose: "set the number's webhook",
    permission: "/twilio/phone-numbers/incoming-phone-numbers/update",
  },
  ListShortCodes: {
    product: "api",
    method: "GET",
    list: "short_codes",
    purpose: "list the account's short codes",
    permission: "/twilio/messaging/short-codes/list",
  },
  UpdateShortCode: {
    product: "api",
    method: "POST",
    purpose: "set the short code's webhook",
    permission: "/twilio/messaging/short-codes/update",
  },
  ListServices: {
    product: "messaging",
    method: "GET",
    list: "services",
    purpose: "list the account's Messaging Services",
    permission: "/twilio/messaging/services/list",
  },
  ListServiceNumbers: {
    product: "messaging",
    method: "GET",
    list: "phone_numbers",
    purpose: "list the numbers of a Messaging Service",
    permission: "/twilio/messaging/services.phone-numbers/list",
  },
  ListServiceShortCodes: {
    product: "messaging",
    method: "GET",
    list: "short_codes",
    purpose: "list the short codes of a Messaging Service",
    permission: "/twilio/messaging/services.short-codes/list",
  },
  ListConversationsAddresses: {
    product: "conversations",
    method: "GET",
    list: "address_configurations",
    purpose: "list the addresses of Twilio Conversations",
    permission: "/twilio/conversations/configuration.addresses/list",
  },
} as const satisfies Record<string, OperationInfo>;

/** The name of a call that this client makes. */
export type Operation = keyof typeof operations;
