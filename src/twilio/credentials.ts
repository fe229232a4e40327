/**
 * This file reads the Secret of a WorkStream as credentials. People copy these values by hand, between consoles, editors and base64, and
 * most mistakes happen there. So each message says which key is wrong and what to do. No message holds a part of a value, since messages
 * go into a status that many people may read.
 */

import { createHash } from "node:crypto";
import { Failure } from "../errors.ts";
import { spoiled } from "./spoiled.ts";

/** What the Secret of a WorkStream holds, and the region of Twilio where it is valid. */
export interface Credentials {
  accountSid: string;
  /** The token with which Twilio signs webhooks. It is needed even when an API key makes the REST calls. */
  authToken: string;
  /**
   * The other token of a rotation. Both tokens log in from the moment when Twilio creates the second one; only the primary token signs.
   */
  secondaryAuthToken?: string;
  /** An API key, which is used for REST calls instead of the tokens. An API key never signs webhooks. */
  apiKeySid?: string;
  apiKeySecret?: string;
  /**
   * Region and edge are given together or not at all. Without them, the region of Twilio is us1. Tokens and webhooks differ by region.
   */
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

/** The keys of the Secret that are read. The operator ignores all other keys. */
export const CREDENTIAL_KEYS = [
  "accountSid",
  "authToken",
  "secondaryAuthToken",
  "apiKeySid",
  "apiKeySecret",
] as const;

/**
 * The form of a region and of an edge. They become parts of a host name and must not be able to end it, so no dot, slash, colon or @ is
 * allowed.
 */
export const HOST_LABEL = /^[a-z][a-z0-9-]{0,30}$/;

/**
 * Reads the decoded data of a Secret. Only trailing line breaks are cut off, which editors and `echo` leave behind. Anything else that
 * happened to a value is reported (spoiled.ts), since a guess could send a wrong token to Twilio. Throws a Failure SecretKeyMissing or
 * AccountSidMalformed.
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
  if (sid === undefined) throw missing("apiKeySid", "apiKeySecret is set without it");
  if (secret === undefined) throw missing("apiKeySecret", "apiKeySid is set without it");
  refuseMalformed("apiKeySid", sid, "SK");
  return { apiKeySid: sid, apiKeySecret: secret };
}

/**
 * Checks region and edge, although the CRD checks them as well. They become parts of a host name, and without this check a malformed name
 * could send the token to another host.
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

/** Throws for a token that is certainly wrong. Twilio does not document the form of a token, so nothing else is refused. */
function refuseSpoiled(key: string, value: string | undefined): void {
  if (value === undefined) return;
  const why = spoiled(value) ?? sidInstead(value);
  if (why !== undefined) throw new Failure("SecretKeyMissing", `${key} in the Secret ${why}`);
}

/** Reports a SID in the place of a token, which is the most common mix-up. */
const sidInstead = (value: string) =>
  SID.accountSid.test(value) || SID.apiKeySid.test(value)
    ? "is a SID, which names an account or a key; write the token or secret that belongs to it"
    : undefined;

/**
 * Cuts off line breaks at the end. This is a loop, since a regular expression that ends with $ would start again at each of a thousand
 * line breaks.
 */
function withoutLineBreaks(text: string): string {
  let end = text.length;
  while (end > 0 && (text[end - 1] === "\n" || text[end - 1] === "\r")) end--;
  return text.slice(0, end);
}

function missing(key: string, why = "it is missing or empty"): Failure {
  return new Failure("SecretKeyMissing", `the Secret needs the key ${key}: ${why}`);
}

/**
 * Names a secret without revealing it, for cache keys and metrics. The name is one-way as long as the secret cannot be guessed, which
 * holds for the 128 random bits of Twilio's secrets. Log the name alone, never next to what it was made from.
 */
export function fingerprint(accountSid: string, secret: string, region?: string): string {
  const hash = createHash("sha256").update("smschannel twilio credentials 1");
  // The length of each part is hashed as well, so that no two different lists of parts run together into the same text.
  for (const part of [accountSid, region ?? "", secret]) hash.update(`\0${part.length}:${part}`);
  return hash.digest("hex").slice(0, 24);
}

/** The fingerprint of everything that a client is made from: any change makes another client with its own caches. */
export function fingerprintOf(credentials: Credentials): string {
  const { accountSid, authToken, secondaryAuthToken, apiKeySid, apiKeySecret, region, edge } = credentials;
  const secrets = [authToken, secondaryAuthToken ?? "", apiKeySid ?? "", apiKeySecret ?? "", edge ?? ""];
  return fingerprint(accountSid, JSON.stringify(secrets), region);
}

/**
 * The logins for REST calls, in the order in which they are tried. With an API key, the key is the only login: a user who restricts a key
 * does not want the operator to fall back to the token, since a token may do everything.
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
