import assert from "node:assert/strict";
import { describe, test } from "vitest";
import { ForeignUrl, nextPageUrl, type Product, type TwilioPlace, targetUrl } from "./url.ts";

const numbers = "https://api.twilio.com/2010-04-01/Accounts/AC1/IncomingPhoneNumbers.json?PageSize=1000";
const services = "https://messaging.twilio.com/v1/Services";
const dublin: TwilioPlace = { region: "ie1", edge: "dublin" };
const base: TwilioPlace = { baseUrl: "http://127.0.0.1:8080" };

describe("a call to Twilio goes", () => {
  const rows: Record<string, [string, Product, TwilioPlace, string]> = {
    "to the host of its product": [numbers, "api", {}, numbers],
    "to the host of a region": [
      services,
      "messaging",
      dublin,
      "https://messaging.dublin.ie1.twilio.com/v1/Services",
    ],
    "to the base URL, without a product name for the API": [
      numbers,
      "api",
      base,
      "http://127.0.0.1:8080/2010-04-01/Accounts/AC1/IncomingPhoneNumbers.json?PageSize=1000",
    ],
    "to the base URL, with the name of any other product": [
      services,
      "messaging",
      base,
      "http://127.0.0.1:8080/messaging/v1/Services",
    ],
    "to a region below the base URL": [
      services,
      "messaging",
      { ...base, ...dublin },
      "http://127.0.0.1:8080/regions/ie1/messaging/v1/Services",
    ],
    "to the API of a region below the base URL": [
      "https://api.twilio.com/2010-04-01/x",
      "api",
      { ...base, ...dublin },
      "http://127.0.0.1:8080/regions/ie1/2010-04-01/x",
    ],
    "to a base URL with a path and a slash at its end": [
      services,
      "messaging",
      { baseUrl: "https://proxy.example.com/twilio/" },
      "https://proxy.example.com/twilio/messaging/v1/Services",
    ],
    "to a base URL with many labels in its host name": [
      services,
      "messaging",
      { baseUrl: "http://twilio.team.prod.svc.cluster.local:80" },
      "http://twilio.team.prod.svc.cluster.local/messaging/v1/Services",
    ],
  };
  for (const [name, [uri, product, place, want]] of Object.entries(rows))
    test(name, () => assert.equal(targetUrl(uri, product, place).href, want));

  const refused: Record<string, [string, Product, TwilioPlace]> = {
    "the host of another product": [services, "api", {}],
    "another host": ["https://api.twilio.com.example.com/x", "api", {}],
    "plain http": ["http://api.twilio.com/x", "api", {}],
    "a user in front of the host": ["https://api.twilio.com:x@example.com/x", "api", {}],
    "another port": ["https://api.twilio.com:8443/x", "api", {}],
    "a region that would end the host's name": [
      numbers,
      "api",
      { region: "ie1.example.com/", edge: "dublin" },
    ],
    "an edge with an @": [numbers, "api", { region: "ie1", edge: "x@example" }],
    "a region that climbs out of the base URL": [numbers, "api", { ...base, region: "../x", edge: "dublin" }],
  };
  for (const [name, [uri, product, place]] of Object.entries(refused))
    test(`never to ${name}`, () => assert.throws(() => targetUrl(uri, product, place), ForeignUrl));
});

describe("the next page of a list", () => {
  const rows: Record<string, [string, Product, TwilioPlace, string]> = {
    "is read at Twilio": [`${services}?PageToken=PA1`, "messaging", {}, `${services}?PageToken=PA1`],
    "is read in our own region when its URL has a region": [
      "https://messaging.dublin.ie1.twilio.com/v1/Services?Page=1",
      "messaging",
      dublin,
      `${services}?Page=1`,
    ],
    "is read at the base URL when its URL is at Twilio": [services, "messaging", base, services],
    "is read at the base URL": [
      "http://127.0.0.1:8080/messaging/v1/Services?Page=1",
      "messaging",
      base,
      `${services}?Page=1`,
    ],
    "is read at the base URL, without a product name for the API": [
      "http://127.0.0.1:8080/2010-04-01/x",
      "api",
      base,
      "https://api.twilio.com/2010-04-01/x",
    ],
    "is read in a region below the base URL": [
      "http://127.0.0.1:8080/regions/ie1/messaging/v1/Services",
      "messaging",
      { ...base, ...dublin },
      services,
    ],
  };
  for (const [name, [given, product, place, want]] of Object.entries(rows))
    test(name, () => {
      assert.equal(nextPageUrl(given, product, place), want);
      // `targetUrl` must accept the URL that `nextPageUrl` returns.
      targetUrl(want, product, place);
    });

  const refused: Record<string, [string, TwilioPlace]> = {
    "the host of an attacker": ["https://attacker.example/v1/Services", {}],
    "a host that starts like Twilio's": ["https://messaging.twilio.com.attacker.example/v1/Services", {}],
    "a host that ends like Twilio's": ["https://messaging.nottwilio.com/v1/Services", {}],
    "a URL with Twilio's name as user": ["https://messaging.twilio.com@attacker.example/v1/Services", {}],
    "Twilio's host when its URL has a user": ["https://me:pass@messaging.twilio.com/v1/Services", {}],
    "a host below Twilio's that serves customers' files": ["https://handler.twilio.com/twiml/EH1", {}],
    "another product": ["https://api.twilio.com/2010-04-01/Accounts.json", {}],
    "plain http": ["http://messaging.twilio.com/v1/Services", {}],
    "another port of Twilio's": ["https://messaging.twilio.com:8443/v1/Services", {}],
    "a host with too many labels below Twilio's": ["https://messaging.a.b.c.twilio.com/v1/Services", {}],
    "another port of the base URL's host": ["http://127.0.0.1:8081/messaging/v1/Services", base],
    "another product at the base URL": ["http://127.0.0.1:8080/conversations/v1/x", base],
    "the base URL by https instead of http": ["https://127.0.0.1:8080/messaging/v1/Services", base],
    "a path that climbs out of the base URL's": [
      "http://127.0.0.1:8080/sim/messaging/../../other",
      { baseUrl: "http://127.0.0.1:8080/sim" },
    ],
    "another region below the base URL": [
      "http://127.0.0.1:8080/regions/au1/messaging/v1/Services",
      { ...base, ...dublin },
    ],
    "a file": ["file:///etc/passwd", {}],
    "a path without a host": ["/v1/Services", {}],
  };
  for (const [name, [given, place]] of Object.entries(refused))
    test(`is never read at ${name}`, () =>
      assert.throws(() => nextPageUrl(given, "messaging", place), ForeignUrl));

  test("is read at Twilio when its URL has a backslash before an @, because the URL standard reads a backslash as a slash", () => {
    const given = "https://messaging.twilio.com\\@attacker.example/x";
    assert.equal(nextPageUrl(given, "messaging", {}), "https://messaging.twilio.com/@attacker.example/x");
  });
});
