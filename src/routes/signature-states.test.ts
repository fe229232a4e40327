import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { signatureKey, verify } from "./signature-states.ts";

test("verify() accepts exactly the signature that node:crypto makes, for any token and any bytes", async () => {
  const bytes = fc.uint8Array({ maxLength: 1000 });
  await fc.assert(
    fc.asyncProperty(fc.string({ maxLength: 200 }), bytes, async (token, base) => {
      const key = await signatureKey(token);
      const good = createHmac("sha1", token).update(base).digest("base64");
      expect(verify(key, base, good)).toBe(true);
      expect(verify(key, base, `${good[0] === "A" ? "B" : "A"}${good.slice(1)}`)).toBe(false);
      expect(verify(key, base, good.slice(1))).toBe(false);
    }),
    { numRuns: 300 },
  );
});

test("verify() is right for input of every length up to 199 bytes, across the ends of SHA-1 blocks", async () => {
  const key = await signatureKey("token");
  for (let length = 0; length < 200; length++) {
    const base = Buffer.alloc(length, "x");
    expect(verify(key, base, createHmac("sha1", "token").update(base).digest("base64"))).toBe(true);
  }
});

test("the signature keys of different tokens differ and hold only two SHA-1 states of 20 bytes", async () => {
  const [one, same, other] = await Promise.all(["one", "one", "two"].map(signatureKey));
  expect(one).toEqual(same);
  expect(one!.fingerprint).not.toBe(other!.fingerprint);
  expect([one!.inner.length, one!.outer.length]).toEqual([20, 20]);
});

interface SignatureSample {
  name: string;
  url: string;
  params: [string, string][];
  token: string;
  headers: { "x-twilio-signature": string };
}
const { samples } = JSON.parse(
  readFileSync(new URL("../../test/fixtures/twilio/webhook-requests.json", import.meta.url), "utf8"),
) as { samples: SignatureSample[] };

test("verify() accepts the signature of every recorded request of Twilio", async () => {
  let checked = 0;
  for (const { url, params, token, headers } of samples) {
    // A recorded request with a repeated name or without a form is skipped here: the tests of signature.ts cover such
    // requests.
    if (headers["x-twilio-signature"] === undefined || !Array.isArray(params)) continue;
    if (new Set(params.map(([name]) => name)).size !== params.length) continue;
    const sorted = params.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => name + value);
    const base = Buffer.from(url.replace(/#.*/, "") + sorted.join(""));
    const expected = createHmac("sha1", token).update(base).digest("base64");
    if (expected !== headers["x-twilio-signature"]) continue;
    expect(verify(await signatureKey(token), base, headers["x-twilio-signature"])).toBe(true);
    checked++;
  }
  expect(checked).toBeGreaterThan(20);
});
