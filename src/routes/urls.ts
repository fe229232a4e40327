import type { RouteUrls } from "./route.ts";

// Our URLs are `{base}/{kind}/{namespace}/{stream}`. Only this file knows that. Numbers at Twilio point at these URLs, so a new
// layout would mean to point every number anew, and to serve the old layout until none uses it any more.

/**
 * `inbound` brings a text, `fallback` the same text after Twilio's request to `inbound` failed, `status` the delivery of our own
 * text.
 */
export type UrlKind = keyof RouteUrls;

/** What the URLs begin with. Neither ends with a slash. */
export interface PublicUrls {
  publicUrl: string;
  /** For fallback URLs; equal to `publicUrl` unless FALLBACK_PUBLIC_URL is set. */
  fallbackPublicUrl: string;
}

/** Reads the settings without checking them: `publicUrlProblem` does that. */
export function publicUrls(publicUrl: string, fallbackPublicUrl: string | undefined): PublicUrls {
  return { publicUrl: trim(publicUrl), fallbackPublicUrl: trim(fallbackPublicUrl ?? publicUrl) };
}

const trim = (url: string) => url.replace(/\/+$/, "");

/** The URLs of one stream. They depend on its name alone: a restart, a new Secret or another account changes no webhook at Twilio. */
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

/** The same with one base for all three URLs. `base` must not end with a slash. */
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

/** Is this the inbound URL of any stream, under the PUBLIC_URL that is set now? */
export function isInboundUrl({ publicUrl }: PublicUrls, url: string): boolean {
  return url.startsWith(`${publicUrl}/inbound/`);
}

/** Is this the fallback URL of any stream, under the FALLBACK_PUBLIC_URL that is set now? */
export function isFallbackUrl({ fallbackPublicUrl }: PublicUrls, url: string): boolean {
  return url.startsWith(`${fallbackPublicUrl}/fallback/`);
}

/** The inbound URL of the same stream. Only right when both URLs were made from one PUBLIC_URL. */
export function inboundBeside(fallbackUrl: string): string {
  return fallbackUrl.replace("/fallback/", "/inbound/");
}

/** The parts of a request's target. */
export interface ParsedTarget {
  kind: UrlKind;
  /** See `streamPath`. */
  path: string;
  /** As it was received, without the question mark; undefined without one, and always for other kinds than status. */
  query: string | undefined;
}

/**
 * Reads a request's target (path and query); undefined when none of our URLs has such a path. Only the last three segments count,
 * because PUBLIC_URL may have a path of its own, and some ingresses strip it while others pass it on.
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
  // Only our status URLs have a query. Twilio signs it, so it must stay exactly as it was received.
  const query = kind === "status" && mark !== -1 ? target.slice(mark + 1) : undefined;
  // Twilio writes its headers in ASCII. Node reads other bytes as Latin-1, and no signature covers such a reading.
  if (query !== undefined && !/^[\x21-\x7e]{0,2048}$/.test(query)) return undefined;
  return { kind, path: target.slice(beforeNamespace + 1, end), query };
}

/** The `streamPath` in a URL; undefined when it is none of our URLs. */
export function streamPathOf(url: string): string | undefined {
  return parseTarget(new URL(url).pathname)?.path;
}

/** The last three segments, `{kind}/{namespace}/{stream}`: everything before them is PUBLIC_URL's. */
export function ownPathOf(url: string): string {
  return new URL(url).pathname.split("/").slice(-3).join("/");
}
