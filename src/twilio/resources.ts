/** What Twilio's resources are to this operator. Unset strings are "", whether Twilio says "" or null. */

/** A number or a short code of the account. */
export interface PhoneNumber {
  kind: "number" | "shortCode";
  /** PN… or SC…. */
  sid: string;
  accountSid: string;
  /** `+` and digits; a short code's digits alone. */
  phoneNumber: string;
  friendlyName: string;
  capabilities: { sms: boolean; mms: boolean; voice: boolean };
  smsUrl: string;
  smsMethod: string;
  smsFallbackUrl: string;
  smsFallbackMethod: string;
  /** Where set, Twilio asks the application and not smsUrl. Always "" for a short code, which has none. */
  smsApplicationSid: string;
}

/**
 * The webhook as it shall be. Its URLs go together, since Twilio refuses a fallback URL without a URL (error
 * 21406).
 */
export interface WebhookChange {
  smsUrl: string;
  smsMethod?: "POST" | "GET";
  smsFallbackUrl: string;
  smsFallbackMethod?: "POST" | "GET";
  /** "" removes the application; left out, it stays. */
  smsApplicationSid?: string;
}

/** A Messaging Service, as far as incoming texts are concerned. */
export interface MessagingService {
  sid: string;
  friendlyName: string;
  /** "" with `useInboundWebhookOnNumber` false: the service drops incoming texts. */
  inboundRequestUrl: string;
  /** “Defer to sender's webhook”. */
  useInboundWebhookOnNumber: boolean;
}

/** An address whose texts Twilio Conversations may take. */
export interface ConversationsAddress {
  sid: string;
  /** E.164. */
  address: string;
  autoCreation: boolean;
}

/** What Twilio says of credentials. All of it is good news: anything wrong with them is thrown as a Failure. */
export interface CredentialCheck {
  authToken: "accepted" | "refused";
  secondaryAuthToken?: "accepted" | "refused";
  apiKey?: "accepted";
  /** Only the secondary token is accepted: the tokens were promoted, and the Secret does not know that yet. */
  promoted: boolean;
  accountStatus: "active";
  /** `Trial` or `Full`. */
  type: string;
  /** The parent account of a subaccount. */
  ownerAccountSid?: string;
}

/** An answer that differs from Twilio's reference. The message names the field, never its value. */
export class BadAnswer extends Error {
  override readonly name = "BadAnswer";
}

/** A number as the SDK gives it. Unknown until checked: the SDK passes on whatever the answer holds. */
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

/** Throws BadAnswer. */
export function numberFrom(sdk: SdkNumber): PhoneNumber {
  const { sms, mms, voice } = (sdk.capabilities ?? {}) as Record<string, unknown>;
  return {
    ...addressFrom("number", sdk, sdk.phoneNumber),
    capabilities: { sms: sms === true, mms: mms === true, voice: voice === true },
    smsApplicationSid: text(sdk.smsApplicationSid, "sms_application_sid"),
  };
}

export type SdkShortCode = Omit<SdkNumber, "phoneNumber" | "capabilities" | "smsApplicationSid"> & {
  shortCode: unknown;
};

/** Twilio names no capabilities for short codes; all of them take texts. */
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
    // Unset strings come as "" or null. POST is Twilio's default.
    smsMethod: text(sdk.smsMethod, "sms_method") || "POST",
    smsFallbackUrl: text(sdk.smsFallbackUrl, "sms_fallback_url"),
    smsFallbackMethod: text(sdk.smsFallbackMethod, "sms_fallback_method") || "POST",
  };
}

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

export function addressOf(sdk: {
  sid: unknown;
  address: unknown;
  autoCreation: unknown;
}): ConversationsAddress {
  const { enabled } = (sdk.autoCreation ?? {}) as { enabled?: unknown };
  return { sid: sidOf(sdk.sid), address: text(sdk.address, "address"), autoCreation: enabled === true };
}

/** SIDs become parts of paths, so none is taken on trust. */
export function sidOf(value: unknown, field = "sid"): string {
  if (typeof value !== "string" || !/^[A-Z]{2}[0-9a-zA-Z]{32}$/.test(value))
    throw new BadAnswer(`${field} is not a SID`);
  return value;
}

/** Twilio says "" or null for unset strings; both become "". */
export function text(value: unknown, field: string): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "string") throw new BadAnswer(`${field} is not text`);
  return value;
}
