import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Reason } from "../../src/api/reasons.ts";
import { createProber, type Prober } from "../../src/controllers/selfcheck/probe.ts";
import type { ProbeTarget } from "../../src/controllers/selfcheck/target.ts";
import { newCheck, problemOf } from "../../src/controllers/selfcheck/verdict.ts";
import { urlsUnder } from "../../src/routes/urls.ts";
import { sign } from "../../src/simulator/webhooks/sign.ts";
import {
  newInbox,
  post,
  probeTarget,
  type RunningReceiver,
  routeFor,
  startReceiver,
  TOKEN,
  textFields,
} from "../receiver/harness.ts";
import { type Mode, SPOILS, type Spoiler, startSpoiler } from "../support/spoiler.ts";

// The tests here check what a self-check reports about each way in which a proxy can spoil requests. Receiver and
// database are real, and the requests go over the network.

let running: RunningReceiver;
let spoiler: Spoiler;
let prober: Prober;
let target: ProbeTarget;
let end: () => Promise<void>;

beforeAll(async () => {
  const { receiverUrl, owner } = await newInbox();
  running = await startReceiver({ url: receiverUrl });
  spoiler = await startSpoiler(`http://127.0.0.1:${running.port}`);
  const base = `${spoiler.url}/sms`;
  const route = await routeFor({ urls: [urlsUnder(base, "team-a", "support")] });
  await running.setRoutes([route]);
  target = probeTarget(route, route.urls[0]!.inbound);
  prober = createProber();
  end = async () => {
    await prober.close();
    await spoiler.close();
    await running.stop();
    await owner.end();
  };
});
afterAll(() => end());

/**
 * The two ways in which the message about a change can end: the receiver refuses only texts with the content that the
 * proxy changes, or it refuses every text.
 */
const SOME = /, and such texts are refused; /;
const ALL = /, and every text is refused; /;

const rows: Record<Mode, "good" | [reason: Reason, ...says: RegExp[]]> = {
  nothing: "good",
  "host rewritten": "good",
  "query appended": "good",
  "prefix stripped": "good",
  "slash in front": "good",
  "fields sorted": "good",
  "encoded anew": "good",
  "charset dropped": "good",
  "headers added": "good",
  "same field twice": "good",
  "slash appended": ["PublicUrlAltersRequests", /receiver a slash is appended to the path, and/, ALL],
  "path rewritten": ["PublicUrlAltersRequests", /the path becomes \/, and/, ALL],
  "path cut": ["PublicUrlAltersRequests", /the path becomes \/team-a\/support, and/, ALL],
  "path in capitals": ["PublicUrlAltersRequests", /the path's letters are changed/, ALL],
  "signature removed": [
    "PublicUrlAltersRequests",
    /receiver the header X-Twilio-Signature is removed, and/,
    ALL,
  ],
  "signature changed": ["PublicUrlAltersRequests", /the header X-Twilio-Signature is changed, and/, ALL],
  "own headers removed": ["PublicUrlAltersRequests", /the header X-Twilio-Signature is removed, and/, ALL],
  "type removed": ["PublicUrlAltersRequests", /the header Content-Type is removed/, ALL],
  "type changed": ["PublicUrlAltersRequests", /the content type becomes application\/json/, ALL],
  "body as JSON": [
    "PublicUrlAltersRequests",
    /the content type becomes application\/json; the body becomes something else/,
    ALL,
  ],
  "GET instead": [
    "PublicUrlAltersRequests",
    /POST becomes GET; the header Content-Type is removed; the body is removed/,
    ALL,
  ],
  "body removed": ["PublicUrlAltersRequests", /receiver the body is removed, and/, ALL],
  "body cut": ["PublicUrlAltersRequests", /receiver the body is cut off, and/, SOME],
  "body in small letters": ["PublicUrlAltersRequests", /receiver the fields' names are changed, and/, ALL],
  "names in small letters": ["PublicUrlAltersRequests", /receiver the fields' names are changed, and/, ALL],
  "values in small letters": ["PublicUrlAltersRequests", /capitals and small letters are changed, and/, ALL],
  "emoji removed": ["PublicUrlAltersRequests", /receiver emoji are removed or replaced, and/, SOME],
  "emoji replaced": ["PublicUrlAltersRequests", /receiver emoji are removed or replaced, and/, SOME],
  "read as latin1": [
    "PublicUrlAltersRequests",
    /emoji are removed or replaced; letters with accents are changed, and/,
    SOME,
  ],
  "unicode composed": ["PublicUrlAltersRequests", /receiver letters with accents are changed, and/, SOME],
  "unicode decomposed": ["PublicUrlAltersRequests", /receiver letters with accents are changed, and/, SOME],
  "empty fields dropped": ["PublicUrlAltersRequests", /receiver empty fields are dropped, and/, ALL],
  "values trimmed": [
    "PublicUrlAltersRequests",
    /receiver blanks at the end of a value are removed, and/,
    SOME,
  ],
  "last of a name kept": [
    "PublicUrlAltersRequests",
    /receiver fields of the same name are merged, and/,
    SOME,
  ],
  "line breaks as CRLF": ["PublicUrlAltersRequests", /receiver line breaks are changed, and/, SOME],
  "decoded twice": ["PublicUrlAltersRequests", /values are decoded twice, and/, SOME],
  "blanks as plus": ["PublicUrlAltersRequests", /plus signs and blanks are confused, and/, ALL],
  "plus as blank": ["PublicUrlAltersRequests", /plus signs and blanks are confused, and/, ALL],
  "escaped for HTML": ["PublicUrlAltersRequests", /receiver values are escaped, and/, SOME],
  "unknown fields dropped": ["PublicUrlAltersRequests", /fields are dropped, and/, ALL],
  "field added": ["PublicUrlAltersRequests", /receiver fields are added, and/, ALL],
  "moved for good": [
    "PublicUrlRedirects",
    /redirects \(308\) to https:\/\/sms\.example\.com\/sms; set PUBLIC_URL to that;/,
  ],
  "slash by redirect": ["PublicUrlRedirects", /\(301\) to the same path with a slash appended;/],
  "https by redirect": [
    "PublicUrlRedirects",
    /\(301\) to https:\/\/127\.0\.0\.1:\d+\/sms; set PUBLIC_URL to that;/,
  ],
  "login page": ["PublicUrlRedirects", /\(302\) to a login page at sso\.example\.com; let /],
  "login by oauth2-proxy": ["PublicUrlRedirects", /\(302\) to a login page at 127\.0\.0\.1:\d+; let /],
  "home page by redirect": ["PublicUrlRedirects", /\(303\) to another page at www\.example\.com; let /],
  "redirect without a place": ["PublicUrlRedirects", /\(307\) without saying where;/],
  "web page": ["PublicUrlNotOurs", /answered by something else \(200\), such as a web page/],
  "asks for a login": ["PublicUrlNotOurs", /asks for a login \(401\)/],
  "firewall's page": [
    "PublicUrlNotOurs",
    /refused by something in front of the receiver \(403\), such as a firewall/,
  ],
  "empty 403": [
    "RoutesNotLoaded",
    /\(403\).*if that stays, something in front of it refuses or changes requests/,
  ],
  "no such page": ["PublicUrlNotOurs", /leads to nothing \(404\)/],
  "no POST": ["PublicUrlNotOurs", /accepts no POST \(405\)/],
  "proxy's login": ["PublicUrlNotOurs", /a proxy that asks for a login \(407\)/],
  "too large": ["PublicUrlNotOurs", /accepts only smaller bodies \(413\)/],
  "type refused": ["PublicUrlNotOurs", /refused for its content type \(415\)/],
  "too many": ["PublicUrlNotOurs", /a limit of requests \(429\)/],
  "bad gateway": ["PublicUrlUnreachable", /something in front of the receiver answers 502/],
  "no receiver": ["PublicUrlUnreachable", /something in front of the receiver answers 503/],
  "empty 503": ["RoutesNotLoaded", /\(503\).*if that stays/],
  "gateway's patience": ["PublicUrlUnreachable", /something in front of the receiver answers 504/],
  "no long bodies": [
    "PublicUrlAltersRequests",
    /requests as large as a long text are refused on the way \(413\)/,
  ],
  "firewall against emoji": [
    "PublicUrlAltersRequests",
    /requests like Twilio's are refused on the way \(403\)/,
  ],
  "firewall against unknown headers": [
    "PublicUrlAltersRequests",
    /requests like Twilio's are refused on the way \(406\)/,
  ],
};

describe("what a self-check reports when a proxy changes requests", () => {
  test("is tested for every way in which the test proxy can change requests", () =>
    expect(Object.keys(rows).sort()).toEqual(Object.keys(SPOILS).sort()));
  for (const [mode, want] of Object.entries(rows) as [Mode, (typeof rows)[Mode]][])
    test(`is ${want === "good" ? "no problem" : want[0]} for: ${mode}`, async () => {
      spoiler.mode = mode;
      const problem = problemOf(newCheck(1), await ask());
      if (want === "good") return expect(problem).toBeUndefined();
      const [reason, ...says] = want;
      expect(problem?.reason, problem?.message).toBe(reason);
      for (const words of says) expect(problem?.message).toMatch(words);
      expect(problem?.message).not.toMatch(/secret/);
      // The same fault must give the same message, because otherwise each self-check would change the status.
      expect(problemOf(newCheck(1), await ask())).toEqual(problem);
      expect(problem?.lasts === true).toBe(
        says.includes(SOME) || /refused on the way/.test(problem!.message),
      );
    });
});

describe("a self-check passes exactly when texts would be delivered", () => {
  /** A text with every kind of content that a text can have, but without the fields of a self-check. */
  const odd = (): [string, string][] => [
    ...textFields({ Body: "Grüße 📦 Zoe\u0308, 2 + 2 & don't: 100%2B\nbye ", ToState: "" }),
    ["Extra", "1"],
    ["Extra", "2"],
  ];
  const long = (): [string, string][] => textFields({ Body: "📦".repeat(800) });
  for (const mode of Object.keys(SPOILS) as Mode[])
    test(`through a proxy that changes requests in this way: ${mode}`, async () => {
      spoiler.mode = mode;
      const taken = await Promise.all([odd(), long()].map(isTaken));
      expect(problemOf(newCheck(1), await ask()) === undefined).toBe(!taken.includes(false));
    });
});

/** Whether Twilio would count the text as delivered: the answer must be TwiML, without a redirect. */
async function isTaken(fields: [string, string][]): Promise<boolean> {
  const { status, body } = await post(Number(new URL(spoiler.url).port), {
    path: new URL(target.url).pathname,
    headers: { "x-twilio-signature": sign(TOKEN, target.url, fields) },
    body: new URLSearchParams(fields).toString(),
  });
  return status === 200 && body === "<Response/>";
}

const ask = () => prober.probe(target, { long: true }, new AbortController().signal);
