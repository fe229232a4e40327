import { describe, expect, test } from "vitest";
import { refusal } from "./refusals.ts";

const URL_OF_STREAM = "https://sms.example.com/base/inbound/team/support";

describe("the message about a redirect says what to do about a redirect to", () => {
  const rows: Record<string, [location: string | undefined, where: string]> = {
    "another host": [
      "https://new.example.com/base/inbound/team/support",
      "to https://new.example.com/base; set PUBLIC_URL",
    ],
    "another path in front": ["/v2/inbound/team/support", "to https://sms.example.com/v2; set PUBLIC_URL"],
    "no path in front": ["/inbound/team/support", "to https://sms.example.com; set PUBLIC_URL"],
    "another host, and a slash appended": [
      "//b.example.com/inbound/team/support/",
      "to https://b.example.com; set",
    ],
    "http, which a wrong X-Forwarded-Proto causes": [
      "http://sms.example.com/base/inbound/team/support",
      "to http://sms.example.com/base; set PUBLIC_URL",
    ],
    "the same path with a slash appended": [`${URL_OF_STREAM}/`, "to the same path with a slash appended;"],
    "the same URL, as some browser checks do": [`${URL_OF_STREAM}?seen=1`, "to itself; exempt it;"],
    "a login page with our path at its end": [
      "/login/inbound/team/support",
      "to a login page at sms.example.com;",
    ],
    "a login page that is recognised by its host": [
      "https://sso.example.com/",
      "to a login page at sso.example.com;",
    ],
    "a login page with our URL in its query": [
      `https://idp.example.com/start?to=${encodeURIComponent(URL_OF_STREAM)}`,
      "to a login page at idp.example.com;",
    ],
    "a page whose name only contains a word like auth": [
      "https://blog.example.com/authors",
      "to another page at blog.example.com;",
    ],
    "no place, without a Location header": [undefined, "without saying where;"],
    "a Location that is not a URL": ["https://", "without saying where;"],
  };
  for (const [name, [location, where]] of Object.entries(rows))
    test(name, () => {
      const { reason, message } = refusal(URL_OF_STREAM, { status: 302, location, body: "" });
      expect([reason, message]).toEqual([
        "PublicUrlRedirects",
        expect.stringContaining(`redirects (302) ${where}`),
      ]);
      expect(message).not.toMatch(/seen=1|to=http/);
    });
});

describe("the body shows what answered a probe with 403 or 503", () => {
  const rows: Record<string, [status: number, body: string | undefined, reason: string]> = {
    "403 with an empty body comes from the receiver": [403, "", "RoutesNotLoaded"],
    "403 with a page does not come from the receiver": [403, "<html>", "PublicUrlNotOurs"],
    "403 with a very long page does not come from the receiver": [403, undefined, "PublicUrlNotOurs"],
    "503 with an empty body comes from the receiver": [503, "", "RoutesNotLoaded"],
    "503 with a text comes from an ingress without receivers": [
      503,
      "no healthy upstream",
      "PublicUrlUnreachable",
    ],
  };
  for (const [name, [status, body, reason]] of Object.entries(rows))
    test(name, () => expect(refusal(URL_OF_STREAM, { status, body }).reason).toBe(reason));
});
