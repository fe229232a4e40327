import type {
  ApiKey,
  ConversationAddress,
  SimulatedAccount,
  SimulatedNumber,
  SimulatedService,
  SimulatedShortCode,
  TwimlApplication,
} from "./resources.ts";

/** The fields of a new resource that Twilio fills in: everything except its SID, its owner and its dates. */
type Defaults<T> = Omit<T, "sid" | "accountSid" | "dateCreated" | "dateUpdated">;

/** The URLs that Twilio sets on a new number. The controller must recognise that they are not a customer's webhook. */
const demoReply = "https://demo.twilio.com/welcome/sms/reply/";
const demoVoice = "https://demo.twilio.com/welcome/voice/";
/** The toll-free area codes of North America. */
const tollFree = /^\+1(?:800|833|844|855|866|877|888)/;
const noWebhooks = { smsUrl: "", smsMethod: "POST", smsFallbackUrl: "", smsFallbackMethod: "POST" } as const;

/** The defaults of the n-th account of a region. Its token is predictable, so that tests and docs can name it. */
export const accountDefaults = (n: number, sid: string): Defaults<SimulatedAccount> => ({
  friendlyName: `Account ${n}`,
  authToken: `simulator-auth-token-${String(n).padStart(10, "0")}`,
  secondaryAuthToken: undefined,
  status: "active",
  type: "Full",
  ownerAccountSid: sid,
  concurrencyLimit: undefined,
});

/** The defaults of a key. The secret is derived from the SID, so that a seed need not name one. */
export const keyDefaults = (sid: string): Defaults<ApiKey> => ({
  friendlyName: sid,
  secret: `simulator-secret-${sid.slice(-8)}`,
  kind: "standard",
  allow: [],
});

/** The defaults of a number that has just been bought: Twilio's demo answers its texts and calls. */
export const numberDefaults = (phoneNumber: string): Defaults<SimulatedNumber> => ({
  phoneNumber,
  friendlyName: phoneNumber,
  type: tollFree.test(phoneNumber) ? "tollfree" : "local",
  capabilities: { voice: true, sms: true, mms: true, fax: false },
  ...noWebhooks,
  smsUrl: demoReply,
  smsApplicationSid: "",
  statusCallback: "",
  statusCallbackMethod: "POST",
  voiceUrl: demoVoice,
  voiceMethod: "POST",
  voiceFallbackUrl: "",
  voiceFallbackMethod: "POST",
  voiceApplicationSid: "",
  voiceCallerIdLookup: false,
  trunkSid: "",
  bundleSid: "",
  addressSid: "",
  identitySid: "",
  origin: "twilio",
  beta: false,
});

/** The defaults of a short code. Twilio sets no webhook on a new short code. */
export const shortCodeDefaults = (shortCode: string): Defaults<SimulatedShortCode> => ({
  shortCode,
  friendlyName: shortCode,
  ...noWebhooks,
});

export const applicationDefaults = (sid: string): Defaults<TwimlApplication> => ({
  friendlyName: sid,
  messageStatusCallback: "",
  ...noWebhooks,
});

/** The defaults of a Messaging Service as the API creates it: it has no webhook, so it drops inbound texts. */
export const serviceDefaults = (sid: string): Defaults<SimulatedService> => ({
  friendlyName: sid,
  inboundRequestUrl: null,
  inboundMethod: "POST",
  fallbackUrl: null,
  fallbackMethod: "POST",
  statusCallback: null,
  useInboundWebhookOnNumber: false,
  validityPeriod: 36_000,
  stickySender: true,
  usecase: "undeclared",
  usAppToPersonRegistered: false,
  advancedOptOut: undefined,
});

/** The defaults of a Conversations address. It is enabled, because a disabled address has no effect. */
export const addressDefaults = (address: string): Defaults<ConversationAddress> => ({
  address,
  friendlyName: "",
  type: "sms",
  autoCreation: { enabled: true, type: "default", webhookUrl: "" },
});
