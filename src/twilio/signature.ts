/**
 * Twilio's signatures (`X-Twilio-Signature`). The SDK's own check needs the token, which the receiver does not have
 * (ADR 8), and does not drop fragment and user; tests hold this one to the SDK's verdict.
 */

import { createHmac, timingSafeEqual } from "node:crypto";
import { parse, stringify } from "node:querystring";
import type { Pair } from "./form.ts";

/**
 * The bytes that Twilio signs: the URL, then each parameter's name and value, sorted by name (UTF-16 code units, as Twilio's
 * libraries do); of a name that comes twice each different value once, sorted. `url` is one of `signatureUrls`; for a GET,
 * whose parameters stand in the URL, `pairs` is empty. `latin1` is for `Form.bytes`.
 * https://www.twilio.com/docs/usage/webhooks/webhooks-security
 */
export function signatureBase(
  url: string,
  pairs: readonly Pair[],
  encoding: "utf8" | "latin1" = "utf8",
): Buffer {
  const sorted = pairs.toSorted(byNameAndValue);
  let text = "";
  for (let i = 0; i < sorted.length; i++) {
    const [name, value] = sorted[i]!;
    const before = sorted[i - 1];
    if (before !== undefined && before[0] === name && before[1] === value) continue;
    text += name + value;
  }
  // The URL is text in either case; only the parameters can be bytes.
  if (encoding === "utf8") return Buffer.from(url + text, "utf8");
  return Buffer.concat([Buffer.from(url, "utf8"), Buffer.from(text, "latin1")]);
}

/** Compares UTF-16 code units, as Twilio's libraries do; a locale's order would differ. */
function byNameAndValue([nameA, valueA]: Pair, [nameB, valueB]: Pair): number {
  if (nameA !== nameB) return nameA < nameB ? -1 : 1;
  return valueA === valueB ? 0 : valueA < valueB ? -1 : 1;
}

/**
 * The forms of a configured URL that a good signature may be over, the most likely first: fragment and user are dropped;
 * with and without port, and as normalised, because Twilio's products and its own libraries differ in that. Computed once
 * per URL: for a plain URL without a port there are two.
 */
export function signatureUrls(url: string): string[] {
  const configured = url.replace(/#.*$/s, "");
  const bare = withoutUser(configured);
  // Twilio drops the user; its libraries do not, and accept what was signed with it.
  return [...new Set([...formsOf(bare), ...(bare === configured ? [] : formsOf(configured))])];
}

/** The forms of one URL that Twilio's products and libraries are known to sign. */
function formsOf(url: string): string[] {
  const normalised = URL.canParse(url) ? withOtherPort(new URL(url).href) : [];
  return [...withOtherPort(url), ...normalised, ...normalised.map(withLegacyQuery)];
}

/** `X-Twilio-Signature` for one form of the URL. */
export function sign(token: string, url: string, pairs: readonly Pair[]): string {
  return createHmac("sha1", token).update(signatureBase(url, pairs)).digest("base64");
}

/**
 * Did the holder of `token` sign this request to the configured `url`? Takes equally long for every wrong
 * signature, so that time tells nothing about it.
 */
export function verify(
  token: string,
  url: string,
  pairs: readonly Pair[],
  signature: string | undefined,
): boolean {
  if (signature === undefined) return false;
  const given = Buffer.from(signature, "utf8");
  let isGood = false;
  for (const candidate of signatureUrls(url)) {
    const wanted = Buffer.from(sign(token, candidate, pairs), "latin1");
    isGood = (wanted.length === given.length && timingSafeEqual(wanted, given)) || isGood;
  }
  return isGood;
}

const authority = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*@)?(\[[^\]/?#]*\]|[^/?#:]*)(:[^/?#]*)?/i;

function withoutUser(url: string): string {
  const match = authority.exec(url);
  if (match === null || match[2] === undefined) return url;
  return match[1]! + url.slice(match[1]!.length + match[2].length);
}

/** The URL, and the same URL with the scheme's port where none stands, or without the one that stands. */
function withOtherPort(url: string): string[] {
  const match = authority.exec(url);
  if (match === null) return [url];
  const [whole, scheme, user = "", host, port] = match;
  const standard = scheme!.toLowerCase() === "https://" ? ":443" : ":80";
  return [url, scheme + user + host + (port === undefined ? standard : "") + url.slice(whole.length)];
}

/** Some of Twilio's back ends signed the query as Node's old querystring module encodes it. */
function withLegacyQuery(url: string): string {
  const at = url.indexOf("?");
  if (at < 0 || at === url.length - 1) return url;
  return `${url.slice(0, at)}?${stringify(parse(url.slice(at + 1)))}`;
}
