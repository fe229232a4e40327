import type { SimulatorSeed } from "./seed.ts";
import { numberedSid } from "./sids.ts";

/** The account and the number that the examples and the demo use. */
export const demoAccount = {
  sid: numberedSid("AC", 1),
  authToken: "simulator-auth-token-0000000001",
  number: "+14252306549",
  numberSid: numberedSid("PN", 1),
} as const;

const accountSid = demoAccount.sid;
const pn = (n: number) => numberedSid("PN", n);

/** The seed has one number for each way in which a text reaches its webhook or does not reach it. docs/simulator.md lists these numbers. */
export const defaultSeed: SimulatorSeed = {
  accounts: [
    { sid: accountSid, authToken: demoAccount.authToken, friendlyName: "Contoso" },
    { sid: numberedSid("AC", 2), authToken: "simulator-auth-token-0000000002", friendlyName: "Fabrikam" },
    {
      sid: numberedSid("AC", 3),
      authToken: "simulator-auth-token-0000000003",
      friendlyName: "Contoso, a subaccount",
      ownerAccountSid: accountSid,
    },
  ],
  keys: [
    {
      sid: numberedSid("SK", 1),
      accountSid,
      kind: "standard",
      secret: "simulator-secret-standard",
      friendlyName: "Standard",
    },
    {
      sid: numberedSid("SK", 2),
      accountSid,
      kind: "main",
      secret: "simulator-secret-main",
      friendlyName: "Main",
    },
    {
      sid: numberedSid("SK", 3),
      accountSid,
      kind: "restricted",
      secret: "simulator-secret-restricted",
      friendlyName: "May only send",
      allow: ["/twilio/messaging/messages/create"],
    },
  ],
  applications: [
    { sid: numberedSid("AP", 1), accountSid, friendlyName: "A bot", smsUrl: "https://bot.example.com/sms" },
  ],
  numbers: [
    { sid: demoAccount.numberSid, accountSid, phoneNumber: demoAccount.number, friendlyName: "Demo" },
    {
      sid: pn(2),
      accountSid,
      phoneNumber: "+14252306550",
      friendlyName: "Wired elsewhere",
      smsUrl: "https://crm.example.com/twilio/inbound",
      smsFallbackUrl: "https://crm.example.com/twilio/fallback",
    },
    {
      sid: pn(3),
      accountSid,
      phoneNumber: "+14252306551",
      friendlyName: "With an application",
      smsApplicationSid: numberedSid("AP", 1),
    },
    {
      sid: pn(4),
      accountSid,
      phoneNumber: "+14252306552",
      friendlyName: "Voice only",
      capabilities: { voice: true, sms: false, mms: false, fax: false },
    },
    { sid: pn(5), accountSid, phoneNumber: "+14252306553", friendlyName: "In a service that drops inbound" },
    {
      sid: pn(6),
      accountSid,
      phoneNumber: "+14252306554",
      friendlyName: "In a service that defers to the number",
    },
    {
      sid: pn(7),
      accountSid,
      phoneNumber: "+14252306555",
      friendlyName: "In a service with its own webhook",
    },
    { sid: pn(8), accountSid, phoneNumber: "+14252306556", friendlyName: "With a Conversations address" },
    { sid: pn(9), accountSid, phoneNumber: "+18885550100", friendlyName: "Toll-free" },
    { sid: pn(16), accountSid: numberedSid("AC", 2), phoneNumber: "+12065550100", friendlyName: "Fabrikam" },
    {
      sid: pn(17),
      accountSid: numberedSid("AC", 3),
      phoneNumber: "+12065550101",
      friendlyName: "Subaccount",
    },
  ],
  shortCodes: [{ sid: numberedSid("SC", 1), accountSid, shortCode: "894546", friendlyName: "Short code" }],
  services: [
    { sid: numberedSid("MG", 1), accountSid, friendlyName: "Drops inbound", senders: [pn(5)] },
    {
      sid: numberedSid("MG", 2),
      accountSid,
      friendlyName: "Defers to the number",
      useInboundWebhookOnNumber: true,
      senders: [pn(6)],
    },
    {
      sid: numberedSid("MG", 3),
      accountSid,
      friendlyName: "Own webhook",
      inboundRequestUrl: "https://crm.example.com/twilio/service",
      senders: [pn(7)],
    },
  ],
  addresses: [{ sid: numberedSid("IG", 1), accountSid, address: "+14252306556" }],
  mirrors: ["ie1"],
};
