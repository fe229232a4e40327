import { withoutFragment } from "../../twilio/connection-overrides.ts";
import type { ClaimRecord } from "./record.ts";

/**
 * The URLs that a number points at, as the key of a map. The key leaves out the fragment, which tunes the retries of
 * Twilio and is not sent.
 */
export function configuredKey({ url, fallbackUrl }: NonNullable<ClaimRecord["configured"]>): string {
  return urlsKey(withoutFragment(url), fallbackUrl === undefined ? undefined : withoutFragment(fallbackUrl));
}

/** The key of a pair of URLs. They are separated by a blank, which no URL contains. */
export function urlsKey(inbound: string, fallback: string | undefined): string {
  return `${inbound} ${fallback ?? ""}`;
}
