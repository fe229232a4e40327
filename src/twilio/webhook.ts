import { createHash } from "node:crypto";
import { CONNECTION_OVERRIDES, withoutFragment } from "./connection-overrides.ts";
import type { PhoneNumber } from "./twilio.ts";

/** What decides where a number's texts go, as Twilio keeps it on the number itself. "" where unset. */
export interface Webhook {
  smsUrl: string;
  smsMethod: string;
  smsFallbackUrl: string;
  smsFallbackMethod: string;
  smsApplicationSid: string;
}

/** What a new Twilio number is provisioned with: a canned reply, nobody's production, and so free to replace. */
const DEMO_REPLY = /^https?:\/\/demo\.twilio\.com\//i;

/** The webhook of a number. */
export function webhookOf(number: PhoneNumber): Webhook {
  const { smsUrl, smsMethod, smsFallbackUrl, smsFallbackMethod, smsApplicationSid } = number;
  return { smsUrl, smsMethod, smsFallbackUrl, smsFallbackMethod, smsApplicationSid };
}

/**
 * The webhook as this operator sets it. The application is emptied too, since it would take precedence over the
 * URL.
 */
export function ourWebhook(urls: { inbound: string; fallback: string }): Webhook {
  return {
    smsUrl: urls.inbound + CONNECTION_OVERRIDES,
    smsMethod: "POST",
    smsFallbackUrl: urls.fallback + CONNECTION_OVERRIDES,
    smsFallbackMethod: "POST",
    smsApplicationSid: "",
  };
}

/** Equal to the letter, fragment included: a lost fragment is drift, since it costs retries. */
export function sameWebhook(a: Webhook, b: Webhook): boolean {
  return differences(a, b).length === 0;
}

/** The fields that differ, by Twilio's names and in a fixed order. */
export function differences(a: Webhook, b: Webhook): string[] {
  return FIELDS.filter((field) => a[field] !== b[field]).map((field) => `S${field.slice(1)}`);
}

/** All fields of a webhook, in the order in which they are told. */
export const FIELDS = [
  "smsUrl",
  "smsMethod",
  "smsFallbackUrl",
  "smsFallbackMethod",
  "smsApplicationSid",
] as const satisfies readonly (keyof Webhook)[];

/** Does the number's own URL lead to us, whatever its fragment? */
export function pointsAt(webhook: Webhook, isOurs: (url: string) => boolean): boolean {
  return webhook.smsUrl !== "" && isOurs(withoutFragment(webhook.smsUrl));
}

/** Nobody's: empty, or Twilio's demo reply. */
export function isUnset(webhook: Webhook): boolean {
  return webhook.smsUrl === "" || DEMO_REPLY.test(webhook.smsUrl);
}

/** The host to name in status and events. Never path, query or user, which can hold secrets. */
export function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return url === "" ? "" : "an unreadable URL";
  }
}

/** Tells whether a foreign webhook has changed without keeping it. */
export function fingerprintOf(webhook: Webhook): string {
  return createHash("sha256")
    .update(JSON.stringify(Object.values(webhook)))
    .digest("base64url")
    .slice(0, 22);
}
