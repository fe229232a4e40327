import type { Credentials } from "../../twilio/credentials.ts";
import { newCheckKey } from "../records/compile.ts";
import type { RouteRecord, TokenRecord, UrlRecord } from "../records/record.ts";

/**
 * How long a URL that no number points at any more still verifies: texts may be on their way, with Twilio's retries
 * and fallback.
 */
export const REPLACED_URL_MS = 3_600_000;

/** What a route is made of. */
export interface RouteInput {
  before: RouteRecord | undefined;
  where: { namespace: string; namespaceUid: string; stream: string };
  credentials: Credentials;
  tokens: TokenRecord[];
  urls: UrlRecord;
  numbers: string[];
  /** Does some number still point at these URLs, as far as is known? */
  pointedAt(urls: UrlRecord): boolean;
  forgotten: string | undefined;
  now: number;
}

/** The route of a stream whose credentials Twilio accepted. Pure but for the check key of a new route. */
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
    // The records raise it when the receiver's part differs.
    generation: before?.generation ?? 1,
  };
}

/**
 * The current URLs first, then former ones: as long as a number points at them, and an hour more. Twilio signs the
 * URL that it calls, so a URL that was dropped too early turns good texts into forged ones.
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

/** A URL that is in use again has no end. */
function stillInUse({ inbound, fallback, status }: UrlRecord): UrlRecord {
  return { inbound, fallback, status };
}

/** When the next former URL ends by itself; undefined when none does. */
export function nextUrlEnd(urls: readonly UrlRecord[]): number | undefined {
  const ends = urls.flatMap(({ replacedAtMs }) =>
    replacedAtMs === undefined ? [] : [replacedAtMs + REPLACED_URL_MS],
  );
  return ends.length === 0 ? undefined : Math.min(...ends);
}
