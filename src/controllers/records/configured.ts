import { withoutFragment } from "../../twilio/connection-overrides.ts";
import type { ClaimRecord } from "./record.ts";

/** Where a number points, as a map's key. Without the fragment, which tunes Twilio's retries and is not sent. */
export function configuredKey({ url, fallbackUrl }: NonNullable<ClaimRecord["configured"]>): string {
  return urlsKey(withoutFragment(url), fallbackUrl === undefined ? undefined : withoutFragment(fallbackUrl));
}

/** The key of a pair of URLs. A blank separates them, since no URL has one. */
export function urlsKey(inbound: string, fallback: string | undefined): string {
  return `${inbound} ${fallback ?? ""}`;
}
