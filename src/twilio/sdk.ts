import type TwilioSdk from "twilio";
import type { Login } from "./credentials.ts";
import type { RequestClient } from "./request-client.ts";

/** The official SDK's client. */
export type Sdk = TwilioSdk.Twilio;

/** Loaded once, by the first call. */
let loading: Promise<typeof TwilioSdk> | undefined;

/**
 * An SDK client for one call: it costs 5 µs, as its parts are made when first used. The SDK itself is loaded with
 * the first one, since it takes 0.2 s and 25 MB, which the receiver and the command line have no use for.
 */
export async function sdkClient(accountSid: string, login: Login, client: RequestClient): Promise<Sdk> {
  loading ??= import("twilio").then((module) => module.default);
  const { Twilio } = await loading;
  return new Twilio(login.user, login.password, {
    accountSid,
    // Given as empty, or the SDK would take TWILIO_REGION and TWILIO_EDGE from the environment.
    region: "",
    edge: "",
    userAgentExtensions: ["sms-channel-operator"],
    // The SDK wants its own class and uses nothing of it but request().
    httpClient: client as never,
  });
}
