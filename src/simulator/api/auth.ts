import type { Region } from "../state/region.ts";
import type { SimulatedAccount } from "../state/resources.ts";
import { isSid } from "../state/sids.ts";
import { TwilioError } from "./errors.ts";
import type { ApiOperation, Principal } from "./operation.ts";

const unauthorized = (message = "Authenticate") => new TwilioError(401, 20003, message);

/**
 * Reads the user name from the Authorization header. The password is not checked, because the request log and faults cover failed logins,
 * too.
 */
export function userNameOf(header: string | undefined): string | undefined {
  return header === undefined ? undefined : basic(header)?.user;
}

/**
 * Finds the caller. While an auth token is being rotated, the primary and the secondary token both log in. An API key logs in as its
 * account. Throws the same 401 errors as Twilio, which do not say whether the account or the token was wrong.
 */
export function authenticate(header: string | undefined, region: Region): Principal {
  const given = header === undefined ? undefined : basic(header);
  if (given === undefined) throw unauthorized("Authentication Error - No credentials provided");
  const { user, password } = given;
  if (!isSid(user, "AC", "SK")) throw unauthorized("Authentication Error - invalid username");
  const key = region.keys.get(user);
  const account = region.accounts.get(key?.accountSid ?? user);
  if (account === undefined || account.status === "closed" || password === "") throw unauthorized();
  const secrets = key === undefined ? [account.authToken, account.secondaryAuthToken] : [key.secret];
  if (!secrets.includes(password)) throw unauthorized();
  return { account, key };
}

/**
 * Returns the account that the call acts on. Throws when the caller may not do this operation on that account. A parent account may use its
 * subaccounts' paths. The newer APIs have no account in the path and act on the account that logged in, so a parent cannot read a
 * subaccount's Messaging Services with its own credentials.
 */
export function authorize(
  principal: Principal,
  operation: ApiOperation,
  accountSid: string | undefined,
  region: Region,
): SimulatedAccount {
  const { account: caller, key } = principal;
  const account = accountSid === undefined ? caller : region.accounts.get(accountSid);
  if (account === undefined || !mayActOn(principal, account)) throw unauthorized();
  if (key?.kind === "standard" && operation.mainOnly === true) throw unauthorized();
  if (key?.kind === "restricted") checkPermission(key.allow, operation, region);
  // A suspended account can still be fetched: a client must be able to see that it is suspended.
  if (region.isSuspended(account) && operation.name !== "FetchAccount") throw new TwilioError(403, 20005);
  return account;
}

/** An account may act on itself. A parent may also act on its subaccounts, with its token or a main key. */
function mayActOn({ account: caller, key }: Principal, account: SimulatedAccount): boolean {
  if (account.sid === caller.sid) return true;
  return account.ownerAccountSid === caller.sid && (key === undefined || key.kind === "main");
}

/** Restricted keys work in region us1 only. The error names the missing permission, so that the user can add it to the key. */
function checkPermission(allow: string[], operation: ApiOperation, region: Region): void {
  if (region.name !== "us1") throw unauthorized();
  const { permission } = operation;
  if (
    permission !== undefined &&
    allow.some((allowed) => allowed === permission || covers(allowed, permission))
  )
    return;
  throw new TwilioError(
    403,
    70051,
    `Authorization Failed. Required permission: ${permission ?? "none that a restricted key can have"}`,
  );
}

/** A permission that ends in `/*` includes all permissions below it. */
const covers = (allowed: string, permission: string) =>
  allowed.endsWith("/*") && permission.startsWith(allowed.slice(0, -1));

/** Reads Basic credentials. The password may contain colons, the user name may not. */
function basic(header: string): { user: string; password: string } | undefined {
  const match = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(header);
  if (match === null) return undefined;
  const text = Buffer.from(match[1]!, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}
