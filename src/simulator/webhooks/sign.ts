import { createHmac } from "node:crypto";

/**
 * Computes the `X-Twilio-Signature` of a webhook: an HMAC of the configured URL without fragment and user, followed by the names and values
 * of a POST's parameters, sorted by name. This function shares no code with the receiver that verifies the signature, so that a mistake on
 * either side shows.
 */
export function sign(authToken: string, url: string, params: readonly (readonly [string, string])[]): string {
  const sorted = [...params].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const text = signedUrl(url) + sorted.map(([name, value]) => name + value).join("");
  return createHmac("sha1", authToken).update(text, "utf8").digest("base64");
}

/** The URL that Twilio calls and signs. It has no fragment, which is for Twilio only, and no user name and password. */
export function signedUrl(url: string): string {
  return url.replace(/#.*$/s, "").replace(/^(https?:\/\/)[^/?@]*@/i, "$1");
}
