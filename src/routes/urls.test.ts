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

test("when no fallback public URL is set, the fallback URL begins with PUBLIC_URL, like the other URLs", () => {
  const own = urlsOf(publicUrls("https://sms.example.com", undefined), "team", "support");
  expect(own).toEqual(urlsUnder("https://sms.example.com", "team", "support"));
  expect(own.fallback).toBe("https://sms.example.com/fallback/team/support");
});

test("publicUrlOf() finds the PUBLIC_URL of an inbound URL, but only for the stream of that URL", () => {
  expect(publicUrlOf(urls.inbound, "team", "support")).toBe("https://sms.example.com");
  expect(publicUrlOf(urls.inbound, "team", "sales")).toBeUndefined();
  expect(publicUrlOf("", "team", "support")).toBeUndefined();
});

test("inbound and fallback URLs under the current public URLs are recognised, whatever their stream", () => {
  expect([isInboundUrl(bases, urls.inbound), isFallbackUrl(bases, urls.fallback)]).toEqual([true, true]);
  expect([isInboundUrl(bases, urls.fallback), isFallbackUrl(bases, urls.inbound)]).toEqual([false, false]);
  expect(isInboundUrl(bases, "https://old.example.com/inbound/team/support")).toBe(false);
});

test.each([
  ["https://sms.example.com", "team", "support"],
  ["https://sms.example.com/fallback/sms", "team", "support"],
  ["https://sms.example.com", "fallback", "fallback"],
])("inboundBeside() finds the inbound URL for a fallback URL under %s for the stream %s/%s", (base, namespace, stream) => {
  const { inbound, fallback } = urlsUnder(base, namespace, stream);
  expect(inboundBeside(fallback)).toBe(inbound);
});

test("streamPathOf() finds the stream of a URL, whatever path PUBLIC_URL has", () => {
  expect(streamPathOf(urls.fallback)).toBe("team/support");
  expect(streamPathOf("https://sms.example.com/somewhere/else")).toBeUndefined();
  expect(ownPathOf(urls.fallback)).toBe("fallback/team/support");
});

describe("parseTarget() reads the target of a request", () => {
  const rows: Record<string, [string, ReturnType<typeof parseTarget>]> = {
    "with a path": ["/inbound/a/b", { kind: "inbound", path: "a/b", query: undefined }],
    "with a path under that of PUBLIC_URL": [
      "/x/y/fallback/a/b",
      { kind: "fallback", path: "a/b", query: undefined },
    ],
    "without the query of an inbound URL, since only status URLs may have a query": [
      "/inbound/a/b?m=1",
      { kind: "inbound", path: "a/b", query: undefined },
    ],
    "with the query of a status URL": [
      "/status/a/b?m=1&x=%20",
      { kind: "status", path: "a/b", query: "m=1&x=%20" },
    ],
    "with a slash in the query": ["/status/a/b?m=/c/d", { kind: "status", path: "a/b", query: "m=/c/d" }],
    "as unknown when the query is not ASCII": ["/status/a/b?m=\xe9", undefined],
    "as unknown when the kind is unknown": ["/outbound/a/b", undefined],
    "as unknown when the path has too few parts": ["/inbound/a", undefined],
    "as unknown when it is empty": ["", undefined],
    "with a whole URL": [
      "http://evil.example/inbound/a/b",
      { kind: "inbound", path: "a/b", query: undefined },
    ],
  };
  for (const [name, [target, want]] of Object.entries(rows))
    test(name, () => expect(parseTarget(target)).toEqual(want));
});
