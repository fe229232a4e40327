/**
 * Which of the Secret's credentials Twilio accepts. Two facts make this less simple than one call: a standard API
 * key may not read the account and gets the same 401 as a wrong one, and a parent account's token opens its
 * subaccounts although it verifies none of their signatures.
 */

import { Failure } from "../errors.ts";
import type { Credentials, Login } from "./credentials.ts";
import type { CredentialCheck } from "./resources.ts";

/** What `GET /Accounts/{sid}` tells. Holds the account's token, so it is never logged and never kept. */
export interface AccountSeen {
  status: string;
  type: string;
  ownerAccountSid: string;
  authToken: string;
}

/** The two calls of a check, made as exactly the login given; they throw Failures. */
export interface CheckCalls {
  fetchAccount(login: Login): Promise<AccountSeen>;
  listOne(login: Login): Promise<void>;
}

/** The API key is refused while a token is fine: REST has to wait, signatures need not. */
export class KeyRefused extends Failure {
  /** Tokens that Twilio accepts, in the Secret's order. */
  readonly acceptedTokens: readonly string[];

  constructor({ reason, message, cause }: Failure, acceptedTokens: readonly string[]) {
    super(
      reason,
      reason === "TwilioUnauthorized"
        ? "Twilio refused apiKeySid and apiKeySecret (401); keys differ by account and by region"
        : message,
      { cause },
    );
    this.acceptedTokens = acceptedTokens;
  }
}

/** What Twilio says of one token. */
type TokenAnswer = { accepted: true; account: AccountSeen } | { accepted: false; failure: Failure };

/**
 * Asks Twilio about each of the Secret's credentials by itself: one that is never tried alone turns out to be wrong
 * on the day when it is needed. Tokens are asked about also where an API key does the work, since signatures are
 * made with them.
 */
export async function checkCredentials(
  credentials: Credentials,
  calls: CheckCalls,
): Promise<CredentialCheck> {
  const { accountSid, authToken, secondaryAuthToken } = credentials;
  const [primary, secondary, refusedKey] = await Promise.all([
    askToken(accountSid, authToken, calls),
    secondaryAuthToken === undefined ? undefined : askToken(accountSid, secondaryAuthToken, calls),
    askKey(credentials, calls),
  ]);
  const account = primary.accepted
    ? primary.account
    : secondary?.accepted === true
      ? secondary.account
      : undefined;
  // No token works, and the first one's refusal is what a person mends first.
  if (account === undefined) throw (primary as TokenAnswer & { accepted: false }).failure;
  if (account.status !== "active")
    throw new Failure(
      "AccountSuspended",
      "the Twilio account is not active; reactivate it in Twilio's console",
    );
  const isSubaccount = account.ownerAccountSid !== accountSid;
  if (isSubaccount) await refuseParentsToken(credentials, account, calls);
  if (refusedKey !== undefined) {
    const accepted = [
      primary.accepted ? [authToken] : [],
      secondary?.accepted === true ? [secondaryAuthToken!] : [],
    ];
    throw new KeyRefused(refusedKey, accepted.flat());
  }
  return {
    authToken: primary.accepted ? "accepted" : "refused",
    ...(secondary === undefined ? {} : { secondaryAuthToken: secondary.accepted ? "accepted" : "refused" }),
    ...(credentials.apiKeySid === undefined ? {} : { apiKey: "accepted" }),
    promoted: !primary.accepted,
    accountStatus: "active",
    type: account.type,
    ...(isSubaccount ? { ownerAccountSid: account.ownerAccountSid } : {}),
  };
}

/** Only a 401 is an answer about the token; any other failure says nothing about it. */
async function askToken(user: string, password: string, { fetchAccount }: CheckCalls): Promise<TokenAnswer> {
  try {
    return { accepted: true, account: await fetchAccount({ user, password }) };
  } catch (error) {
    if (error instanceof Failure && error.reason === "TwilioUnauthorized")
      return { accepted: false, failure: error };
    throw error;
  }
}

/**
 * A standard key may not read the account (401, as a wrong key gets), so it is asked for one number. Returns the
 * refusal.
 */
async function askKey(
  { apiKeySid, apiKeySecret }: Credentials,
  { listOne }: CheckCalls,
): Promise<Failure | undefined> {
  if (apiKeySid === undefined || apiKeySecret === undefined) return undefined;
  try {
    await listOne({ user: apiKeySid, password: apiKeySecret });
    return undefined;
  } catch (error) {
    if (!(error instanceof Failure) || error.class === "transient") throw error;
    return error;
  }
}

/**
 * A parent's token opens its subaccounts too, but Twilio signs a subaccount's webhooks with the subaccount's own
 * token. That one is in Twilio's answer; where the Secret holds another, it is either the second of a rotation or
 * the parent's, and a request as the parent tells which.
 */
async function refuseParentsToken(
  credentials: Credentials,
  account: AccountSeen,
  calls: CheckCalls,
): Promise<void> {
  const ours = [credentials.authToken, credentials.secondaryAuthToken];
  if (account.authToken === "" || ours.includes(account.authToken)) return;
  const asParent = await askToken(account.ownerAccountSid, credentials.authToken, calls);
  if (!asParent.accepted) return;
  throw new Failure(
    "SubaccountNeedsOwnToken",
    "authToken is the parent account's; write the subaccount's own, with which Twilio signs its texts",
  );
}
