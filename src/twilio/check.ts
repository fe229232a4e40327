/**
 * Finds out which credentials of the Secret Twilio accepts. Two facts make this less simple than one call. A standard API key may not read
 * the account and gets the same 401 as a wrong key. And the token of a parent account opens its subaccounts, although Twilio signs their
 * webhooks with other tokens.
 */

import { Failure } from "../errors.ts";
import type { Credentials, Login } from "./credentials.ts";
import type { CredentialCheck } from "./resources.ts";

/** What `GET /Accounts/{sid}` returns. It holds the token of the account, so it is never logged and never kept. */
export interface AccountSeen {
  status: string;
  type: string;
  ownerAccountSid: string;
  authToken: string;
}

/** The two calls of a check, each made with exactly the given login. They throw Failures. */
export interface CheckCalls {
  fetchAccount(login: Login): Promise<AccountSeen>;
  listOne(login: Login): Promise<void>;
}

/**
 * The failure when the API key is refused while a token is accepted. Then the REST calls have to wait, but signatures can still be
 * verified.
 */
export class KeyRefused extends Failure {
  /** The tokens that Twilio accepts, in the order of the Secret. */
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

/** What Twilio answers about one token. */
type TokenAnswer = { accepted: true; account: AccountSeen } | { accepted: false; failure: Failure };

/**
 * Asks Twilio about each of the credentials by itself: a token that is never tried alone would turn out to be wrong only on the day when
 * it is needed. Tokens are also tried when an API key makes the REST calls, since signatures are made with tokens.
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
  // No token works. We report the refusal of the first token, because a person should fix this token first.
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

/** Tries one token. Only a 401 is an answer about the token; any other failure says nothing about it. */
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
 * Tries the API key by listing one number, because a standard key may not read the account and would get the 401 of a wrong key. Returns
 * the refusal. Returns undefined when the key is accepted or when there is no key.
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
 * Throws when `authToken` is the token of the parent account. Such a token opens the subaccount too, but Twilio signs the webhooks of a
 * subaccount with the subaccount's own token. The answer of Twilio holds that own token. When the Secret holds a different token, it is
 * either the second token of a rotation or the token of the parent. A request as the parent shows which of the two it is.
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
    "authToken is the token of the parent account; write the subaccount's own token, with which Twilio signs its texts",
  );
}
