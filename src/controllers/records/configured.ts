import { withoutFragment } from "../../twilio/connection-overrides.ts";
import type { ClaimRecord } from "./record.ts";

/** Where a number points, as a key. */
export function configuredKey({ url, fallbackUrl }: NonNullable<ClaimRecord["configured"]>): string {
  return urlsKey(withoutFragment(url), fallbackUrl === undefined ? undefined : withoutFragment(fallbackUrl));
}

/** No URL has a blank. */
export function urlsKey(inbound: string, fallback: string | undefined): string {
  return `${inbound} ${fallback ?? ""}`;
}
