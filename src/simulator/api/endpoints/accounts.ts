import type { ApiKey, SimulatedAccount } from "../../state/resources.ts";
import { newSecret } from "../../state/sids.ts";
import { rfc2822 } from "../dates.ts";
import { notFound } from "../errors.ts";
import { noteUnknown } from "../form.ts";
import { type ApiCall, type ApiOperation, created, noContent, ok } from "../operation.ts";
import { page2010 } from "../paging.ts";

const keys = "/2010-04-01/Accounts/{AccountSid}/Keys";

/** Reads accounts; reads, creates and deletes their API keys. Twilio refuses all of these operations to standard keys. */
export const accountOperations: ApiOperation[] = [
  {
    name: "FetchAccount",
    product: "api",
    method: "GET",
    path: "/2010-04-01/Accounts/{AccountSid}.json",
    mainOnly: true,
    handle: (call) => ok(renderAccount(call.account)),
  },
  {
    name: "ListAccount",
    product: "api",
    method: "GET",
    path: "/2010-04-01/Accounts.json",
    mainOnly: true,
    handle: (call) => page2010(call, "accounts", family(call), renderAccount),
  },
  {
    name: "ListKey",
    product: "api",
    method: "GET",
    path: `${keys}.json`,
    mainOnly: true,
    handle: (call) => page2010(call, "keys", call.region.keys.ofAccount(call.account.sid), renderKey),
  },
  {
    name: "CreateNewKey",
    product: "api",
    method: "POST",
    path: `${keys}.json`,
    mainOnly: true,
    handle(call) {
      const key = createKey(call);
      return created({ ...renderKey(key), secret: key.secret });
    },
  },
  {
    name: "FetchKey",
    product: "api",
    method: "GET",
    path: `${keys}/{Sid}.json`,
    mainOnly: true,
    handle: (call) => ok(renderKey(findKey(call))),
  },
  {
    name: "DeleteKey",
    product: "api",
    method: "DELETE",
    path: `${keys}/{Sid}.json`,
    mainOnly: true,
    handle(call) {
      call.region.keys.remove(findKey(call).sid);
      return noContent;
    },
  },
];

/** The caller's own account and its subaccounts, oldest first, filtered as the query asks. */
function family({ region, account, query }: ApiCall): SimulatedAccount[] {
  return [...region.accounts.values()]
    .filter(({ sid, ownerAccountSid }) => sid === account.sid || ownerAccountSid === account.sid)
    .filter(({ friendlyName }) => (query.get("FriendlyName") ?? friendlyName) === friendlyName)
    .filter(({ status }) => (query.get("Status") ?? status) === status);
}

/** Finds a key of the account in the path. A key of any other account gets 404, also a subaccount's key on its parent's path. */
function findKey(call: ApiCall): ApiKey {
  const key = call.region.keys.of(call.account.sid, call.params.Sid!);
  if (key === undefined) throw notFound(call.path);
  return key;
}

/** The 2010 API creates standard keys only. A key's secret is in the answer to its creation and in no later answer. */
function createKey(call: ApiCall): ApiKey {
  const { region, account, form } = call;
  noteUnknown(call, (name) => name === "FriendlyName");
  const friendlyName = form.get("FriendlyName") ?? "";
  return region.addKey({ accountSid: account.sid, friendlyName, secret: newSecret() });
}

/** The answer contains the auth token, as at Twilio: a client that may read an account may also log in as that account. */
function renderAccount(account: SimulatedAccount): Record<string, unknown> {
  const { sid } = account;
  const under = (name: string) => `/2010-04-01/Accounts/${sid}/${name}.json`;
  return {
    auth_token: account.authToken,
    date_created: rfc2822(account.dateCreated),
    date_updated: rfc2822(account.dateUpdated),
    friendly_name: account.friendlyName,
    owner_account_sid: account.ownerAccountSid,
    sid,
    status: account.status,
    subresource_uris: {
      incoming_phone_numbers: under("IncomingPhoneNumbers"),
      keys: under("Keys"),
      messages: under("Messages"),
    },
    type: account.type,
    uri: `/2010-04-01/Accounts/${sid}.json`,
  };
}

function renderKey(key: ApiKey): Record<string, unknown> {
  return {
    sid: key.sid,
    friendly_name: key.friendlyName,
    date_created: rfc2822(key.dateCreated),
    date_updated: rfc2822(key.dateUpdated),
  };
}
