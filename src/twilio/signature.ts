/**
 * This file makes and checks Twilio's signatures (`X-Twilio-Signature`). The SDK's own check is not used: it needs the token, which the
 * receiver does not have (ADR 8), and it does not drop fragment and user from the URL. Tests compare our check with the check of the SDK.
 */

import { createHmac, timingSafeEqual } from "node:crypto";
import { parse, stringify } from "node:querystring";
import type { Pair } from "./form.ts";

/**
 * The bytes that Twilio signs: the URL, followed by the name and value of each parameter. The parameters are sorted by name (UTF-16 code
 * units, as in Twilio's libraries). Of a name that comes twice, each different value counts once, sorted. `url` is one of `signatureUrls`.
 * For a GET, whose parameters are in the URL, `pairs` is empty. `latin1` is for `Form.bytes`.
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
  // The URL is always text. Only the parameters can be bytes.
  if (encoding === "utf8") return Buffer.from(url + text, "utf8");
  return Buffer.concat([Buffer.from(url, "utf8"), Buffer.from(text, "latin1")]);
}

/** Compares UTF-16 code units, as Twilio's libraries do. The order of a locale would differ. */
function byNameAndValue([nameA, valueA]: Pair, [nameB, valueB]: Pair): number {
  if (nameA !== nameB) return nameA < nameB ? -1 : 1;
  return valueA === valueB ? 0 : valueA < valueB ? -1 : 1;
}

/**
 * The forms of a configured URL over which a valid signature may be made, the most likely form first. Fragment and user are dropped. Each
 * URL is tried with and without its port and in its normalised form, because Twilio's products and its own libraries differ in that.
 * Callers compute the forms once per URL. A plain URL without a port has two forms.
 */
export function signatureUrls(url: string): string[] {
  const configured = url.replace(/#.*$/s, "");
  const bare = withoutUser(configured);
  // Twilio drops the user from the URL. Its libraries keep the user, and accept what was signed with it.
  return [...new Set([...formsOf(bare), ...(bare === configured ? [] : formsOf(configured))])];
}

/** All spellings of a URL that Twilio's products and libraries are known to use when they sign a request. */
function formsOf(url: string): string[] {
  const normalised = URL.canParse(url) ? withOtherPort(new URL(url).href) : [];
  return [...withOtherPort(url), ...normalised, ...normalised.map(withLegacyQuery)];
}

/** The value of `X-Twilio-Signature` for one form of the URL. */
export function sign(token: string, url: string, pairs: readonly Pair[]): string {
  return createHmac("sha1", token).update(signatureBase(url, pairs)).digest("base64");
}

/**
 * True when the holder of `token` signed this request to the configured `url`. The check takes equally long for every wrong signature, so
 * that its time reveals nothing.
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

/**
 * The URL itself, and the same URL with its port changed: with the standard port of the scheme when it has no port, or without the port
 * that it has.
 */
function withOtherPort(url: string): string[] {
  const match = authority.exec(url);
  if (match === null) return [url];
  const [whole, scheme, user = "", host, port] = match;
  const standard = scheme!.toLowerCase() === "https://" ? ":443" : ":80";
  return [url, scheme + user + host + (port === undefined ? standard : "") + url.slice(whole.length)];
}

/** The URL with its query encoded as by the old querystring module of Node: some back ends of Twilio signed the query in this form. */
function withLegacyQuery(url: string): string {
  const at = url.indexOf("?");
  if (at < 0 || at === url.length - 1) return url;
  return `${url.slice(0, at)}?${stringify(parse(url.slice(at + 1)))}`;
}
