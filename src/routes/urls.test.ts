import { describe, expect, test } from "vitest";
import {
  inboundBeside,
  isFallbackUrl,
  isInboundUrl,
  ownPathOf,
  parseTarget,
  publicUrlOf,
  publicUrls,
  streamPathOf,
  urlsOf,
  urlsUnder,
} from "./urls.ts";

const bases = publicUrls("https://sms.example.com/", "https://sms2.example.com/edge/");
const urls = urlsOf(bases, "team", "support");

test("a stream's URLs are made from its name and the two public URLs", () => {
  expect(urls).toEqual({
    inbound: "https://sms.example.com/inbound/team/support",
    fallback: "https://sms2.example.com/edge/fallback/team/support",
    status: "https://sms.example.com/status/team/support",
  });
});

test("without a fallback public URL the fallback URL is under PUBLIC_URL as well", () => {
  const own = urlsOf(publicUrls("https://sms.example.com", undefined), "team", "support");
  expect(own).toEqual(urlsUnder("https://sms.example.com", "team", "support"));
  expect(own.fallback).toBe("https://sms.example.com/fallback/team/support");
});

test("the PUBLIC_URL of an inbound URL is found, but only for its own stream", () => {
  expect(publicUrlOf(urls.inbound, "team", "support")).toBe("https://sms.example.com");
  expect(publicUrlOf(urls.inbound, "team", "sales")).toBeUndefined();
  expect(publicUrlOf("", "team", "support")).toBeUndefined();
});

test("a URL under the current public URLs is recognised, whatever its stream", () => {
  expect([isInboundUrl(bases, urls.inbound), isFallbackUrl(bases, urls.fallback)]).toEqual([true, true]);
  expect([isInboundUrl(bases, urls.fallback), isFallbackUrl(bases, urls.inbound)]).toEqual([false, false]);
  expect(isInboundUrl(bases, "https://old.example.com/inbound/team/support")).toBe(false);
});

test("the inbound URL of a fallback URL is found", () => {
  const { inbound, fallback } = urlsUnder("https://sms.example.com", "team", "support");
  expect(inboundBeside(fallback)).toBe(inbound);
});

test("the stream of a URL is found, whatever path PUBLIC_URL has", () => {
  expect(streamPathOf(urls.fallback)).toBe("team/support");
  expect(streamPathOf("https://sms.example.com/somewhere/else")).toBeUndefined();
  expect(ownPathOf(urls.fallback)).toBe("fallback/team/support");
});

describe("the target of a request", () => {
  const rows: Record<string, [string, ReturnType<typeof parseTarget>]> = {
    "a path": ["/inbound/a/b", { kind: "inbound", path: "a/b", query: undefined }],
    "a path under another": ["/x/y/fallback/a/b", { kind: "fallback", path: "a/b", query: undefined }],
    "a query, which only a status URL may have": [
      "/inbound/a/b?m=1",
      { kind: "inbound", path: "a/b", query: undefined },
    ],
    "a status URL with a query": [
      "/status/a/b?m=1&x=%20",
      { kind: "status", path: "a/b", query: "m=1&x=%20" },
    ],
    "a slash in the query": ["/status/a/b?m=/c/d", { kind: "status", path: "a/b", query: "m=/c/d" }],
    "a query that is not ASCII": ["/status/a/b?m=\xe9", undefined],
    "an unknown kind": ["/outbound/a/b", undefined],
    "too few parts": ["/inbound/a", undefined],
    nothing: ["", undefined],
    "a whole URL": ["http://evil.example/inbound/a/b", { kind: "inbound", path: "a/b", query: undefined }],
  };
  for (const [name, [target, want]] of Object.entries(rows))
    test(name, () => expect(parseTarget(target)).toEqual(want));
});
