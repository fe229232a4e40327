import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Route } from "../routes/route.ts";
import { signatureKey } from "../routes/signature-states.ts";
import { sign } from "../simulator/webhooks/sign.ts";
import { decoyFor } from "./decoy.ts";
import { FieldsReader } from "./fields.ts";
import { type Judgement, judge, judgeInSteps, judgeUnread, SMALL_BODY } from "./judge.ts";

// These tests measure the cost of a request in bytes that were read and hashed, because times differ from machine to machine.

const KIB = 1024;
const ACCOUNT = "AC00000000000000000000000000000001";
const SIGNATURE = `${"A".repeat(27)}=`;
const PATHS = ["team-a/plain", "team-a/rotated", "team-a/moved", "team-a/nobody"];
const urlOf = (path: string, host = "sms") => `https://${host}.example.com/inbound/${path}`;

const urls = (url: string) => ({ inbound: url, fallback: url, status: url });
const keys = await Promise.all(["token", "secondary"].map(signatureKey));

function routeAt(path: string, more: Partial<Route>): Route {
  const [namespace, stream] = path.split("/") as [string, string];
  return {
    namespaceUid: "uid",
    namespace,
    stream,
    accountSid: ACCOUNT,
    generation: 1,
    numbers: ["15005550006"],
    urls: [urls(urlOf(path))],
    keys: keys.slice(0, 1),
    checkKey: Buffer.alloc(32, 1),
    ...more,
  };
}

const routes = new Map([
  ["team-a/plain", routeAt("team-a/plain", {})],
  ["team-a/rotated", routeAt("team-a/rotated", { keys })],
  [
    "team-a/moved",
    routeAt("team-a/moved", { urls: [urls(urlOf("team-a/moved")), urls(urlOf("team-a/moved", "old"))] }),
  ],
]);
/** How many HMACs one route of this test takes at most: two tokens or two URLs, each URL with and without its port. */
const MOST_HMACS = 4;

interface Cost {
  /** Bytes that were hashed before other requests got a turn. */
  hashedAtOnce: number;
  /** Bytes that were read or hashed in the largest step of the slow lane. Texts are served between the steps. */
  largestStep: number;
  /** Bytes that were read or hashed in all steps together. */
  inSteps: number;
  judgement: Judgement;
}

/** Judges a request as the handler does, and counts bytes. */
function costOf(body: Buffer, path: string, signature: string | undefined = SIGNATURE): Cost {
  let hmacs = 0;
  const counted = (route: Route): Route => ({
    ...route,
    keys: route.keys.map(({ inner, outer, fingerprint }) => ({
      get inner() {
        hmacs++;
        return inner;
      },
      outer,
      fingerprint,
    })),
  });
  const table = {
    find: (name: string) => [routes.get(name) ?? []].flat().map(counted),
    decoy: counted(decoyFor([...routes.values()].map((route) => [route]))),
    hasAccount: (sid: string) => sid === ACCOUNT,
  };
  const received = { target: `/inbound/${path}`, signature, body, nowMs: 0 };
  const isSmall = body.length <= SMALL_BODY;
  const judgement = isSmall ? judge(received, table) : judgeUnread(received, table);
  const hashedAtOnce = hmacs * body.length;
  if (judgement !== undefined) return { hashedAtOnce, largestStep: 0, inSteps: 0, judgement };
  let [largestStep, inSteps] = [0, 0];
  const work = judgeInSteps(received, table, new FieldsReader());
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return { hashedAtOnce, largestStep, inSteps, judgement: value };
    largestStep = Math.max(largestStep, value);
    inSteps += value;
  }
}

const fields = (count: number, one: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => one(i)).join("&");
const filledTo = (size: number, piece: string) => `a=${piece.repeat(Math.floor((size - 2) / piece.length))}`;

/** Bodies that unauthenticated clients could send. */
const strangers: Record<string, string> = {
  "600 bytes, the size of a text": filledTo(600, "x"),
  "4 KiB, the largest body that counts as small": filledTo(4 * KIB, "x"),
  "32 KiB of 990 fields that are not UTF-8": fields(990, (i) => `n${i}=%ff`).padEnd(32 * KIB, "x"),
  "32 KiB of one value that is not UTF-8": filledTo(32 * KIB, "%ff"),
  "a thousand names that begin alike": fields(1000, (i) => `${"n".repeat(25)}${i}=%ff`),
  "a thousand names that begin alike, with plain values": fields(1000, (i) => `${"n".repeat(25)}${i}=1`),
  "a thousand times the same name": fields(1000, (i) => `Body=${i}`),
  "a hundred names of 300 characters that begin alike": fields(100, (i) => `${"n".repeat(300)}${i}=`),
  "256 KiB of one name": "n".repeat(256 * KIB),
  "256 KiB of separators": "&".repeat(256 * KIB),
  "256 KiB of percent escapes": filledTo(256 * KIB, "%41"),
  "256 KiB of plain text": filledTo(256 * KIB, "x"),
  "256 KiB of plain text after an account that nobody has": `AccountSid=AC9&${filledTo(200 * KIB, "x")}`,
  "256 KiB of names that only end with AccountSid": fields(10_000, () => `XAccountSid=${ACCOUNT}`),
};

/**
 * Number of bytes that may be hashed for a request without a valid signature: four HMACs over 4 KiB, the cost of a few texts of 1 KiB.
 */
const A_FEW_TEXTS = MOST_HMACS * 4 * KIB;

describe("a body without a valid signature costs at most as much as a few texts, and the same at every path", () => {
  for (const [name, body] of Object.entries(strangers))
    test(name, () => {
      const costs = PATHS.map((path) => costOf(Buffer.from(body), path));
      for (const { hashedAtOnce, inSteps, judgement } of costs) {
        expect(judgement.do).toBe("refuse");
        expect(hashedAtOnce).toBeLessThanOrEqual(A_FEW_TEXTS);
        expect(inSteps).toBe(0);
      }
      expect(new Set(costs.map(({ hashedAtOnce }) => hashedAtOnce)).size).toBe(1);
    });
});

describe("a large body with the SID of a known account is judged in small steps, and costs the same at every path", () => {
  for (const [name, body] of Object.entries(strangers)) {
    const named = Buffer.from(`AccountSid=${ACCOUNT}&${body}`);
    if (named.length > 256 * KIB + 100 || named.length <= SMALL_BODY) continue;
    test(name, () => {
      const costs = PATHS.map((path) => costOf(named, path));
      for (const { hashedAtOnce, largestStep, inSteps, judgement } of costs) {
        expect(judgement.do).toBe("refuse");
        expect(hashedAtOnce).toBe(0);
        // The body is read in one step, mostly by native code, and hashed in many steps.
        expect(largestStep).toBeLessThanOrEqual(Math.max(named.length, 32 * KIB));
        // Bodies that are not UTF-8 are hashed twice: as the bytes that were sent, and with replacement characters.
        expect(inSteps).toBeLessThanOrEqual((1 + 2 * MOST_HMACS) * (named.length + 2 * KIB));
      }
      // The numbers of hashed bytes are rounded, because the URLs differ by a few bytes.
      expect(new Set(costs.map(({ inSteps }) => Math.round(inSteps / KIB / 4))).size).toBe(1);
    });
  }
});

describe("a large body without a well-formed signature is refused unread, for the same reason as a small body, when there is", () => {
  const large = Buffer.from(`AccountSid=${ACCOUNT}&${filledTo(20 * KIB, "x")}`);
  const rows: Record<string, [path: string, signature: string | undefined, reason: string]> = {
    "an empty signature": ["team-a/plain", "", "mismatch"],
    "no signature header": ["team-a/plain", undefined, "missing"],
    "a signature that is too short": ["team-a/plain", "AAAA", "mismatch"],
    "a signature that is too long": ["team-a/plain", "A".repeat(16_000), "mismatch"],
    "a signature of 28 characters that are not base64": ["team-a/plain", "-".repeat(28), "mismatch"],
    "a path without a route": ["team-a/nobody", "AAAA", "unknownRoute"],
    "a path that no stream has": ["wp-login.php", "AAAA", "unknownPath"],
  };
  for (const [name, [path, signature, reason]] of Object.entries(rows))
    test(name, () => {
      const received = { target: `/inbound/${path}`, signature, body: large, nowMs: 0 };
      const table = {
        find: (name: string) => [routes.get(name) ?? []].flat(),
        decoy: decoyFor([]),
        hasAccount: () => true,
      };
      expect(judgeUnread(received, table)).toMatchObject({ do: "refuse", reason });
    });
});

describe("a request that Twilio signed is accepted, even with", () => {
  const text: [string, string][] = [
    ["ToCountry", "US"],
    ["MessageSid", `SM${"0".repeat(32)}`],
    ["ParentAccountSid", "AC9"],
    ["AccountSid", ACCOUNT],
    ["To", "+15005550006"],
    ["From", "+15555550100"],
  ];
  const media = Array.from({ length: 10 }, (_, i): [string, string][] => [
    [`MediaUrl${i}`, `https://api.twilio.com/2010-04-01/Accounts/${ACCOUNT}/Messages/MM1/Media/ME${i}`],
    [`MediaContentType${i}`, "image/jpeg"],
  ]).flat();
  const rows: Record<string, [string, string][]> = {
    "1,600 characters of three bytes each": [...text, ["Body", "你".repeat(1600)]],
    "800 emoji and ten pictures": [...text, ...media, ["Body", "😀".repeat(800)], ["NumMedia", "10"]],
    "4,096 characters of another channel, with its buttons": [
      ...text,
      ["Body", "ж".repeat(4096)],
      ["ButtonPayload", "a".repeat(256)],
      ["ButtonText", "Yes, please"],
      ["ChannelMetadata", JSON.stringify({ type: "rcs", data: { context: "x".repeat(2000) } })],
      ["InteractiveData", JSON.stringify({ flow: "y".repeat(4000) })],
    ],
    "60 KiB of add-ons": [...text, ["AddOns", JSON.stringify({ results: "z".repeat(60 * KIB) })]],
    "a field name that comes twice": [...text, ["Body", "x".repeat(5000)], ["Body", "y"]],
    "a hundred fields": [
      ...text,
      ...Array.from({ length: 94 }, (_, i): [string, string] => [`Future${i}`, "v".repeat(50)]),
    ],
    "255 KiB": [...text, ["Body", "b".repeat(255 * KIB)]],
  };
  for (const [name, pairs] of Object.entries(rows))
    for (const path of PATHS.slice(0, 3))
      for (const token of ["token", ...(path === "team-a/rotated" ? ["secondary"] : [])])
        test(`${name}, at ${path}, signed with the token "${token}"`, () => {
          const body = Buffer.from(new URLSearchParams(pairs).toString());
          const { judgement, hashedAtOnce } = costOf(body, path, sign(token, urlOf(path), pairs));
          expect(judgement.do).toBe("store");
          expect(hashedAtOnce).toBe(0);
        });

  test("bytes that are not UTF-8 and are signed as they are, or as replacement characters", () => {
    const start = `AccountSid=${ACCOUNT}&MessageSid=SM1&Body=`;
    const body = Buffer.from(`${start}%ff${"x".repeat(20_000)}`);
    const base = (replacement: Buffer) => {
      const [before, after] = [`${urlOf("team-a/plain")}AccountSid${ACCOUNT}Body`, "MessageSidSM1"];
      return Buffer.concat([Buffer.from(before), replacement, Buffer.from("x".repeat(20_000) + after)]);
    };
    for (const replacement of [Buffer.from([0xff]), Buffer.from("\ufffd")]) {
      const signature = createHmac("sha1", "token").update(base(replacement)).digest("base64");
      expect(costOf(body, "team-a/plain", signature).judgement.do).toBe("store");
    }
  });
});
