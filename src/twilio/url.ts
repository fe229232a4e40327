/**
 * Where a call goes. The request carries a tenant's credentials, so the host is built here from settings alone and
 * never taken from an answer or from the SDK.
 */

import { HOST_LABEL } from "./credentials.ts";

/** The parts of Twilio's API that the operator talks to, each with a host name of its own. */
export type Product = "api" | "messaging" | "conversations";

/** Where calls go. */
export interface TwilioPlace {
  region?: string;
  edge?: string;
  /** TWILIO_BASE_URL: replaces Twilio's hosts, for a gateway or the simulator. */
  baseUrl?: string;
}

/**
 * Where to send what the SDK addresses to `https://{product}.twilio.com/…`: to
 * `https://{product}[.{edge}.{region}].twilio.com/…`, or with a base URL to
 * `{base}[/regions/{region}]/{product}/…`, where `api` has no name. Throws for every other host.
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
 * The next page's URL in the form that `targetUrl` takes. It comes from an answer, so it must be of the product
 * that was asked, at Twilio or at the base URL. Other hosts below twilio.com are refused: some serve what customers
 * put there.
 */
export function nextPageUrl(given: string, product: Product, place: TwilioPlace): string {
  const url = parse(given);
  if (url === undefined || hasUser(url)) throw new ForeignUrl();
  const path = pathAtTwilio(url, product) ?? pathAtBase(url, product, place);
  if (path === undefined) throw new ForeignUrl();
  return originOf(product) + path + url.search;
}

/**
 * Something tried to send the credentials elsewhere. The message does not say where: the URL is not ours to repeat.
 */
export class ForeignUrl extends Error {
  override readonly name = "ForeignUrl";
  constructor() {
    super("the URL leads neither to Twilio nor to the base URL");
  }
}

/** The path, if this is a URL of the product at Twilio. */
function pathAtTwilio(url: URL, product: Product): string | undefined {
  if (url.protocol !== "https:" || url.port !== "") return undefined;
  const [first, ...rest] = url.hostname.split(".");
  const labels = rest.slice(0, -2);
  const isTwilio = first === product && rest.slice(-2).join(".") === "twilio.com";
  // Edge and region in the answer are dropped: our settings alone decide about them.
  return isTwilio && labels.length <= 2 && labels.every((label) => HOST_LABEL.test(label))
    ? url.pathname
    : undefined;
}

/** The path, if this is a URL below the base URL. */
function pathAtBase(url: URL, product: Product, place: TwilioPlace): string | undefined {
  if (place.baseUrl === undefined) return undefined;
  const prefix = new URL(prefixOf(product, place));
  const path = prefix.pathname === "/" ? "" : prefix.pathname;
  return url.origin === prefix.origin && url.pathname.startsWith(`${path}/`)
    ? url.pathname.slice(path.length)
    : undefined;
}

/** Where a product begins below the base URL. */
function prefixOf(product: Product, { baseUrl, region }: TwilioPlace): string {
  if (region !== undefined && !HOST_LABEL.test(region)) throw new ForeignUrl();
  const base = baseUrl!.replace(/\/+$/, "");
  return `${base}${region === undefined ? "" : `/regions/${region}`}${product === "api" ? "" : `/${product}`}`;
}

const originOf = (product: Product) => `https://${product}.twilio.com`;
const hasUser = (url: URL) => url.username !== "" || url.password !== "";
const parse = (text: string) => (URL.canParse(text) ? new URL(text) : undefined);
