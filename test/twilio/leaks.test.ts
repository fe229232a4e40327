import { describe, expect, test } from "vitest";
import type { CallOptions, TwilioAccount } from "../../src/twilio/twilio.ts";
import { type Answer, allOf, change, client, demoAccount, json, recordingLog, server } from "./support.ts";

const secrets = {
  authToken: "5ecre7-auth-token-aaaaaaaaaaaaaa",
  secondaryAuthToken: "5ecre7-second-token-bbbbbbbbbbbb",
  apiKeySecret: "5ecre7-key-secret-cccccccccccccc",
};
const apiKeySid = `SK${"7".repeat(32)}`;
const { sid: accountSid, numberSid } = demoAccount;
const customer = "+14155550199";
const webhook = "https://user:passw0rd@crm.example.com/hook?key=5ecre7-in-url";
const next = "https://elsewhere.example/5ecre7-next-page";

/** Everything that no error, log line or metric may show: the secrets, and the Basic headers that are made from them. */
const forbidden = [
  "5ecre7",
  "passw0rd",
  customer,
  customer.slice(1),
  ...[accountSid, apiKeySid].flatMap((user) =>
    Object.values(secrets).map((secret) => Buffer.from(`${user}:${secret}`).toString("base64")),
  ),
  "Basic ",
];

/** Fields for answers that are as harmful as possible: they repeat a token, the URL of a webhook and a number. */
const leaked = {
  auth_token: secrets.authToken,
  message: `${customer} ${webhook} ${secrets.authToken}`,
  sms_url: webhook,
};
const answers: Record<string, Answer> = {
  "401": json({ code: 20003, status: 401, ...leaked }, 401),
  "403 for a missing permission": json({ code: 70051, status: 403, ...leaked }, 403),
  "404": json({ code: 20404, status: 404, ...leaked }, 404),
  "400": json({ code: 21402, status: 400, ...leaked }, 400),
  "429": json({ code: 20429, status: 429, ...leaked }, 429, { "retry-after": "0" }),
  "403 of another server than Twilio": json(leaked, 403),
  "404 as HTML": (response) => response.writeHead(404).end(`<h1>${JSON.stringify(leaked)}</h1>`),
  "500 with JSON": json(leaked, 500),
  "503 with HTML": (response) => response.writeHead(503).end(`<h1>${JSON.stringify(leaked)}</h1>`),
  "a redirect": (response) => response.writeHead(302, { location: next }).end(),
  "a connection that is reset": (response) => response.socket!.resetAndDestroy(),
  "half an answer": (response) => {
    response.writeHead(200, { "content-length": "5000" });
    response.write(JSON.stringify(leaked).slice(0, -5), () => response.socket!.destroy());
  },
  "an answer that is not HTTP": (response) => response.socket!.end(`${JSON.stringify(leaked)}\r\n\r\n`),
  "an answer with an invalid header": (response) =>
    response.socket!.end(`HTTP/1.1 200 OK\r\n${secrets.authToken}\r\n\r\n`),
  "no answer": () => {},
  "an answer that is not JSON": (response) =>
    response.writeHead(200).end(`secret: ${JSON.stringify(leaked)}`),
  "JSON of another shape": json({
    ...leaked,
    incoming_phone_numbers: [leaked],
    meta: { key: "auth_token" },
    capabilities: 1,
  }),
  "a next page at another host": json({
    incoming_phone_numbers: [],
    services: [],
    meta: { key: "services", next_page_url: next },
  }),
  "a suspended account": json({
    sid: accountSid,
    owner_account_sid: accountSid,
    status: "suspended",
    ...leaked,
  }),
};

const calls: Record<string, (account: TwilioAccount, options: CallOptions) => Promise<unknown>> = {
  check: (account, options) => account.check(options),
  listNumbers: (account, options) => account.listNumbers(options),
  getNumber: (account, options) => account.getNumber(numberSid, options),
  updateNumber: (account, options) =>
    account.updateNumber(numberSid, { smsUrl: webhook, smsFallbackUrl: "" }, options),
  listMessagingServices: (account, options) => account.listMessagingServices(options),
};

const logins = {
  "with tokens": { accountSid, authToken: secrets.authToken, secondaryAuthToken: secrets.secondaryAuthToken },
  "with a key": { accountSid, authToken: secrets.authToken, apiKeySid, apiKeySecret: secrets.apiKeySecret },
};

describe("no error, log line or metric holds a credential, a URL, a number or a body", () => {
  for (const [name, answer] of Object.entries(answers))
    test(`on ${name}`, async () => {
      const { url, requests } = await server(answer);
      const made = client(url, { timeoutMs: 100, random: () => 0.001 });
      const errors: unknown[] = [];
      for (const credentials of Object.values(logins))
        for (const call of Object.values(calls))
          await call(made.twilio.account(credentials), change).catch((error: unknown) => errors.push(error));

      expect(errors.length, "some call fails").toBeGreaterThan(0);
      expect(requests.every(({ authorization }) => authorization?.startsWith("Basic "))).toBe(true);
      // The errors are logged with the serializers of the production log, as if a mistake in our code logged a whole error.
      const { log, lines } = recordingLog();
      for (const error of errors) log.error({ err: error }, "it failed");
      const metrics = await made.registry.metrics();
      expect(made.lines.length).toBeGreaterThan(0);
      const all = [...errors.map(allOf), ...lines, ...made.lines, metrics].join("\n");
      for (const secret of forbidden) expect(all.includes(secret), secret).toBe(false);
      expect(all).not.toMatch(/authorization/i);
      expect([...made.lines, metrics].join("\n"), "no SIDs either").not.toMatch(/(AC|PN|SK|MG)[0-9a-f]{32}/);
      expect(metrics).not.toContain("127.0.0.1");
    });
});

test("printing an account or the client shows no secret", async () => {
  const made = client("http://127.0.0.1:1");
  for (const credentials of Object.values(logins)) {
    const account = made.twilio.account(credentials);
    const all = `${allOf(account)} ${allOf(made.twilio)} ${JSON.stringify(account)}`;
    for (const secret of forbidden) expect(all.includes(secret), secret).toBe(false);
  }
});
