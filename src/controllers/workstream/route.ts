import type { Credentials } from "../../twilio/credentials.ts";
import { newCheckKey } from "../records/compile.ts";
import type { RouteRecord, TokenRecord, UrlRecord } from "../records/record.ts";

/**
 * How long the receiver accepts texts at a former URL after the last number stopped pointing at it. Texts may still
 * arrive there, with Twilio's retries and fallback.
 */
export const REPLACED_URL_MS = 3_600_000;

/** The input from which a route is made. */
export interface RouteInput {
  before: RouteRecord | undefined;
  where: { namespace: string; namespaceUid: string; stream: string };
  credentials: Credentials;
  tokens: TokenRecord[];
  urls: UrlRecord;
  numbers: string[];
  /** Is there a number that still points at these URLs, as far as is known? */
  pointedAt(urls: UrlRecord): boolean;
  forgotten: string | undefined;
  now: number;
}

/**
 * Makes the route of a WorkStream whose credentials Twilio accepted. Pure, except that a new route gets a random
 * check key.
 */
export function routeOf({
  before,
  where,
  credentials,
  tokens,
  urls,
  numbers,
  pointedAt,
  forgotten,
  now,
}: RouteInput): RouteRecord {
  return {
    ...where,
    accountSid: credentials.accountSid,
    credentials,
    tokens,
    ...(forgotten === undefined ? {} : { forgotten }),
    checkKey: before?.checkKey ?? newCheckKey(),
    urls: urlsInForce(before?.urls ?? [], urls, pointedAt, now),
    numbers: [...new Set(numbers)].sort(),
    // `Records` raises the generation when the receiver's part of the route changes.
    generation: before?.generation ?? 1,
  };
}

/**
 * Lists the URLs at which the receiver accepts texts: the current ones first, then the former ones. A former URL
 * stays while a number points at it, and for one hour more. Twilio signs the URL that it calls, so if a URL is
 * dropped too early, genuine texts look forged.
 */
export function urlsInForce(
  known: readonly UrlRecord[],
  current: UrlRecord,
  pointedAt: (urls: UrlRecord) => boolean,
  now: number,
): UrlRecord[] {
  const same = (url: UrlRecord) =>
    url.inbound === current.inbound && url.fallback === current.fallback && url.status === current.status;
  const former = known
    .filter((url) => !same(url))
    .map((url) => (pointedAt(url) ? stillInUse(url) : { ...url, replacedAtMs: url.replacedAtMs ?? now }))
    .filter(({ replacedAtMs }) => replacedAtMs === undefined || now - replacedAtMs < REPLACED_URL_MS);
  return [stillInUse(current), ...former];
}

/** The URL without the time at which it went out of use, because it is in use. */
function stillInUse({ inbound, fallback, status }: UrlRecord): UrlRecord {
  return { inbound, fallback, status };
}

/** When the next former URL expires; undefined when none does. */
export function nextUrlEnd(urls: readonly UrlRecord[]): number | undefined {
  const ends = urls.flatMap(({ replacedAtMs }) =>
    replacedAtMs === undefined ? [] : [replacedAtMs + REPLACED_URL_MS],
  );
  return ends.length === 0 ? undefined : Math.min(...ends);
}
