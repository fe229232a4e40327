import type { Credentials } from "../../twilio/credentials.ts";
import { newCheckKey } from "../records/compile.ts";
import type { RouteRecord, TokenRecord, UrlRecord } from "../records/record.ts";

/** How long a URL that numbers no longer point at still verifies: texts may be on their way, retries included. */
export const REPLACED_URL_MS = 3_600_000;

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

/** The route of a stream whose credentials Twilio accepted. Pure but for the check key of a new one. */
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
    generation: before?.generation ?? 1,
  };
}

/** The current URLs first; former ones for as long as a number points at them, and an hour more. */
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

function stillInUse({ inbound, fallback, status }: UrlRecord): UrlRecord {
  return { inbound, fallback, status };
}

/** When the next former URL ends by itself. */
export function nextUrlEnd(urls: readonly UrlRecord[]): number | undefined {
  const ends = urls.flatMap(({ replacedAtMs }) =>
    replacedAtMs === undefined ? [] : [replacedAtMs + REPLACED_URL_MS],
  );
  return ends.length === 0 ? undefined : Math.min(...ends);
}
