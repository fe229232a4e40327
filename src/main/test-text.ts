import { randomBytes } from "node:crypto";
import { request } from "undici";
import { systemClock } from "../clock.ts";
import type { DatabaseUrl } from "../inbox/database-url.ts";
import { isStored } from "../inbox/stored.ts";
import { TEST_STREAM } from "../routes/test-route.ts";
import { publicUrls, urlsOf } from "../routes/urls.ts";
import { sign } from "../twilio/signature.ts";
import {
  type Command,
  type Config,
  databaseUrlOf,
  duration,
  settings,
  text,
  UsageError,
  url,
} from "./config.ts";

const own = {
  publicUrl: settings.publicUrl,
  receiverUrl: {
    env: "RECEIVER_URL",
    help: "Where to send the text, such as the receiver's Service. The signature is always for PUBLIC_URL. Default: PUBLIC_URL.",
    parse: url("https:", "http:"),
  },
  operatorNamespace: settings.operatorNamespace,
  databaseUrl: {
    ...settings.databaseUrl,
    help: "URL of PostgreSQL with the receiver's role, to check that the text was stored. This or DATABASE_URL_FILE is required.",
  },
  databaseUrlFile: settings.databaseUrlFile,
  accountSid: {
    env: "TEST_ACCOUNT_SID",
    help: "The accountSid in the Secret {release}-test, which a controller with TEST_ROUTE creates.",
    required: true,
    parse: text,
  },
  authToken: {
    env: "TEST_AUTH_TOKEN",
    help: "The authToken in the Secret {release}-test.",
    required: true,
    secret: true,
    parse: text,
  },
  wait: {
    env: "WAIT",
    help: "How long to try until a receiver knows the test route.",
    default: "1m",
    parse: duration,
  },
} as const;

/** The pause between two tries, while no receiver knows the test route yet. */
const RETRY_MS = 500;
const TIMEOUT_MS = 10_000;

/** `smschannel test-text`, which `helm test` runs. Exits with 0 when a text arrives as a text of Twilio would. */
export const testTextCommand: Command<typeof own> = {
  name: "test-text",
  summary:
    "send a signed text through the receiver and look for it in the database; no user's number is touched",
  settings: own,
  async run(config) {
    const databaseUrl = databaseUrlOf(config);
    if (databaseUrl === undefined)
      throw new UsageError("DATABASE_URL or DATABASE_URL_FILE is required: the URL of the receiver's role");
    try {
      await testText(config, databaseUrl);
    } catch (error) {
      const { message, code } = error as Error & { code?: string };
      // When a host name has several addresses and all of them refuse, the error has a code but no message.
      process.stdout.write(`FAILED  ${message || code || "for an unknown reason"}\n`);
      process.exitCode = 1;
    }
  },
};

/** Sends two texts: one that must be stored, and one with a wrong signature that must be refused. */
async function testText(config: Config<typeof own>, databaseUrl: DatabaseUrl): Promise<void> {
  const { accountSid, authToken } = config;
  const urls = publicUrls(config.publicUrl, undefined);
  const { inbound } = urlsOf(urls, config.operatorNamespace, TEST_STREAM);
  const to = new URL(inbound);
  if (config.receiverUrl !== undefined) {
    const { protocol, hostname, port } = new URL(config.receiverUrl);
    to.protocol = protocol;
    to.hostname = hostname;
    // The port needs its own assignment. Assigning a value without a port to `host` would keep the port of the public URL.
    to.port = port;
  }
  const stranger = randomBytes(16).toString("hex");
  const send = (messageSid: string, token: string) =>
    post(to, inbound, { ...TEXT, AccountSid: accountSid, MessageSid: messageSid }, token);

  const good = newSid();
  // A receiver that does not know the test route yet answers 403 even to a correct signature, so the text is sent again for a while.
  const answer = await patiently(config.wait, () => send(good, authToken));
  expect(answer.status === 200, `a signed text is answered with ${answer.status} by ${to.origin}`);
  // Only the receiver answers with exactly `<Response/>`. A 200 from another program, such as a default page of an ingress, must not pass.
  expect(answer.body === "<Response/>", "the answer is not the receiver's");
  say("a signed text was accepted");

  const forged = newSid();
  const refusal = await send(forged, stranger);
  expect(refusal.status === 403, `a text with a wrong signature is answered with ${refusal.status}, not 403`);
  say("a text with a wrong signature was refused");

  expect(
    await isStored(databaseUrl, { accountSid, messageSid: good }),
    "the text that was accepted is not in the database",
  );
  say("the accepted text is in the database");
  expect(
    !(await isStored(databaseUrl, { accountSid, messageSid: forged })),
    "the text that was refused is in the database",
  );
  say("the refused text is not in the database");
}

/** A test text. Its phone numbers are Twilio's own test numbers, so that no person's number gets into the database. */
const TEXT = {
  ApiVersion: "2010-04-01",
  Body: "smschannel test-text",
  From: "+15005550006",
  NumMedia: "0",
  NumSegments: "1",
  SmsStatus: "received",
  To: "+15005550001",
};

const newSid = () => `SM${randomBytes(16).toString("hex")}`;

interface ReceiverAnswer {
  status: number;
  body: string;
}

/** Sends a text as Twilio does. The signature is always for the configured URL, wherever the request goes. */
async function post(
  to: URL,
  signed: string,
  fields: Record<string, string>,
  token: string,
): Promise<ReceiverAnswer> {
  const answer = await request(to, {
    method: "POST",
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      "x-twilio-signature": sign(token, signed, Object.entries(fields)),
    },
    body: new URLSearchParams(fields).toString(),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  return { status: answer.statusCode, body: await answer.body.text() };
}

/** Repeats `send` while the receiver refuses or does not answer: it may have just started, or may not have read the newest routes yet. */
async function patiently(waitMs: number, send: () => Promise<ReceiverAnswer>): Promise<ReceiverAnswer> {
  const until = systemClock.monotonic() + waitMs;
  for (;;) {
    const answer = await send().catch((error: Error & { code?: string }) => error);
    const over = systemClock.monotonic() >= until;
    if (answer instanceof Error) {
      if (over) throw new Error(`the receiver does not answer (${answer.code ?? answer.name})`);
    } else if (over || (answer.status !== 403 && answer.status !== 503)) return answer;
    await systemClock.sleep(RETRY_MS);
  }
}

/** Throws an Error with the given text unless the expectation holds. The command prints the text as `FAILED`. */
function expect(fine: boolean, otherwise: string): void {
  if (!fine) throw new Error(otherwise);
}

const say = (line: string) => void process.stdout.write(`ok      ${line}\n`);
