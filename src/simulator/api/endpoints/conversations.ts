import type { ConversationAddress } from "../../state/resources.ts";
import { iso8601 } from "../dates.ts";
import { notFound } from "../errors.ts";
import { type ApiCall, type ApiOperation, ok } from "../operation.ts";
import { pageV1, twilioUrl } from "../paging.ts";

/**
 * Twilio Conversations' address configurations, read only. While an address configuration is enabled, Conversations receives the texts that
 * are sent to its number, and Twilio does not call the number's own webhook. The controller reads the configurations to warn about that.
 */
export const conversationOperations: ApiOperation[] = [
  {
    name: "ListConfigurationAddress",
    product: "conversations",
    method: "GET",
    path: "/v1/Configuration/Addresses",
    permission: "/twilio/conversations/configuration.addresses/list",
    handle(call) {
      const type = call.query.get("Type");
      const rows = call.region.addresses
        .ofAccount(call.account.sid)
        .filter((row) => type === null || row.type === type);
      return pageV1(call, { product: "conversations", key: "address_configurations" }, rows, (row) =>
        render(call, row),
      );
    },
  },
  {
    name: "FetchConfigurationAddress",
    product: "conversations",
    method: "GET",
    path: "/v1/Configuration/Addresses/{Sid}",
    permission: "/twilio/conversations/configuration.addresses/read",
    handle(call) {
      // The path may name the address, such as a phone number, in place of the SID.
      const wanted = decodeURIComponent(call.params.Sid!);
      const rows = call.region.addresses.ofAccount(call.account.sid);
      const found = rows.find(({ sid, address }) => sid === wanted || address === wanted);
      if (found === undefined) throw notFound(call.path);
      return ok(render(call, found));
    },
  },
];

function render(call: ApiCall, row: ConversationAddress): Record<string, unknown> {
  const { enabled, type, webhookUrl } = row.autoCreation;
  return {
    sid: row.sid,
    account_sid: row.accountSid,
    type: row.type,
    address: row.address,
    friendly_name: row.friendlyName || null,
    address_country: "US",
    auto_creation: {
      enabled,
      type,
      conversation_service_sid: null,
      webhook_url: webhookUrl || null,
      webhook_method: "POST",
      webhook_filters: [],
    },
    date_created: iso8601(row.dateCreated),
    date_updated: iso8601(row.dateUpdated),
    url: twilioUrl(call, "conversations", `/v1/Configuration/Addresses/${row.sid}`),
  };
}
