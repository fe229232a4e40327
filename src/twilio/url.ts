import { HOST_LABEL } from "./credentials.ts";

/** The parts of Twilio's API that the operator talks to, each with a host name of its own. */
export type Product = "api" | "messaging" | "conversations";

/** Where calls go. Hosts are built here from these and from nothing that an answer says. */
export interface TwilioPlace {
  region?: string;
  edge?: string;
  /** Replaces Twilio's hosts. */
  baseUrl?: string;
}

/**
 * Where to send what the SDK addresses to `https://{product}.twilio.com/…`: to `https://{product}[.{edge}.{region}].twilio.com/…`,
 * or with a base URL to `{base}[/regions/{region}]/{product}/…`, there `api` without its name. Throws for every other host:
 * the credentials go along.
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
 * The next page's URL as `targetUrl` takes it. It comes from an answer, so it is held to the product that was asked, at
 * Twilio or at the base URL: other hosts below twilio.com serve what customers put there.
 */
export function nextPageUrl(given: string, product: Product, place: TwilioPlace): string {
  const url = parse(given);
  if (url === undefined || hasUser(url)) throw new ForeignUrl();
  const path = pathAtTwilio(url, product) ?? pathAtBase(url, product, place);
  if (path === undefined) throw new ForeignUrl();
  return originOf(product) + path + url.search;
}

/** Somebody tried to send the credentials elsewhere. Says nothing of where. */
export class ForeignUrl extends Error {
  override readonly name = "ForeignUrl";
  constructor() {
    super("the URL leads neither to Twilio nor to the base URL");
  }
}

function pathAtTwilio(url: URL, product: Product): string | undefined {
  if (url.protocol !== "https:" || url.port !== "") return undefined;
  const [first, ...rest] = url.hostname.split(".");
  const labels = rest.slice(0, -2);
  const isTwilio = first === product && rest.slice(-2).join(".") === "twilio.com";
  // Ours alone decides on edge and region; what stands there is dropped.
  return isTwilio && labels.length <= 2 && labels.every((label) => HOST_LABEL.test(label))
    ? url.pathname
    : undefined;
}

function pathAtBase(url: URL, product: Product, place: TwilioPlace): string | undefined {
  if (place.baseUrl === undefined) return undefined;
  const prefix = new URL(prefixOf(product, place));
  const path = prefix.pathname === "/" ? "" : prefix.pathname;
  return url.origin === prefix.origin && url.pathname.startsWith(`${path}/`)
    ? url.pathname.slice(path.length)
    : undefined;
}

function prefixOf(product: Product, { baseUrl, region }: TwilioPlace): string {
  if (region !== undefined && !HOST_LABEL.test(region)) throw new ForeignUrl();
  const base = baseUrl!.replace(/\/+$/, "");
  return `${base}${region === undefined ? "" : `/regions/${region}`}${product === "api" ? "" : `/${product}`}`;
}

const originOf = (product: Product) => `https://${product}.twilio.com`;
const hasUser = (url: URL) => url.username !== "" || url.password !== "";
const parse = (text: string) => (URL.canParse(text) ? new URL(text) : undefined);
