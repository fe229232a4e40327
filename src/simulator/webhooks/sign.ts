import { createHmac } from "node:crypto";

/**
 * `X-Twilio-Signature` of a webhook: the URL as it is configured, without fragment and user, then for a POST each parameter's
 * name and value, sorted by name. Written apart from the code that verifies, so that one mistake cannot hide in both.
 */
export function sign(authToken: string, url: string, params: readonly (readonly [string, string])[]): string {
  const sorted = [...params].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const text = signedUrl(url) + sorted.map(([name, value]) => name + value).join("");
  return createHmac("sha1", authToken).update(text, "utf8").digest("base64");
}

export function signedUrl(url: string): string {
  return url.replace(/#.*$/s, "").replace(/^(https?:\/\/)[^/?@]*@/i, "$1");
}
