import type { KubeObject, Secret } from "../src/kube/resource.ts";
import type { InboundDelivery, SimulatorSeed } from "../src/simulator/simulator.ts";
import { defaultSeed } from "../src/simulator/state/default-seed.ts";

/** The URL that Twilio sets for each number that is bought. It answers every text with a reply from Twilio. */
const DEMO_REPLY = "https://demo.twilio.com/welcome/sms/reply";

export interface DemoCredentials {
  readonly accountSid: string;
  readonly authToken: string;
}

/** The webhook of a number, as Twilio's API returns it. */
export interface DemoWebhook {
  /** The number's own SID. */
  readonly sid: string;
  readonly smsUrl: string;
  readonly smsFallbackUrl: string;
  readonly smsMethod: string;
  readonly smsApplicationSid: string;
}

/** The account SID and the auth token from the Secret among the examples. */
export function credentialsOf(manifests: KubeObject[]): DemoCredentials {
  const secret = manifests.find(({ kind }) => kind === "Secret") as Secret | undefined;
  const decoded = Object.entries(secret?.data ?? {}).map(([key, value]) => [
    key,
    Buffer.from(value, "base64").toString(),
  ]);
  const { accountSid, authToken } = {
    ...Object.fromEntries(decoded),
    ...secret?.stringData,
  } as Partial<DemoCredentials>;
  if (accountSid === undefined || authToken === undefined)
    throw new Error("the examples contain no Secret with accountSid and authToken");
  return { accountSid, authToken };
}

/** The simulator's default seed, with the account and the number of the examples in place of its own. */
export function seedFor({ accountSid, authToken }: DemoCredentials, number: string): SimulatorSeed {
  const phoneNumber = `+${number}`;
  const usual = defaultSeed.numbers?.find((one) => one.phoneNumber === phoneNumber);
  return {
    ...defaultSeed,
    accounts: [
      { sid: accountSid, authToken, friendlyName: "Demo" },
      ...(defaultSeed.accounts ?? []).filter(({ sid }) => sid !== accountSid),
    ],
    numbers: [
      { ...usual, accountSid, phoneNumber, friendlyName: "Demo", smsUrl: DEMO_REPLY },
      ...(defaultSeed.numbers ?? []).filter((one) => one !== usual),
    ],
  };
}

/** Reads the number's webhook from Twilio's API, as any client with the token can. */
export async function webhookOf(
  url: string,
  { accountSid, authToken }: DemoCredentials,
  number: string,
  signal: AbortSignal,
): Promise<DemoWebhook> {
  const query = new URLSearchParams({ PhoneNumber: `+${number}` });
  const response = await fetch(
    `${url}/2010-04-01/Accounts/${accountSid}/IncomingPhoneNumbers.json?${query}`,
    {
      headers: { authorization: `Basic ${btoa(`${accountSid}:${authToken}`)}` },
      signal,
    },
  );
  const body = (await response.json()) as { incoming_phone_numbers?: Record<string, string>[] };
  const found = body.incoming_phone_numbers?.find((one) => one.phone_number === `+${number}`);
  if (found === undefined) throw new Error(`Twilio answered ${response.status} and does not list +${number}`);
  return {
    sid: found.sid ?? "",
    smsUrl: found.sms_url ?? "",
    smsFallbackUrl: found.sms_fallback_url ?? "",
    smsMethod: found.sms_method ?? "",
    smsApplicationSid: found.sms_application_sid ?? "",
  };
}

export function describeWebhook({ smsUrl, smsFallbackUrl }: DemoWebhook): string {
  return `SmsUrl ${smsUrl || "(none)"}, SmsFallbackUrl ${smsFallbackUrl || "(none)"}`;
}

/**
 * Sends a request that a stranger could send: the URL and the account SID are no secrets, but a valid signature needs the token. Resolves
 * with the status of the answer.
 */
export async function sendUnsigned(
  inboundUrl: string,
  accountSid: string,
  { from, to, body }: { from: string; to: string; body: string },
  signal: AbortSignal,
): Promise<number> {
  const MessageSid = `SM${"f".repeat(32)}`;
  const response = await fetch(inboundUrl, {
    method: "POST",
    headers: { "x-twilio-signature": Buffer.alloc(20).toString("base64") },
    body: new URLSearchParams({ MessageSid, AccountSid: accountSid, From: from, To: to, Body: body }),
    signal,
  });
  await response.arrayBuffer();
  return response.status;
}

/** Sends a text as a customer does. The simulated Twilio signs the request and calls the number's webhook. */
export async function sendText(
  url: string,
  text: { from: string; to: string; body: string },
  signal: AbortSignal,
): Promise<InboundDelivery> {
  const response = await fetch(`${url}/_simulator/inbound`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(text),
    signal,
  });
  if (!response.ok) throw new Error(`the simulator answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as InboundDelivery;
}
