/** What the simulated Twilio keeps. Times are milliseconds since the epoch; an unset string is "", as Twilio answers it. */

export interface SimulatedAccount {
  sid: string;
  friendlyName: string;
  authToken: string;
  /** Set between `POST /v1/AuthTokens/Secondary` and its promotion or deletion: both tokens log in, only the primary signs. */
  secondaryAuthToken: string | undefined;
  status: "active" | "suspended" | "closed";
  type: "Trial" | "Full";
  /** Its own SID, or the parent's for a subaccount. */
  ownerAccountSid: string;
  /** Calls at once before 429; undefined: no limit. */
  concurrencyLimit: number | undefined;
  dateCreated: number;
  dateUpdated: number;
}

interface OwnedResource {
  sid: string;
  accountSid: string;
  friendlyName: string;
  dateCreated: number;
  dateUpdated: number;
}

export interface ApiKey extends OwnedResource {
  secret: string;
  kind: "main" | "standard" | "restricted";
  /** Permissions of a restricted key, such as `/twilio/messaging/messages/create`. */
  allow: string[];
}

export type HttpMethod = "GET" | "POST";

export interface SmsWebhooks {
  smsUrl: string;
  smsMethod: HttpMethod;
  smsFallbackUrl: string;
  smsFallbackMethod: HttpMethod;
}

export interface SimulatedNumber extends OwnedResource, SmsWebhooks {
  /** E.164. */
  phoneNumber: string;
  type: "local" | "mobile" | "tollfree";
  capabilities: { voice: boolean; sms: boolean; mms: boolean; fax: boolean };
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

/** What can send and receive texts. */
export type SimulatedSender = SimulatedNumber | SimulatedShortCode;

/** A TwiML application; a number that names one gets its texts sent to the application's URLs. */
export interface TwimlApplication extends OwnedResource, SmsWebhooks {
  messageStatusCallback: string;
}

export interface SimulatedService extends OwnedResource {
  inboundRequestUrl: string | null;
  inboundMethod: HttpMethod;
  fallbackUrl: string | null;
  fallbackMethod: HttpMethod;
  statusCallback: string | null;
  /** The console's "Defer to sender's webhook". */
  useInboundWebhookOnNumber: boolean;
  validityPeriod: number;
  stickySender: boolean;
  usecase: string;
  usAppToPersonRegistered: boolean;
  advancedOptOut: AdvancedOptOut | undefined;
}

/** Keywords and answers of a service with Advanced Opt-Out; keywords upper-case. */
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

/** A Conversations address: with autoCreation on, texts to it become a conversation instead of a webhook. */
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
  /** Null until it was sent; for an inbound one: when the webhook was called. */
  dateSent: number | null;
  dateUpdated: number;
}

export interface Media {
  sid: string;
  contentType: string;
  content: Buffer;
  dateCreated: number;
}
