/** This file has Twilio's resources in the form that this operator uses. Unset strings are "", whether Twilio sends "" or null. */

/** A phone number or a short code of a Twilio account. */
export interface PhoneNumber {
  kind: "number" | "shortCode";
  /** The SID, which begins with PN for a number and with SC for a short code. */
  sid: string;
  accountSid: string;
  /** The number as `+` and digits, or the digits of a short code alone. */
  phoneNumber: string;
  friendlyName: string;
  capabilities: { sms: boolean; mms: boolean; voice: boolean };
  smsUrl: string;
  smsMethod: string;
  smsFallbackUrl: string;
  smsFallbackMethod: string;
  /** The application that Twilio asks instead of smsUrl. "" when there is none, and always for a short code. */
  smsApplicationSid: string;
}

/**
 * The webhook that a number should have. `smsUrl` and `smsFallbackUrl` are given together, since Twilio refuses a fallback URL without a
 * URL (error 21406).
 */
export interface WebhookChange {
  smsUrl: string;
  smsMethod?: "POST" | "GET";
  smsFallbackUrl: string;
  smsFallbackMethod?: "POST" | "GET";
  /** The value "" removes the application. Without a value, the application stays. */
  smsApplicationSid?: string;
}

/** A Messaging Service, as far as incoming texts are concerned. */
export interface MessagingService {
  sid: string;
  friendlyName: string;
  /** The URL for incoming texts. When it is "" and `useInboundWebhookOnNumber` is false, the service drops incoming texts. */
  inboundRequestUrl: string;
  /** The setting that the console of Twilio calls “Defer to sender's webhook”. */
  useInboundWebhookOnNumber: boolean;
}

/** An address whose texts Twilio Conversations may take. */
export interface ConversationsAddress {
  sid: string;
  /** The number in E.164 form. */
  address: string;
  autoCreation: boolean;
}

/** What Twilio answers about credentials that it accepts. When anything is wrong with them, a Failure is thrown instead. */
export interface CredentialCheck {
  authToken: "accepted" | "refused";
  secondaryAuthToken?: "accepted" | "refused";
  apiKey?: "accepted";
  /** True when only the secondary token is accepted: it was promoted at Twilio, and the Secret still has it as the second token. */
  promoted: boolean;
  accountStatus: "active";
  /** The type of the account, `Trial` or `Full`. */
  type: string;
  /** The parent account of a subaccount. */
  ownerAccountSid?: string;
}

/** An answer that differs from Twilio's reference. The message names the field and never its value. */
export class BadAnswer extends Error {
  override readonly name = "BadAnswer";
}

/**
 * A number as the SDK returns it. Its fields are `unknown` until they are checked, because the SDK passes on whatever the answer holds.
 */
export interface SdkNumber {
  sid: unknown;
  accountSid: unknown;
  phoneNumber: unknown;
  friendlyName: unknown;
  capabilities: unknown;
  smsUrl: unknown;
  smsMethod: unknown;
  smsFallbackUrl: unknown;
  smsFallbackMethod: unknown;
  smsApplicationSid: unknown;
}

/** Checks a number that the SDK returned. Throws BadAnswer when a field is wrong. */
export function numberFrom(sdk: SdkNumber): PhoneNumber {
  const { sms, mms, voice } = (sdk.capabilities ?? {}) as Record<string, unknown>;
  return {
    ...addressFrom("number", sdk, sdk.phoneNumber),
    capabilities: { sms: sms === true, mms: mms === true, voice: voice === true },
    smsApplicationSid: text(sdk.smsApplicationSid, "sms_application_sid"),
  };
}

/** A short code as the SDK returns it. Its fields are `unknown` until they are checked. */
export type SdkShortCode = Omit<SdkNumber, "phoneNumber" | "capabilities" | "smsApplicationSid"> & {
  shortCode: unknown;
};

/** Checks a short code that the SDK returned. Twilio names no capabilities for short codes; all of them take texts. */
export function shortCodeFrom(sdk: SdkShortCode): PhoneNumber {
  return {
    ...addressFrom("shortCode", sdk, sdk.shortCode),
    capabilities: { sms: true, mms: false, voice: false },
    smsApplicationSid: "",
  };
}

function addressFrom(kind: PhoneNumber["kind"], sdk: Omit<SdkShortCode, "shortCode">, address: unknown) {
  const field = kind === "number" ? "phone_number" : "short_code";
  const phoneNumber = text(address, field);
  if (!/^\+?[0-9]{3,20}$/.test(phoneNumber)) throw new BadAnswer(`${field} is not a number`);
  return {
    kind,
    sid: sidOf(sdk.sid),
    accountSid: sidOf(sdk.accountSid, "account_sid"),
    phoneNumber,
    friendlyName: text(sdk.friendlyName, "friendly_name"),
    smsUrl: text(sdk.smsUrl, "sms_url"),
    // Unset strings come as "" or null. The default method of Twilio is POST.
    smsMethod: text(sdk.smsMethod, "sms_method") || "POST",
    smsFallbackUrl: text(sdk.smsFallbackUrl, "sms_fallback_url"),
    smsFallbackMethod: text(sdk.smsFallbackMethod, "sms_fallback_method") || "POST",
  };
}

/** Checks a Messaging Service that the SDK returned. Throws BadAnswer when a field is wrong. */
export function serviceFrom(sdk: {
  sid: unknown;
  friendlyName: unknown;
  inboundRequestUrl: unknown;
  useInboundWebhookOnNumber: unknown;
}): MessagingService {
  return {
    sid: sidOf(sdk.sid),
    friendlyName: text(sdk.friendlyName, "friendly_name"),
    inboundRequestUrl: text(sdk.inboundRequestUrl, "inbound_request_url"),
    useInboundWebhookOnNumber: sdk.useInboundWebhookOnNumber === true,
  };
}

/** Checks a Conversations address that the SDK returned. Throws BadAnswer when a field is wrong. */
export function addressOf(sdk: {
  sid: unknown;
  address: unknown;
  autoCreation: unknown;
}): ConversationsAddress {
  const { enabled } = (sdk.autoCreation ?? {}) as { enabled?: unknown };
  return { sid: sidOf(sdk.sid), address: text(sdk.address, "address"), autoCreation: enabled === true };
}

/** Checks a SID. SIDs become parts of URL paths, so each SID is checked, even one from an answer of Twilio. */
export function sidOf(value: unknown, field = "sid"): string {
  if (typeof value !== "string" || !/^[A-Z]{2}[0-9a-zA-Z]{32}$/.test(value))
    throw new BadAnswer(`${field} is not a SID`);
  return value;
}

/** Checks a string. Twilio sends "" or null for an unset string, and both become "". */
export function text(value: unknown, field: string): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "string") throw new BadAnswer(`${field} is not text`);
  return value;
}
