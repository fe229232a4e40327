import { createHash } from "node:crypto";
import { CONNECTION_OVERRIDES, withoutFragment } from "./connection-overrides.ts";
import type { PhoneNumber } from "./twilio.ts";

/** The settings that decide where the texts of a number go, as far as Twilio keeps them on the number itself. Unset fields are "". */
export interface Webhook {
  smsUrl: string;
  smsMethod: string;
  smsFallbackUrl: string;
  smsFallbackMethod: string;
  smsApplicationSid: string;
}

/** Matches the URL of the canned reply that Twilio gives to a new number. Nobody uses that reply in production, so it may be replaced. */
const DEMO_REPLY = /^https?:\/\/demo\.twilio\.com\//i;

/** The webhook of a number. */
export function webhookOf(number: PhoneNumber): Webhook {
  const { smsUrl, smsMethod, smsFallbackUrl, smsFallbackMethod, smsApplicationSid } = number;
  return { smsUrl, smsMethod, smsFallbackUrl, smsFallbackMethod, smsApplicationSid };
}

/** The webhook as this operator sets it. The application is removed, because it would take precedence over the URL. */
export function ourWebhook(urls: { inbound: string; fallback: string }): Webhook {
  return {
    smsUrl: urls.inbound + CONNECTION_OVERRIDES,
    smsMethod: "POST",
    smsFallbackUrl: urls.fallback + CONNECTION_OVERRIDES,
    smsFallbackMethod: "POST",
    smsApplicationSid: "",
  };
}

/** True when the webhooks are equal to the letter, including the fragment: a lost fragment is drift, since it costs retries. */
export function sameWebhook(a: Webhook, b: Webhook): boolean {
  return differences(a, b).length === 0;
}

/** The names of the fields in which two webhooks differ, as Twilio spells them and in a fixed order. */
export function differences(a: Webhook, b: Webhook): string[] {
  return FIELDS.filter((field) => a[field] !== b[field]).map((field) => `S${field.slice(1)}`);
}

/** All fields of a webhook, in the order in which messages name them. */
export const FIELDS = [
  "smsUrl",
  "smsMethod",
  "smsFallbackUrl",
  "smsFallbackMethod",
  "smsApplicationSid",
] as const satisfies readonly (keyof Webhook)[];

/** True when the smsUrl of the webhook is one of our URLs, whatever its fragment. `isOurs` gets the URL without its fragment. */
export function pointsAt(webhook: Webhook, isOurs: (url: string) => boolean): boolean {
  return webhook.smsUrl !== "" && isOurs(withoutFragment(webhook.smsUrl));
}

/** True when nobody uses the webhook: it is empty, or it is the demo reply of Twilio. */
export function isUnset(webhook: Webhook): boolean {
  return webhook.smsUrl === "" || DEMO_REPLY.test(webhook.smsUrl);
}

/** The host of a URL, for status and events. They never name path, query or user, which can hold secrets. */
export function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return url === "" ? "" : "an unreadable URL";
  }
}

/** A fingerprint that shows whether a foreign webhook has changed, without keeping the webhook. */
export function fingerprintOf(webhook: Webhook): string {
  return createHash("sha256")
    .update(JSON.stringify(Object.values(webhook)))
    .digest("base64url")
    .slice(0, 22);
}
