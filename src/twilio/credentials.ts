/**
 * A WorkStream's Secret as credentials. People copy these values by hand, between consoles, editors and base64, so
 * most of what goes wrong with them goes wrong here, and each message says which key is wrong and what to do. No
 * message holds a part of a value, since it goes into a status that many may read.
 */

import { createHash } from "node:crypto";
import { Failure } from "../errors.ts";
import { spoiled } from "./spoiled.ts";

/** What a WorkStream's Secret holds, and where at Twilio it is valid. */
export interface Credentials {
  accountSid: string;
  /** Twilio signs webhooks with it, so it is needed even where an API key does the REST calls. */
  authToken: string;
  /** The other token of a rotation. Both log in from the moment when Twilio makes it; only the primary signs. */
  secondaryAuthToken?: string;
  /** Used for REST instead of the tokens. An API key never signs webhooks. */
  apiKeySid?: string;
  apiKeySecret?: string;
  /** Both or neither; without them Twilio's us1. Tokens and webhooks differ by region. */
  region?: string;
  edge?: string;
}

/** The region and edge of a WorkStream's spec. */
export interface Where {
  region?: string;
  edge?: string;
}

/** User name and password of HTTP Basic authentication. */
export interface Login {
  user: string;
  password: string;
}

/** The form of Twilio's SIDs: two letters and 32 hexadecimal digits. */
const SID = { accountSid: /^AC[0-9a-fA-F]{32}$/, apiKeySid: /^SK[0-9a-fA-F]{32}$/ } as const;

/** The keys of a Secret that are read; all others are somebody else's. */
export const CREDENTIAL_KEYS = [
  "accountSid",
  "authToken",
  "secondaryAuthToken",
  "apiKeySid",
  "apiKeySecret",
] as const;

/** Region and edge become parts of a host name, so they must not be able to end it: no dot, slash, colon or @. */
export const HOST_LABEL = /^[a-z][a-z0-9-]{0,30}$/;

/**
 * Reads a Secret's decoded data. Only trailing line breaks are cut off, which editors and `echo` leave behind;
 * anything else that happened to a value is reported (spoiled.ts), since guessing could send a wrong token. Throws
 * Failure SecretKeyMissing or AccountSidMalformed.
 */
export function parseCredentials(data: Record<string, string>, where: Where): Credentials {
  const value = (key: string) => {
    const text = Object.hasOwn(data, key) ? withoutLineBreaks(data[key]!) : "";
    return text === "" ? undefined : text;
  };
  const accountSid = value("accountSid");
  const authToken = value("authToken");
  if (accountSid === undefined) throw missing("accountSid");
  if (authToken === undefined) throw missing("authToken");
  refuseMalformed("accountSid", accountSid, "AC");
  for (const key of ["authToken", "secondaryAuthToken", "apiKeySecret"]) refuseSpoiled(key, value(key));
  const secondaryAuthToken = value("secondaryAuthToken");
  return {
    accountSid,
    authToken,
    ...(secondaryAuthToken === undefined ? {} : { secondaryAuthToken }),
    ...apiKey(value("apiKeySid"), value("apiKeySecret")),
    ...place(where),
  };
}

function apiKey(sid: string | undefined, secret: string | undefined) {
  if (sid === undefined && secret === undefined) return {};
  if (sid === undefined) throw missing("apiKeySid", "apiKeySecret is there without it");
  if (secret === undefined) throw missing("apiKeySecret", "apiKeySid is there without it");
  refuseMalformed("apiKeySid", sid, "SK");
  return { apiKeySid: sid, apiKeySecret: secret };
}

/**
 * The CRD refuses these too. A client that trusts its caller would send the token to any host that a name can be
 * bent to.
 */
function place({ region, edge }: Where): Where {
  if (region === undefined && edge === undefined) return {};
  if (region === undefined || edge === undefined || !HOST_LABEL.test(region) || !HOST_LABEL.test(edge))
    throw new Failure(
      "TwilioRejected",
      "region and edge must be given together, as lower-case names such as ie1 and dublin",
    );
  return { region, edge };
}

function refuseMalformed(key: keyof typeof SID, value: string, prefix: string): void {
  if (SID[key].test(value)) return;
  const why = spoiled(value);
  throw new Failure(
    "AccountSidMalformed",
    why === undefined
      ? `${key} in the Secret is not ${prefix} and 32 hexadecimal digits; copy it from Twilio's console`
      : `${key} in the Secret ${why}`,
  );
}

/** A token's form is not documented by Twilio, so only what is certainly wrong is refused. */
function refuseSpoiled(key: string, value: string | undefined): void {
  if (value === undefined) return;
  const why = spoiled(value) ?? sidInstead(value);
  if (why !== undefined) throw new Failure("SecretKeyMissing", `${key} in the Secret ${why}`);
}

/** A SID in a token's place is the most common mix-up of all. */
const sidInstead = (value: string) =>
  SID.accountSid.test(value) || SID.apiKeySid.test(value)
    ? "is a SID, which names an account or a key; write the token or secret that belongs to it"
    : undefined;

/** A loop, since a pattern that ends with $ begins anew at each of a thousand line breaks. */
function withoutLineBreaks(text: string): string {
  let end = text.length;
  while (end > 0 && (text[end - 1] === "\n" || text[end - 1] === "\r")) end--;
  return text.slice(0, end);
}

function missing(key: string, why = "it is missing or empty"): Failure {
  return new Failure("SecretKeyMissing", `the Secret needs the key ${key}: ${why}`);
}

/**
 * Names a secret without telling it, for cache keys and metrics. One-way as long as the secret cannot be guessed,
 * which holds for what Twilio makes (128 random bits). Log it alone, never next to what it was made from.
 */
export function fingerprint(accountSid: string, secret: string, region?: string): string {
  const hash = createHash("sha256").update("smschannel twilio credentials 1");
  // With the length of each part, so that no two lists of parts run together into the same text.
  for (const part of [accountSid, region ?? "", secret]) hash.update(`\0${part.length}:${part}`);
  return hash.digest("hex").slice(0, 24);
}

/** Of everything that a client is made from: any change makes another client with caches of its own. */
export function fingerprintOf(credentials: Credentials): string {
  const { accountSid, authToken, secondaryAuthToken, apiKeySid, apiKeySecret, region, edge } = credentials;
  const secrets = [authToken, secondaryAuthToken ?? "", apiKeySid ?? "", apiKeySecret ?? "", edge ?? ""];
  return fingerprint(accountSid, JSON.stringify(secrets), region);
}

/**
 * The logins for REST, in the order in which they are tried. With an API key only that: a user who restricts a key
 * does not want the operator to fall back to the token, which may do everything.
 */
export function loginsOf({
  accountSid,
  authToken,
  secondaryAuthToken,
  apiKeySid,
  apiKeySecret,
}: Credentials): Login[] {
  if (apiKeySid !== undefined && apiKeySecret !== undefined)
    return [{ user: apiKeySid, password: apiKeySecret }];
  const tokens = secondaryAuthToken === undefined ? [authToken] : [authToken, secondaryAuthToken];
  return tokens.map((password) => ({ user: accountSid, password }));
}
