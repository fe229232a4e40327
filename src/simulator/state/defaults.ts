import type {
  ApiKey,
  ConversationAddress,
  SimulatedAccount,
  SimulatedNumber,
  SimulatedService,
  SimulatedShortCode,
  TwimlApplication,
} from "./resources.ts";

/** What Twilio fills in for a new resource: everything except its SID, its owner and its dates. */
type Defaults<T> = Omit<T, "sid" | "accountSid" | "dateCreated" | "dateUpdated">;

/** The URLs that Twilio sets on a new number. The controller must recognize them as nobody's own webhook. */
const demoReply = "https://demo.twilio.com/welcome/sms/reply/";
const demoVoice = "https://demo.twilio.com/welcome/voice/";
/** The toll-free area codes of North America. */
const tollFree = /^\+1(?:800|833|844|855|866|877|888)/;
const noWebhooks = { smsUrl: "", smsMethod: "POST", smsFallbackUrl: "", smsFallbackMethod: "POST" } as const;

/** The defaults of the n-th account of a region; its token is predictable, so that tests and docs can name it. */
export const accountDefaults = (n: number, sid: string): Defaults<SimulatedAccount> => ({
  friendlyName: `Account ${n}`,
  authToken: `simulator-auth-token-${String(n).padStart(10, "0")}`,
  secondaryAuthToken: undefined,
  status: "active",
  type: "Full",
  ownerAccountSid: sid,
  concurrencyLimit: undefined,
});

/** The secret is derived from the SID, so that a seed with a key needs no secret of its own. */
export const keyDefaults = (sid: string): Defaults<ApiKey> => ({
  friendlyName: sid,
  secret: `simulator-secret-${sid.slice(-8)}`,
  kind: "standard",
  allow: [],
});

/** A number that has just been bought: Twilio's demo answers its texts and calls. */
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

/** A service as the API creates it: without a webhook, so it drops inbound texts. */
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

/** Enabled, because only an enabled address makes a difference. */
export const addressDefaults = (address: string): Defaults<ConversationAddress> => ({
  address,
  friendlyName: "",
  type: "sms",
  autoCreation: { enabled: true, type: "default", webhookUrl: "" },
});
