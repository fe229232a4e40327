import type { RouteUrls } from "./route.ts";

// The URLs of our webhooks are `{base}/{kind}/{namespace}/{stream}`. Only this file knows that layout. Numbers at Twilio point at these
// URLs. So a new layout would mean updating every number at Twilio, and serving the old layout until no number uses it.

/**
 * Says what a URL is for. `inbound` brings a text, `fallback` brings the same text after Twilio's request to `inbound` failed, and
 * `status` brings the delivery status of our own text.
 */
export type UrlKind = keyof RouteUrls;

/** The beginnings of our webhook URLs. Neither beginning ends with a slash. */
export interface PublicUrls {
  publicUrl: string;
  /** The beginning of fallback URLs. It equals `publicUrl` unless FALLBACK_PUBLIC_URL is set. */
  fallbackPublicUrl: string;
}

/** Makes the beginnings of URLs from the settings, without checking the settings: `publicUrlProblem` does that. */
export function publicUrls(publicUrl: string, fallbackPublicUrl: string | undefined): PublicUrls {
  return { publicUrl: trim(publicUrl), fallbackPublicUrl: trim(fallbackPublicUrl ?? publicUrl) };
}

const trim = (url: string) => url.replace(/\/+$/, "");

/**
 * The webhook URLs of one stream. They depend on its name alone: a restart, a new Secret or another account changes no webhook at Twilio.
 */
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

/** The webhook URLs of one stream, with one base for all three. `base` must not end with a slash. */
export function urlsUnder(base: string, namespace: string, stream: string): RouteUrls {
  return urlsOf({ publicUrl: base, fallbackPublicUrl: base }, namespace, stream);
}

/** The part of our URLs that names the stream. Receivers look up routes by it. */
export function streamPath(namespace: string, stream: string): string {
  return `${namespace}/${stream}`;
}

/** The PUBLIC_URL from which the inbound URL of the stream was made. Undefined when the URL does not belong to this stream. */
export function publicUrlOf(inboundUrl: string, namespace: string, stream: string): string | undefined {
  const end = `/inbound/${streamPath(namespace, stream)}`;
  return inboundUrl.endsWith(end) ? inboundUrl.slice(0, -end.length) : undefined;
}

/** True for the inbound URL of any stream under the current PUBLIC_URL. */
export function isInboundUrl({ publicUrl }: PublicUrls, url: string): boolean {
  return url.startsWith(`${publicUrl}/inbound/`);
}

/** True for the fallback URL of any stream under the current FALLBACK_PUBLIC_URL. */
export function isFallbackUrl({ fallbackPublicUrl }: PublicUrls, url: string): boolean {
  return url.startsWith(`${fallbackPublicUrl}/fallback/`);
}

/**
 * The inbound URL of the stream to which the fallback URL belongs. The result is right only when both URLs were made from the same
 * PUBLIC_URL.
 */
export function inboundBeside(fallbackUrl: string): string {
  // Only the end of the URL is replaced: the base may have a part named `fallback` as well.
  return fallbackUrl.replace(/\/fallback\/([^/]+\/[^/]+)$/, "/inbound/$1");
}

/** The parts of the target (path and query) of a request. */
export interface ParsedTarget {
  kind: UrlKind;
  /** The part of the path that names the stream, see `streamPath`. */
  path: string;
  /** The query as it was received, without the question mark. Undefined when there is none, and for every kind but `status`. */
  query: string | undefined;
}

/**
 * Reads the target (path and query) of a request. Undefined when none of our URLs has such a path. Only the last three segments of the
 * path count: PUBLIC_URL may have a path of its own, which some ingresses strip and others pass on.
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
  // Only our status URLs have a query. Twilio signs the query, so it must stay exactly as it was received.
  const query = kind === "status" && mark !== -1 ? target.slice(mark + 1) : undefined;
  // Twilio writes its requests in ASCII. Node reads other bytes as Latin-1, and no signature of Twilio covers such text.
  if (query !== undefined && !/^[\x21-\x7e]{0,2048}$/.test(query)) return undefined;
  return { kind, path: target.slice(beforeNamespace + 1, end), query };
}

/** The `streamPath` in a URL. Undefined when the URL is none of ours. */
export function streamPathOf(url: string): string | undefined {
  return parseTarget(new URL(url).pathname)?.path;
}

/** The last three segments of a URL's path, `{kind}/{namespace}/{stream}`. Everything before them belongs to PUBLIC_URL. */
export function ownPathOf(url: string): string {
  return new URL(url).pathname.split("/").slice(-3).join("/");
}
