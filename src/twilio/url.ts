/**
 * This file decides where a call goes. The request carries the credentials of a tenant, so the host is built here from settings alone and
 * never taken from an answer or from the SDK.
 */

import { HOST_LABEL } from "./credentials.ts";

/** The parts of Twilio's API that the operator talks to, each with a host name of its own. */
export type Product = "api" | "messaging" | "conversations";

/** The settings that decide where calls go. */
export interface TwilioPlace {
  region?: string;
  edge?: string;
  /** The setting TWILIO_BASE_URL, which replaces Twilio's hosts, for a gateway or the simulator. */
  baseUrl?: string;
}

/**
 * The URL for a request that the SDK addresses to `https://{product}.twilio.com/…`. It is
 * `https://{product}[.{edge}.{region}].twilio.com/…`. With a base URL it is `{base}[/regions/{region}][/{product}]/…`, where the product
 * `api` is left out. Throws for every other host.
 */
export function targetUrl(canonical: string, product: Product, place: TwilioPlace): URL {
  const url = parse(canonical);
  if (url === undefined || url.origin !== originOf(product) || hasUser(url)) throw new ForeignUrl();
  const path = url.pathname + url.search;
  if (place.baseUrl !== undefined) return new URL(prefixOf(product, place) + path);
  const { region, edge } = place;
  if (region === undefined || edge === undefined) return new URL(originOf(product) + path);
  if (!HOST_LABEL.test(region) || !HOST_LABEL.test(edge)) throw new ForeignUrl();
  return new URL(`https://${product}.${edge}.${region}.twilio.com${path}`);
}

/**
 * Turns the URL of a next page into the form that `targetUrl` takes. The URL comes from an answer, so it must belong to the product that
 * was called, at Twilio or at the base URL. Other hosts below twilio.com are refused: some serve content that customers put there.
 */
export function nextPageUrl(given: string, product: Product, place: TwilioPlace): string {
  const url = parse(given);
  if (url === undefined || hasUser(url)) throw new ForeignUrl();
  const path = pathAtTwilio(url, product) ?? pathAtBase(url, product, place);
  if (path === undefined) throw new ForeignUrl();
  return originOf(product) + path + url.search;
}

/**
 * The error for a URL that would take the credentials to another place than Twilio or the base URL. The message does not show the URL,
 * because the URL is not ours to repeat.
 */
export class ForeignUrl extends Error {
  override readonly name = "ForeignUrl";
  constructor() {
    super("the URL leads neither to Twilio nor to the base URL");
  }
}

/** The path of a URL at the host that the given product has at Twilio. Undefined for any other URL. */
function pathAtTwilio(url: URL, product: Product): string | undefined {
  if (url.protocol !== "https:" || url.port !== "") return undefined;
  const [first, ...rest] = url.hostname.split(".");
  const labels = rest.slice(0, -2);
  const isTwilio = first === product && rest.slice(-2).join(".") === "twilio.com";
  // Edge and region in the URL are dropped: our settings alone decide about them.
  return isTwilio && labels.length <= 2 && labels.every((label) => HOST_LABEL.test(label))
    ? url.pathname
    : undefined;
}

/** The path that a URL has below the base URL for the given product. Undefined for any other URL. */
function pathAtBase(url: URL, product: Product, place: TwilioPlace): string | undefined {
  if (place.baseUrl === undefined) return undefined;
  const prefix = new URL(prefixOf(product, place));
  const path = prefix.pathname === "/" ? "" : prefix.pathname;
  return url.origin === prefix.origin && url.pathname.startsWith(`${path}/`)
    ? url.pathname.slice(path.length)
    : undefined;
}

/** The URL at which a product begins below the base URL. */
function prefixOf(product: Product, { baseUrl, region }: TwilioPlace): string {
  if (region !== undefined && !HOST_LABEL.test(region)) throw new ForeignUrl();
  const base = baseUrl!.replace(/\/+$/, "");
  return `${base}${region === undefined ? "" : `/regions/${region}`}${product === "api" ? "" : `/${product}`}`;
}

const originOf = (product: Product) => `https://${product}.twilio.com`;
const hasUser = (url: URL) => url.username !== "" || url.password !== "";
const parse = (text: string) => (URL.canParse(text) ? new URL(text) : undefined);
