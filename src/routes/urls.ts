import type { RouteUrls } from "./route.ts";

// The layout of our URLs, `{base}/{kind}/{namespace}/{stream}`, is known here and nowhere else. Numbers at Twilio point at these
// URLs: another layout would need every number pointed anew, and the old one kept for as long as one points at it.

/** What a request to a URL is about: a text, a text that Twilio sends a second way after the first failed, or a text's delivery. */
export type UrlKind = keyof RouteUrls;

/** The two ways in, each without a slash at its end. */
export interface PublicUrls {
  publicUrl: string;
  /** What Twilio calls after `publicUrl` failed; the same unless FALLBACK_PUBLIC_URL is set. */
  fallbackPublicUrl: string;
}

/** From the settings. Checks nothing: `publicUrlProblem` does that. */
export function publicUrls(publicUrl: string, fallbackPublicUrl: string | undefined): PublicUrls {
  return { publicUrl: trim(publicUrl), fallbackPublicUrl: trim(fallbackPublicUrl ?? publicUrl) };
}

const trim = (url: string) => url.replace(/\/+$/, "");

/** The URLs of one stream. They depend on its name alone, so that restarts, new Secrets and new accounts leave them as they are. */
export function urlsOf(
  { publicUrl, fallbackPublicUrl }: PublicUrls,
  namespace: string,
  stream: string,
): RouteUrls {
  const path = streamPath(namespace, stream);
  return {
    inbound: `${publicUrl}/inbound/${path}`,
    fallback: `${fallbackPublicUrl}/fallback/${path}`,
    status: `${publicUrl}/status/${path}`,
  };
}

/** The same where both ways in are one; `base` has no slash at its end. */
export function urlsUnder(base: string, namespace: string, stream: string): RouteUrls {
  return urlsOf({ publicUrl: base, fallbackPublicUrl: base }, namespace, stream);
}

/** The part of the URLs that names the stream, and by which receivers look up its routes. */
export function streamPath(namespace: string, stream: string): string {
  return `${namespace}/${stream}`;
}

/** The PUBLIC_URL from which the stream's inbound URL was made; undefined when the URL is not one of this stream's. */
export function publicUrlOf(inboundUrl: string, namespace: string, stream: string): string | undefined {
  const end = `/inbound/${streamPath(namespace, stream)}`;
  return inboundUrl.endsWith(end) ? inboundUrl.slice(0, -end.length) : undefined;
}

/** Is it the inbound URL of some stream, under the PUBLIC_URL of today? */
export function isInboundUrl({ publicUrl }: PublicUrls, url: string): boolean {
  return url.startsWith(`${publicUrl}/inbound/`);
}

/** Is it the fallback URL of some stream, under the FALLBACK_PUBLIC_URL of today? */
export function isFallbackUrl({ fallbackPublicUrl }: PublicUrls, url: string): boolean {
  return url.startsWith(`${fallbackPublicUrl}/fallback/`);
}

/** The inbound URL beside a fallback URL, provided that both were made from one PUBLIC_URL. */
export function inboundBeside(fallbackUrl: string): string {
  return fallbackUrl.replace("/fallback/", "/inbound/");
}

/** What the target of a request says. */
export interface ParsedTarget {
  kind: UrlKind;
  /** See `streamPath`. */
  path: string;
  /** Of status URLs only, as it was received; undefined where there is none. */
  query: string | undefined;
}

/**
 * Reads a request's target (path and query). Undefined when no URL of ours has such a path. Only the last three segments count:
 * PUBLIC_URL may have a path of its own, which an ingress strips or leaves.
 */
export function parseTarget(target: string): ParsedTarget | undefined {
  const mark = target.indexOf("?");
  const end = mark === -1 ? target.length : mark;
  const beforeStream = target.lastIndexOf("/", end - 1);
  const beforeNamespace = target.lastIndexOf("/", beforeStream - 1);
  const beforeKind = target.lastIndexOf("/", beforeNamespace - 1);
  if (beforeStream < 1 || beforeNamespace < 1 || beforeKind < 0) return undefined;
  const kind = target.slice(beforeKind + 1, beforeNamespace);
  if (kind !== "inbound" && kind !== "fallback" && kind !== "status") return undefined;
  // Only our own status callbacks have a query; it is part of what was signed, as it was received.
  const query = kind === "status" && mark !== -1 ? target.slice(mark + 1) : undefined;
  // Twilio writes its headers in ASCII. Node reads other bytes as Latin-1, and no signature covers such a reading.
  if (query !== undefined && !/^[\x21-\x7e]{0,2048}$/.test(query)) return undefined;
  return { kind, path: target.slice(beforeNamespace + 1, end), query };
}

/** See `streamPath`; undefined when it is none of our URLs. */
export function streamPathOf(url: string): string | undefined {
  return parseTarget(new URL(url).pathname)?.path;
}

/** What of a URL is ours, `{kind}/{namespace}/{stream}`: before it may stand a path of PUBLIC_URL's own. */
export function ownPathOf(url: string): string {
  return new URL(url).pathname.split("/").slice(-3).join("/");
}
