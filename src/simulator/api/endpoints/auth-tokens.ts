import { newSecret } from "../../state/sids.ts";
import { iso8601 } from "../dates.ts";
import { notFound } from "../errors.ts";
import {
  type ApiCall,
  type ApiOperation,
  created,
  noContent,
  ok,
  type SimulatorContext,
} from "../operation.ts";
import { twilioUrl } from "../paging.ts";

/**
 * Operations that rotate an account's auth token. As soon as a secondary token exists, both tokens log in, but only the primary token signs
 * webhooks. `Promote` makes the secondary token the primary one; from then on the old token neither logs in nor signs.
 */
export const authTokenOperations: ApiOperation[] = [
  {
    name: "CreateSecondaryAuthToken",
    product: "accounts",
    method: "POST",
    path: "/v1/AuthTokens/Secondary",
    mainOnly: true,
    handle(call, context) {
      // A second POST replaces the secondary token. This is an assumption, see docs/simulator.md.
      const token = newSecret();
      call.account.secondaryAuthToken = token;
      return created({ ...render(call, context, "Secondary"), secondary_auth_token: token });
    },
  },
  {
    name: "DeleteSecondaryAuthToken",
    product: "accounts",
    method: "DELETE",
    path: "/v1/AuthTokens/Secondary",
    mainOnly: true,
    handle(call) {
      secondary(call);
      call.account.secondaryAuthToken = undefined;
      return noContent;
    },
  },
  {
    name: "UpdateAuthTokenPromotion",
    product: "accounts",
    method: "POST",
    path: "/v1/AuthTokens/Promote",
    mainOnly: true,
    handle(call, context) {
      call.account.authToken = secondary(call);
      call.account.secondaryAuthToken = undefined;
      return ok({ ...render(call, context, "Promote"), auth_token: call.account.authToken });
    },
  },
];

/** The account's secondary token. Throws 404 when the account has none, because there is then no token to delete or promote. */
function secondary(call: ApiCall): string {
  const token = call.account.secondaryAuthToken;
  if (token === undefined) throw notFound(call.path);
  return token;
}

function render(call: ApiCall, context: SimulatorContext, name: string): Record<string, unknown> {
  const now = context.clock.now();
  call.account.dateUpdated = now;
  return {
    account_sid: call.account.sid,
    date_created: iso8601(now),
    date_updated: iso8601(now),
    url: twilioUrl(call, "accounts", `/v1/AuthTokens/${name}`),
  };
}
