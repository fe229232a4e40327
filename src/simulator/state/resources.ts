/** The resources of the simulated Twilio. Times are milliseconds since the epoch; an unset string is "", as Twilio answers it. */

export interface SimulatedAccount {
  sid: string;
  friendlyName: string;
  authToken: string;
  /** Set from `POST /v1/AuthTokens/Secondary` until it is promoted or deleted. Both tokens log in, only the primary signs. */
  secondaryAuthToken: string | undefined;
  status: "active" | "suspended" | "closed";
  type: "Trial" | "Full";
  /** The parent's SID for a subaccount, else its own. */
  ownerAccountSid: string;
  /** How many calls may run at the same time; one more gets 429. Undefined: no limit. */
  concurrencyLimit: number | undefined;
  dateCreated: number;
  dateUpdated: number;
}

/** What all resources of an account have. */
interface OwnedResource {
  sid: string;
  accountSid: string;
  friendlyName: string;
  dateCreated: number;
  dateUpdated: number;
}

/** A key logs in as its account; the kind decides what it may do there. */
export interface ApiKey extends OwnedResource {
  secret: string;
  kind: "main" | "standard" | "restricted";
  /** Permissions of a restricted key, such as `/twilio/messaging/messages/create`. */
  allow: string[];
}

export type HttpMethod = "GET" | "POST";

/** The webhooks of a number, a short code or an application. */
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
  /** A TwiML application that receives the texts in place of `smsUrl`; "" is none. */
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

/** A TwiML application. The texts to a number that names one go to the application's URLs. */
export interface TwimlApplication extends OwnedResource, SmsWebhooks {
  /** Called for texts that name the application and no callback of their own. */
  messageStatusCallback: string;
}

export interface SimulatedService extends OwnedResource {
  /** Null: inbound texts are dropped, unless `useInboundWebhookOnNumber` is set. */
  inboundRequestUrl: string | null;
  inboundMethod: HttpMethod;
  fallbackUrl: string | null;
  fallbackMethod: HttpMethod;
  statusCallback: string | null;
  /** What Twilio's console calls "Defer to sender's webhook". */
  useInboundWebhookOnNumber: boolean;
  /** Seconds that a text may wait in a queue. */
  validityPeriod: number;
  stickySender: boolean;
  usecase: string;
  usAppToPersonRegistered: boolean;
  /** Undefined: Twilio's own keywords and answers. */
  advancedOptOut: AdvancedOptOut | undefined;
}

/** The keywords, in upper case, and the answers of a service with Advanced Opt-Out. */
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
 * A Conversations address. While autoCreation is enabled, texts to it start conversations, and the number's webhook is not
 * called.
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
  /** Null until it was sent. For an inbound text: when its webhook was called. */
  dateSent: number | null;
  dateUpdated: number;
}

export interface Media {
  sid: string;
  contentType: string;
  content: Buffer;
  dateCreated: number;
}
