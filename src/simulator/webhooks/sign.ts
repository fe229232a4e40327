import { createHmac } from "node:crypto";

/**
 * The `X-Twilio-Signature` of a webhook: an HMAC of the configured URL without fragment and user, followed by the names and
 * values of a POST's parameters, sorted by name. It shares no code with the receiver that verifies it, so that a mistake in
 * one of them shows.
 */
export function sign(authToken: string, url: string, params: readonly (readonly [string, string])[]): string {
  const sorted = [...params].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const text = signedUrl(url) + sorted.map(([name, value]) => name + value).join("");
  return createHmac("sha1", authToken).update(text, "utf8").digest("base64");
}

/** The URL that Twilio calls and signs: without the fragment, which is for Twilio only, and without user and password. */
export function signedUrl(url: string): string {
  return url.replace(/#.*$/s, "").replace(/^(https?:\/\/)[^/?@]*@/i, "$1");
}
