/** The resources of the simulated Twilio. Times are milliseconds since the epoch. An unset string is "", as in Twilio's answers. */

export interface SimulatedAccount {
  sid: string;
  friendlyName: string;
  authToken: string;
  /**
   * The token from `POST /v1/AuthTokens/Secondary`, until it is promoted or deleted. Both tokens log in, but only the primary token signs.
   */
  secondaryAuthToken: string | undefined;
  status: "active" | "suspended" | "closed";
  type: "Trial" | "Full";
  /** The SID of the parent account. An account without a parent has its own SID here. */
  ownerAccountSid: string;
  /** How many calls of the account may run at the same time. Each further call gets 429. Undefined: no limit. */
  concurrencyLimit: number | undefined;
  dateCreated: number;
  dateUpdated: number;
}

/** The fields that all resources of an account have. */
interface OwnedResource {
  sid: string;
  accountSid: string;
  friendlyName: string;
  dateCreated: number;
  dateUpdated: number;
}

/** An API key. It logs in as its account, and its kind decides which operations it may call. */
export interface ApiKey extends OwnedResource {
  secret: string;
  kind: "main" | "standard" | "restricted";
  /** Permissions of a restricted key, such as `/twilio/messaging/messages/create`. */
  allow: string[];
}

export type HttpMethod = "GET" | "POST";

/** The webhooks for inbound texts of a number, a short code or a TwiML application. */
export interface SmsWebhooks {
  smsUrl: string;
  smsMethod: HttpMethod;
  smsFallbackUrl: string;
  smsFallbackMethod: HttpMethod;
}

/** A phone number of an account. */
export interface SimulatedNumber extends OwnedResource, SmsWebhooks {
  /** The phone number in E.164 format. */
  phoneNumber: string;
  type: "local" | "mobile" | "tollfree";
  capabilities: { voice: boolean; sms: boolean; mms: boolean; fax: boolean };
  /** The SID of a TwiML application that receives the texts instead of `smsUrl`. "" means no application. */
  smsApplicationSid: string;
  statusCallback: string;
  statusCallbackMethod: HttpMethod;
  voiceUrl: string;
  voiceMethod: HttpMethod;
  voiceFallbackUrl: string;
  voiceFallbackMethod: HttpMethod;
  voiceApplicationSid: string;
  voiceCallerIdLookup: boolean;
  trunkSid: string;
  bundleSid: string;
  addressSid: string;
  identitySid: string;
  origin: "twilio" | "hosted";
  beta: boolean;
}

export interface SimulatedShortCode extends OwnedResource, SmsWebhooks {
  shortCode: string;
}

/** A number or short code, which can send and receive texts. */
export type SimulatedSender = SimulatedNumber | SimulatedShortCode;

/** A TwiML application. When a number names an application, texts to the number go to the application's URLs. */
export interface TwimlApplication extends OwnedResource, SmsWebhooks {
  /** The status callback of texts that name this application but no status callback of their own. */
  messageStatusCallback: string;
}

/** A Messaging Service: a pool of senders with common settings. */
export interface SimulatedService extends OwnedResource {
  /** The URL that gets inbound texts. Null: inbound texts are dropped, unless `useInboundWebhookOnNumber` is set. */
  inboundRequestUrl: string | null;
  inboundMethod: HttpMethod;
  fallbackUrl: string | null;
  fallbackMethod: HttpMethod;
  statusCallback: string | null;
  /** The setting that Twilio's console calls "Defer to sender's webhook". */
  useInboundWebhookOnNumber: boolean;
  /** How many seconds a text may wait in a queue. */
  validityPeriod: number;
  stickySender: boolean;
  usecase: string;
  usAppToPersonRegistered: boolean;
  /** The keywords and answers under Advanced Opt-Out. Undefined: the service uses Twilio's own keywords and answers. */
  advancedOptOut: AdvancedOptOut | undefined;
}

/** The keywords and answers of a service with Advanced Opt-Out. The keywords are in upper case. */
export interface AdvancedOptOut {
  stop: { keywords: string[]; reply: string };
  start: { keywords: string[]; reply: string };
  help: { keywords: string[]; reply: string };
}

/** A sender in a Messaging Service's pool. */
export interface PoolMember {
  sid: string;
  serviceSid: string;
  dateCreated: number;
}

/**
 * A Conversations address. While autoCreation is enabled, texts to the address start conversations, and the number's webhook is not called.
 */
export interface ConversationAddress extends OwnedResource {
  address: string;
  type: "sms" | "whatsapp";
  autoCreation: { enabled: boolean; type: "webhook" | "studio" | "default"; webhookUrl: string };
}

export type MessageStatus =
  | "queued"
  | "sending"
  | "sent"
  | "failed"
  | "delivered"
  | "undelivered"
  | "receiving"
  | "received"
  | "accepted"
  | "scheduled"
  | "canceled";

/** A text or MMS, in either direction. */
export interface Message {
  sid: string;
  accountSid: string;
  messagingServiceSid: string | null;
  from: string;
  to: string;
  body: string;
  direction: "inbound" | "outbound-api" | "outbound-reply";
  status: MessageStatus;
  numSegments: number;
  media: Media[];
  errorCode: number | null;
  errorMessage: string | null;
  statusCallback: string;
  dateCreated: number;
  /** When an outbound text was sent, or when the webhook of an inbound text was called. Null until then. */
  dateSent: number | null;
  dateUpdated: number;
}

/** A media item of a message. */
export interface Media {
  sid: string;
  contentType: string;
  content: Buffer;
  dateCreated: number;
}
