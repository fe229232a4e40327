/** Recognises the webhooks and URLs that this installation has set at Twilio, or would set. */

import type { SmsNumber } from "../../api/index.ts";
import { isFallbackUrl, isInboundUrl } from "../../routes/urls.ts";
import { pointsAt, type Webhook } from "../../twilio/webhook.ts";
import type { SmsNumberDeps } from "./deps.ts";

/**
 * Did this installation set this URL, or would it set it, for any WorkStream? URLs under the current PUBLIC_URL are
 * recognised by the beginning of their path, and URLs under a former PUBLIC_URL by the records.
 */
export function isOurs({ urls, records }: Pick<SmsNumberDeps, "urls" | "records">, url: string): boolean {
  if (isInboundUrl(urls, url)) return true;
  return records.hasInboundUrl(url);
}

/**
 * Like `isOurs`, and also true for the URL in this SmsNumber's status, which remains when the records were lost.
 */
export function isOursOrWas({ deps, object }: Ours, url: string): boolean {
  return url === object.status?.configuredUrl || isOurs(deps, url);
}

/** The data that is needed to recognise this operator's URLs. */
interface Ours {
  deps: Pick<SmsNumberDeps, "urls" | "records">;
  object: SmsNumber;
}

/**
 * Does the number's own webhook send its texts to this operator? At Twilio an application on the number takes
 * precedence over the URLs, so the URL does not count when there is an application.
 */
export function leadsHere(ours: Ours, webhook: Webhook): boolean {
  return webhook.smsApplicationSid === "" && pointsAt(webhook, (url) => isOursOrWas(ours, url));
}

/** Did this installation set this fallback URL, or would it set it, for any WorkStream? */
export function isOurFallback(
  { urls, records }: Pick<SmsNumberDeps, "urls" | "records">,
  url: string,
): boolean {
  return isFallbackUrl(urls, url) || records.hasFallbackUrl(url);
}
