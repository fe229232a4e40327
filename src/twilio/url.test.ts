import assert from "node:assert/strict";
import { describe, test } from "vitest";
import { ForeignUrl, nextPageUrl, type Product, type TwilioPlace, targetUrl } from "./url.ts";

const numbers = "https://api.twilio.com/2010-04-01/Accounts/AC1/IncomingPhoneNumbers.json?PageSize=1000";
const services = "https://messaging.twilio.com/v1/Services";
const dublin: TwilioPlace = { region: "ie1", edge: "dublin" };
const base: TwilioPlace = { baseUrl: "http://127.0.0.1:8080" };

describe("a call goes", () => {
  const rows: Record<string, [string, Product, TwilioPlace, string]> = {
    "to Twilio": [numbers, "api", {}, numbers],
    "to a region of Twilio's": [
      services,
      "messaging",
      dublin,
      "https://messaging.dublin.ie1.twilio.com/v1/Services",
    ],
    "to the base URL, the API without its name": [
      numbers,
      "api",
      base,
      "http://127.0.0.1:8080/2010-04-01/Accounts/AC1/IncomingPhoneNumbers.json?PageSize=1000",
    ],
    "to the base URL, other products by name": [
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
    "a base URL may have a path and a slash at its end": [
      services,
      "messaging",
      { baseUrl: "https://proxy.example.com/twilio/" },
      "https://proxy.example.com/twilio/messaging/v1/Services",
    ],
    "a base URL of many labels stays as it is": [
      services,
      "messaging",
      { baseUrl: "http://twilio.team.prod.svc.cluster.local:80" },
      "http://twilio.team.prod.svc.cluster.local/messaging/v1/Services",
    ],
  };
  for (const [name, [uri, product, place, want]] of Object.entries(rows))
    test(name, () => assert.equal(targetUrl(uri, product, place).href, want));

  const refused: Record<string, [string, Product, TwilioPlace]> = {
    "another product's host": [services, "api", {}],
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
    test(`never goes to ${name}`, () => assert.throws(() => targetUrl(uri, product, place), ForeignUrl));
});

describe("the next page is", () => {
  const rows: Record<string, [string, Product, TwilioPlace, string]> = {
    "at Twilio": [`${services}?PageToken=PA1`, "messaging", {}, `${services}?PageToken=PA1`],
    "at a region of Twilio's is asked for where we are": [
      "https://messaging.dublin.ie1.twilio.com/v1/Services?Page=1",
      "messaging",
      dublin,
      `${services}?Page=1`,
    ],
    "at Twilio is asked for at the base URL": [services, "messaging", base, services],
    "at the base URL": [
      "http://127.0.0.1:8080/messaging/v1/Services?Page=1",
      "messaging",
      base,
      `${services}?Page=1`,
    ],
    "at the base URL of the API": [
      "http://127.0.0.1:8080/2010-04-01/x",
      "api",
      base,
      "https://api.twilio.com/2010-04-01/x",
    ],
    "at a region below the base URL": [
      "http://127.0.0.1:8080/regions/ie1/messaging/v1/Services",
      "messaging",
      { ...base, ...dublin },
      services,
    ],
  };
  for (const [name, [given, product, place, want]] of Object.entries(rows))
    test(name, () => {
      assert.equal(nextPageUrl(given, product, place), want);
      // What comes out is what `targetUrl` takes.
      targetUrl(want, product, place);
    });

  const refused: Record<string, [string, TwilioPlace]> = {
    "a stranger's host": ["https://attacker.example/v1/Services", {}],
    "a host that starts like Twilio's": ["https://messaging.twilio.com.attacker.example/v1/Services", {}],
    "a host that ends like Twilio's": ["https://messaging.nottwilio.com/v1/Services", {}],
    "Twilio's name as user": ["https://messaging.twilio.com@attacker.example/v1/Services", {}],
    "a user at Twilio's host": ["https://me:pass@messaging.twilio.com/v1/Services", {}],
    "a host below Twilio's that serves customers' files": ["https://handler.twilio.com/twiml/EH1", {}],
    "another product": ["https://api.twilio.com/2010-04-01/Accounts.json", {}],
    "plain http": ["http://messaging.twilio.com/v1/Services", {}],
    "another port of Twilio's": ["https://messaging.twilio.com:8443/v1/Services", {}],
    "too many labels": ["https://messaging.a.b.c.twilio.com/v1/Services", {}],
    "another port of the base URL's host": ["http://127.0.0.1:8081/messaging/v1/Services", base],
    "another product at the base URL": ["http://127.0.0.1:8080/conversations/v1/x", base],
    "the base URL by https": ["https://127.0.0.1:8080/messaging/v1/Services", base],
    "a path that climbs out of the base URL's": [
      "http://127.0.0.1:8080/sim/messaging/../../other",
      { baseUrl: "http://127.0.0.1:8080/sim" },
    ],
    "another region below the base URL": [
      "http://127.0.0.1:8080/regions/au1/messaging/v1/Services",
      { ...base, ...dublin },
    ],
    "a file": ["file:///etc/passwd", {}],
    "no URL": ["/v1/Services", {}],
  };
  for (const [name, [given, place]] of Object.entries(refused))
    test(`never at ${name}`, () => assert.throws(() => nextPageUrl(given, "messaging", place), ForeignUrl));

  test("a backslash is a slash to the URL standard, and what follows is only a path at Twilio", () => {
    const given = "https://messaging.twilio.com\\@attacker.example/x";
    assert.equal(nextPageUrl(given, "messaging", {}), "https://messaging.twilio.com/@attacker.example/x");
  });
});
