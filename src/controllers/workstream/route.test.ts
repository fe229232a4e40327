import { describe, expect, test } from "vitest";
import type { UrlRecord } from "../records/record.ts";
import { nextUrlEnd, REPLACED_URL_MS, urlsInForce } from "./route.ts";

const urls = (host: string): UrlRecord => ({
  inbound: `https://${host}/inbound/team/support`,
  fallback: `https://${host}/fallback/team/support`,
  status: `https://${host}/status/team/support`,
});
const now = 10 * REPLACED_URL_MS;
const nobody = () => false;

const rows: Record<string, [UrlRecord[], (urls: UrlRecord) => boolean, UrlRecord[]]> = {
  "the first URL of a stream is in force": [[], nobody, [urls("new")]],
  "a URL that did not change is listed once": [[urls("new")], nobody, [urls("new")]],
  "a former URL stays in force for an hour": [
    [urls("old")],
    nobody,
    [urls("new"), { ...urls("old"), replacedAtMs: now }],
  ],
  "a former URL is dropped after an hour": [
    [urls("new"), { ...urls("old"), replacedAtMs: now - REPLACED_URL_MS }],
    nobody,
    [urls("new")],
  ],
  "a former URL stays in force while a number still points at it": [
    [urls("new"), { ...urls("old"), replacedAtMs: now - REPLACED_URL_MS }],
    ({ inbound }) => inbound.includes("//old/"),
    [urls("new"), urls("old")],
  ],
  "a former fallback URL begins to expire once numbers point at the new fallback URL": [
    [{ ...urls("new"), fallback: "https://old/fallback/team/support" }],
    ({ inbound, fallback }) => inbound === urls("new").inbound && fallback === urls("new").fallback,
    [urls("new"), { ...urls("new"), fallback: "https://old/fallback/team/support", replacedAtMs: now }],
  ],
  "a former URL that becomes current again is listed once": [
    [urls("old"), { ...urls("new"), replacedAtMs: now - 1 }],
    nobody,
    [urls("new"), { ...urls("old"), replacedAtMs: now }],
  ],
};

describe("urlsInForce lists the URLs at which the receiver accepts texts", () => {
  for (const [name, [known, pointedAt, want]] of Object.entries(rows))
    test(name, () => expect(urlsInForce(known, urls("new"), pointedAt, now)).toEqual(want));
});

test("nextUrlEnd returns the earliest end of a former URL", () => {
  expect(nextUrlEnd([urls("a")])).toBeUndefined();
  expect(nextUrlEnd([urls("a"), { ...urls("b"), replacedAtMs: 5 }, { ...urls("c"), replacedAtMs: 3 }])).toBe(
    3 + REPLACED_URL_MS,
  );
});
