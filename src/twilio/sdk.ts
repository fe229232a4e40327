import type TwilioSdk from "twilio";
import type { Login } from "./credentials.ts";
import type { RequestClient } from "./request-client.ts";

/** The client of Twilio's official SDK. */
export type Sdk = TwilioSdk.Twilio;

/** The SDK module, which the first call loads. */
let loading: Promise<typeof TwilioSdk> | undefined;

/**
 * Makes an SDK client for one call. That costs 5 µs, since its parts are made when they are first used. The SDK itself is loaded with the
 * first client: it takes 0.2 s and 25 MB, and the receiver and the command line do not need it.
 */
export async function sdkClient(accountSid: string, login: Login, client: RequestClient): Promise<Sdk> {
  loading ??= import("twilio").then((module) => module.default);
  const { Twilio } = await loading;
  return new Twilio(login.user, login.password, {
    accountSid,
    // Region and edge are set to empty strings. Otherwise the SDK would take TWILIO_REGION and TWILIO_EDGE from the environment.
    region: "",
    edge: "",
    userAgentExtensions: ["sms-channel-operator"],
    // The SDK's types demand the SDK's own HTTP client, but the SDK only calls the method request() of the client that it gets.
    httpClient: client as never,
  });
}
