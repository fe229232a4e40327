import { withoutFragment } from "../../twilio/connection-overrides.ts";
import type { ClaimRecord } from "./record.ts";

/**
 * The pair of URLs that a number points at, as the key of a map. The key leaves out the fragment of each URL, which
 * tunes the retries of Twilio and is not sent.
 */
export function configuredKey({ url, fallbackUrl }: NonNullable<ClaimRecord["configured"]>): string {
  return urlsKey(withoutFragment(url), fallbackUrl === undefined ? undefined : withoutFragment(fallbackUrl));
}

/** Makes the key of a pair of URLs. A blank separates the two URLs, because no URL contains a blank. */
export function urlsKey(inbound: string, fallback: string | undefined): string {
  return `${inbound} ${fallback ?? ""}`;
}
