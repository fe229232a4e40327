import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { getExpectedTwilioSignature, validateRequest } from "twilio/lib/webhooks/webhooks.js";
import { describe, test, vi } from "vitest";
import type { Pair } from "./form.ts";
import { sign, signatureBase, signatureUrls, verify } from "./signature.ts";

// Tests of random requests take a second on an idle machine and longer on a busy one, so they may take a minute.
vi.setConfig({ testTimeout: 60_000 });

interface PublishedVector {
  name: string;
  url: string;
  params: Pair[];
  token: string;
  signature: string;
  expect: boolean;
}
const fixture = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../test/fixtures/twilio/${name}`, import.meta.url), "utf8"));
const vectors = fixture("signature-vectors.json").vectors as PublishedVector[];

/** The parameters as users of the SDK pass them: a value, or a list of values when a name comes twice. */
function sdkParams(pairs: readonly Pair[]): Record<string, string | string[]> {
  const values = new Map<string, string[]>();
  for (const [name, value] of pairs) values.set(name, [...(values.get(name) ?? []), value]);
  return Object.fromEntries([...values].map(([name, list]) => [name, list.length === 1 ? list[0]! : list]));
}

function sdkVerdict(token: string, signature: string, url: string, pairs: readonly Pair[]): boolean {
  try {
    return validateRequest(token, signature, url, sdkParams(pairs));
  } catch {
    return false;
  }
}

describe("verify() and the SDK agree about a published test vector", () => {
  for (const { name, url, params, token, signature, expect } of vectors)
    test(name, () => {
      assert.equal(verify(token, url, params, signature), expect);
      assert.equal(verify(token, url, params, signature), sdkVerdict(token, signature, url, params));
    });
});

test("verify() accepts every recorded webhook with its token and with no other token", () => {
  const { samples } = fixture("webhook-requests.json");
  let verified = 0;
  for (const { url, params, token, headers, method, body } of samples) {
    const signature = headers["x-twilio-signature"];
    if (signature === undefined || typeof token !== "string") continue;
    const pairs = method === "POST" && !body?.startsWith("{") ? params : [];
    assert.equal(verify(token, url, pairs, signature), true, url);
    assert.equal(verify(`${token}x`, url, pairs, signature), false);
    verified++;
  }
  assert.ok(verified > 10, `${verified} verified`);
});

const url = "https://sms.example.com/inbound/team-a/orders";
const pairs: Pair[] = [
  ["To", "+1"],
  ["Body", "hi"],
];
const token = "0123456789abcdef0123456789abcdef";

const rows: Record<string, [configured: string, signed: string]> = {
  "the fragment with Twilio's connection overrides is not signed": [
    `${url}#ct=2000&rt=4500&rc=2&rp=all`,
    url,
  ],
  "user and password are not signed": ["https://me:pass@sms.example.com/x", "https://sms.example.com/x"],
  "user and password may be signed, as Twilio's libraries do": [
    "https://me:p@sms.example.com/x",
    "https://me:p@sms.example.com/x",
  ],
  "a port in the URL is signed": ["https://sms.example.com:8443/x", "https://sms.example.com:8443/x"],
  "a port in the URL may be left out": ["https://sms.example.com:8443/x", "https://sms.example.com/x"],
  "the standard port may be added": ["http://sms.example.com/x", "http://sms.example.com:80/x"],
  "an IPv6 address keeps its brackets": ["https://[2001:db8::1]/x", "https://[2001:db8::1]:443/x"],
  "an @ in the path does not begin a user": ["https://sms.example.com/a@b", "https://sms.example.com/a@b"],
  "an apostrophe in the query may be escaped": [
    "https://sms.example.com/x?a=it's",
    "https://sms.example.com/x?a=it%27s",
  ],
};
for (const [name, [configured, signed]] of Object.entries(rows))
  test(`in a signature, ${name}`, () =>
    assert.equal(verify(token, configured, pairs, sign(token, signed, pairs)), true));

const refused: Record<string, [signature: string | undefined, url?: string, pairs?: Pair[]]> = {
  "no signature": [undefined],
  "an empty signature": [""],
  "a signature of another length": [`${sign(token, url, pairs)}=`],
  "letters that are not base64": ["é".repeat(14)],
  "a signature for another path": [sign(token, `${url}x`, pairs)],
  "a signature for another host": [sign(token, url.replace("example.com", "example.org"), pairs)],
  "a signature for one more parameter": [sign(token, url, [...pairs, ["NumMedia", "0"]])],
  "a signature for other names and values": [
    sign(token, url, [
      ["To+", "1"],
      ["Body", "hi!"],
    ]),
  ],
  "a configured URL that is not a URL": [sign(token, url, pairs), "not a url"],
};
for (const [name, [signature, at = url, given = pairs]] of Object.entries(refused))
  test(`verify() refuses ${name}`, () => assert.equal(verify(token, at, given, signature), false));

test("a plain URL has two forms, without and with the standard port, so that a wrong signature costs two HMACs", () => {
  assert.deepEqual(signatureUrls(`${url}#rc=2`), [url, url.replace("example.com", "example.com:443")]);
});

test("each different value of a repeated parameter is signed once, and its values are sorted", () => {
  const base = signatureBase("u", [
    ["b", "2"],
    ["a", "9"],
    ["b", "1"],
    ["b", "2"],
  ]);
  assert.equal(base.toString(), "ua9b1b2");
});

test("parameters are signed in the order of the UTF-16 code units of their names, as in Twilio's libraries", () => {
  assert.equal(
    signatureBase("", [
      ["\u{ff5e}", "1"],
      ["\u{1f600}", "2"],
    ]).toString(),
    "\u{1f600}2\u{ff5e}1",
  );
});

test("bytes that are not UTF-8 are signed as they are", () => {
  assert.deepEqual(
    signatureBase("é", [["B", "\xff"]], "latin1"),
    Buffer.concat([Buffer.from("éB"), Buffer.from([0xff])]),
  );
});

// The tests below use random requests.

const chars = fc.string({
  unit: fc.constantFrom("a", "B", "1", " ", "+", "'", "é", "你", "😀", "%", "=", "&", "\n"),
  maxLength: 6,
});
const names = fc.oneof(fc.constantFrom("Body", "From", "To", "MediaUrl0", "MediaUrl10", "a", "A"), chars);
const somePairs = fc.array(
  fc.tuple(
    names.filter((name) => name !== "__proto__"),
    chars,
  ),
  { maxLength: 12 },
);
const someUrl = fc
  .record({
    scheme: fc.constantFrom("http://", "https://", "HTTPS://"),
    host: fc.constantFrom("a.example.com", "A.Example.COM", "[2001:db8::1]", "127.0.0.1", "bücher.example"),
    port: fc.constantFrom("", ":80", ":443", ":1234"),
    path: fc.constantFrom("", "/", "/inbound/ns/name", "/España", "/a'b", "/a//b/../c", "/a%20b"),
    query: fc.constantFrom("", "?", "?a=1&b=2", "?b=2&a=1", "?q=it's+ok", "?q=a%20b&q=c", "?=x", "?a=ü"),
  })
  .map(({ scheme, host, port, path, query }) => scheme + host + port + path + query);

describe("verify() agrees with the SDK about a random request", () => {
  test("when it is signed over some form of the URL", () => {
    fc.assert(
      fc.property(someUrl, someUrl, somePairs, fc.nat(), (configured, other, given, pick) => {
        const signedUrls = [configured, other, ...signatureUrls(configured)];
        const signature = getExpectedTwilioSignature(
          token,
          signedUrls[pick % signedUrls.length]!,
          sdkParams(given),
        );
        assert.equal(
          verify(token, configured, given, signature),
          sdkVerdict(token, signature, configured, given),
        );
      }),
      { numRuns: 3000 },
    );
  });
  test("and sign() makes the same signature as the SDK", () => {
    fc.assert(
      fc.property(someUrl, somePairs, (configured, given) => {
        assert.equal(
          sign(token, configured, given),
          getExpectedTwilioSignature(token, configured, sdkParams(given)),
        );
      }),
      { numRuns: 1000 },
    );
  });
  test("but drops the fragment of the configured URL, which the SDK does not do", () => {
    fc.assert(
      fc.property(
        someUrl,
        somePairs,
        fc.constantFrom("#", "#rc=2", "#a?b@c"),
        (configured, given, fragment) => {
          const signature = sign(token, configured, given);
          assert.equal(verify(token, configured + fragment, given, signature), true);
        },
      ),
    );
  });
  test("when a parameter is added after signing", () => {
    fc.assert(
      fc.property(someUrl, somePairs, names, chars, (configured, given, name, value) => {
        const signature = sign(token, configured, given);
        const changed: Pair[] = [...given, [name, value]];
        assert.equal(
          verify(token, configured, changed, signature),
          sdkVerdict(token, signature, configured, changed),
        );
      }),
    );
  });
});
