import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { describe, expect, test } from "vitest";
import { startSimulator } from "../../src/simulator/simulator.ts";
import { accountPath, demoAccount, type RawCall, raw, withSimulator } from "./support.ts";

const number = `${accountPath}/IncomingPhoneNumbers/${demoAccount.numberSid}.json`;
const messages = `${accountPath}/Messages.json`;
const text = { From: demoAccount.number, To: "+12065551234", Body: "Hello" };
const pool = (service: number) =>
  `/messaging/v1/Services/MG0000000000000000000000000000000${service}/PhoneNumbers`;
const pn = (n: number) => `PN0000000000000000000000000000000${n}`;
const standard = { user: "SK00000000000000000000000000000001", password: "simulator-secret-standard" };
const restricted = { user: "SK00000000000000000000000000000003", password: "simulator-secret-restricted" };
const other = "/2010-04-01/Accounts/AC00000000000000000000000000000002";

type RefusedCall = [path: string, call: RawCall, status: number, code: number];
const rows: Record<string, Record<string, RefusedCall>> = {
  "the credentials of a call": {
    "a call without credentials": [`${accountPath}.json`, { authorization: "" }, 401, 20003],
    "credentials other than Basic": [`${accountPath}.json`, { authorization: "Bearer x" }, 401, 20003],
    "a user name that is not a SID": [`${accountPath}.json`, { user: "admin" }, 401, 20003],
    "a wrong token": [`${accountPath}.json`, { password: "wrong" }, 401, 20003],
    "an empty token": [`${accountPath}.json`, { password: "" }, 401, 20003],
    "an account that does not exist": [`${accountPath}.json`, { user: `AC${"f".repeat(32)}` }, 401, 20003],
    "the path of another account": [`${other}.json`, {}, 401, 20003],
    "the numbers of another account": [`${other}/IncomingPhoneNumbers.json`, {}, 401, 20003],
    "the token of us1 in another region": [`/regions/ie1${accountPath}.json`, {}, 401, 20003],
    "a region that does not exist": [`/regions/zz9${accountPath}.json`, {}, 401, 20003],
    "a standard key that reads the account": [`${accountPath}.json`, standard, 401, 20003],
    "a standard key that lists the keys": [`${accountPath}/Keys.json`, standard, 401, 20003],
    "a standard key that rotates the token": [
      "/accounts/v1/AuthTokens/Secondary",
      { ...standard, method: "POST" },
      401,
      20003,
    ],
    "a restricted key without the permission for the call": [
      `${accountPath}/IncomingPhoneNumbers.json`,
      restricted,
      403,
      70051,
    ],
    "a restricted key that reads the account": [`${accountPath}.json`, restricted, 403, 70051],
  },
  "the path of a call": {
    "an empty account SID, even with a wrong token": [
      "/2010-04-01/Accounts/.json",
      { password: "x" },
      404,
      20404,
    ],
    "an empty account SID in the path of a collection": [
      "/2010-04-01/Accounts//Messages.json",
      {},
      404,
      20404,
    ],
    "a malformed account SID": ["/2010-04-01/Accounts/ACxyz/Messages.json", {}, 404, 20404],
    "a number that does not exist": [number.replace("1.json", "0.json"), {}, 404, 20404],
    "a malformed number SID": [`${accountPath}/IncomingPhoneNumbers/PN1.json`, {}, 404, 20404],
    "an empty number SID": [`${accountPath}/IncomingPhoneNumbers/.json`, {}, 404, 20404],
    "a number of another account": [
      `${accountPath}/IncomingPhoneNumbers/PN00000000000000000000000000000010.json`,
      {},
      404,
      20404,
    ],
    "a message that does not exist": [
      `${accountPath}/Messages/SM00000000000000000000000000000001.json`,
      {},
      404,
      20404,
    ],
    "a path that Twilio does not have": ["/2010-04-01/Nothing.json", {}, 404, 20404],
    "a method that the path does not allow": [messages, { method: "DELETE" }, 405, 20004],
  },
  "the parameters of lists": {
    "a page of more than 1000 numbers": [
      `${accountPath}/IncomingPhoneNumbers.json?PageSize=1001`,
      {},
      400,
      20007,
    ],
    "a page of more than 1000 services": ["/messaging/v1/Services?PageSize=1001", {}, 400, 20007],
    "a page size of 0": [`${accountPath}/Messages.json?PageSize=0`, {}, 400, 20001],
    "a page size that is not a number": [`${accountPath}/Messages.json?PageSize=ten`, {}, 400, 20001],
    "a DateSent that is not a date": [`${accountPath}/Messages.json?DateSent=yesterday`, {}, 400, 20001],
  },
  "a number's webhooks": {
    "a fallback URL of a number without an SmsUrl": [
      number,
      { form: { SmsUrl: "", SmsFallbackUrl: "https://a.example.com" } },
      400,
      21406,
    ],
    "a voice fallback URL of a number without a VoiceUrl": [
      number,
      { form: { VoiceUrl: "", VoiceFallbackUrl: "https://a.example.com" } },
      400,
      21405,
    ],
    "a URL without a scheme": [number, { form: { SmsUrl: "a.example.com/sms" } }, 400, 21402],
    "a URL that is neither http nor https": [
      number,
      { form: { SmsUrl: "ftp://a.example.com/sms" } },
      400,
      21402,
    ],
    "a URL with a blank in it": [number, { form: { SmsUrl: "https://a.example.com/s ms" } }, 400, 21402],
    "a URL whose host has an underscore": [
      number,
      { form: { SmsUrl: "https://a_b.example.com/sms" } },
      400,
      21402,
    ],
    "a fallback URL that is not a URL": [number, { form: { SmsFallbackUrl: "nowhere" } }, 400, 21402],
    "a method that is neither GET nor POST": [number, { form: { SmsMethod: "PUT" } }, 400, 21403],
    "a method in lower case": [number, { form: { SmsFallbackMethod: "post" } }, 400, 21403],
    "an application that does not exist": [
      number,
      { form: { SmsApplicationSid: `AP${"0".repeat(32)}` } },
      400,
      21420,
    ],
    "an application SID that is not a SID": [number, { form: { SmsApplicationSid: "x" } }, 400, 21420],
    "a name of more than 64 characters": [number, { form: { FriendlyName: "x".repeat(65) } }, 400, 20001],
    "a transfer to an unrelated account": [
      number,
      { form: { AccountSid: "AC00000000000000000000000000000002" } },
      400,
      21470,
    ],
    "a fallback URL of a short code without an SmsUrl": [
      `${accountPath}/SMS/ShortCodes/SC00000000000000000000000000000001.json`,
      { form: { SmsFallbackUrl: "https://a.example.com" } },
      400,
      21406,
    ],
  },
  "a service's pool": {
    "a number that is already in the pool": [pool(1), { form: { PhoneNumberSid: pn(5) } }, 409, 21710],
    "a number that is in another service": [pool(1), { form: { PhoneNumberSid: pn(6) } }, 409, 21712],
    "a number of another account": [
      pool(1),
      { form: { PhoneNumberSid: `PN${"0".repeat(30)}10` } },
      404,
      21711,
    ],
    "a number without SMS": [pool(1), { form: { PhoneNumberSid: pn(4) } }, 400, 21715],
    "a form that names the number in an unknown field": [pool(1), { form: { Sid: pn(1) } }, 400, 20001],
    "the pool of a service that does not exist": [pool(9), {}, 404, 20404],
    "the removal of a number that is not in the pool": [
      `${pool(1)}/${pn(6)}`,
      { method: "DELETE" },
      404,
      20404,
    ],
    "the read of a number that is not in the pool": [`${pool(1)}/${pn(1)}`, {}, 404, 20404],
  },
  "texts to send": {
    "a text without To": [messages, { form: { ...text, To: "" } }, 400, 21604],
    "a To that is not a phone number": [messages, { form: { ...text, To: "12065551234" } }, 400, 21211],
    "a text with neither From nor a service": [messages, { form: { To: text.To, Body: "x" } }, 400, 21603],
    "a From that is not a phone number": [messages, { form: { ...text, From: "+0" } }, 400, 21212],
    "a From that belongs to nobody": [messages, { form: { ...text, From: "+12065559999" } }, 400, 21606],
    "a From that belongs to another account": [
      messages,
      { form: { ...text, From: "+12065550100" } },
      400,
      21606,
    ],
    "a From that cannot send SMS": [messages, { form: { ...text, From: "+14252306552" } }, 400, 21606],
    "a text with neither body nor media": [messages, { form: { From: text.From, To: text.To } }, 400, 21602],
    "a body of more than 1600 characters": [
      messages,
      { form: { ...text, Body: "x".repeat(1601) } },
      400,
      21617,
    ],
    "a text with eleven media": [
      messages,
      { form: [...Object.entries(text), ...Array(11).fill(["MediaUrl", "https://a.example.com/p.png"])] },
      400,
      21623,
    ],
    "a status callback that is not a URL": [
      messages,
      { form: { ...text, StatusCallback: "nowhere" } },
      400,
      21609,
    ],
    "a status callback whose host has an underscore": [
      messages,
      { form: { ...text, StatusCallback: "https://a_b.example.com" } },
      400,
      21609,
    ],
    "a text through a service that does not exist": [
      messages,
      { form: { ...text, MessagingServiceSid: `MG${"9".repeat(32)}` } },
      400,
      21701,
    ],
    "a validity period of 0 s": [messages, { form: { ...text, ValidityPeriod: "0" } }, 400, 20001],
    "a text from a number to itself": [messages, { form: { ...text, To: demoAccount.number } }, 400, 21266],
    "Twilio's test number for an invalid To": [
      messages,
      { form: { ...text, To: "+15005550001" } },
      400,
      21211,
    ],
    "Twilio's test number that cannot be reached by SMS": [
      messages,
      { form: { ...text, To: "+15005550002" } },
      400,
      21612,
    ],
    "Twilio's test number in a region that is not enabled": [
      messages,
      { form: { ...text, To: "+15005550003" } },
      400,
      21408,
    ],
    "Twilio's test number that has opted out": [
      messages,
      { form: { ...text, To: "+15005550004" } },
      400,
      21610,
    ],
    "Twilio's test number that takes no SMS": [
      messages,
      { form: { ...text, To: "+15005550009" } },
      400,
      21614,
    ],
    "Twilio's test number for an invalid From": [
      messages,
      { form: { ...text, From: "+15005550001" } },
      400,
      21212,
    ],
    "Twilio's test number with a full queue": [
      messages,
      { form: { ...text, From: "+15005550008" } },
      400,
      21611,
    ],
  },
};

for (const [group, table] of Object.entries(rows))
  describe(`the API checks ${group}`, () => {
    for (const [name, [path, call, status, code]] of Object.entries(table))
      test(`and refuses ${name} with ${status} and code ${code}`, () =>
        withSimulator({}, async (simulator) => {
          const before = JSON.stringify([...simulator.state.numbers]);
          const answer = await raw(simulator, path, call);
          expect([answer.status, answer.json]).toEqual([
            status,
            {
              code,
              message: expect.any(String),
              more_info: `https://www.twilio.com/docs/errors/${code}`,
              status,
            },
          ]);
          expect(JSON.stringify([...simulator.state.numbers])).toBe(before);
          expect(simulator.state.messages.size).toBe(0);
        }));
  });

describe("a webhook URL", () => {
  const local =
    `http://127.0.0.1:80 http://localhost/x https://intranet/x http://10.1.2.3/ http://172.16.0.1/ http://192.168.1.1/
    http://169.254.169.254/ http://0.0.0.0/ http://100.64.0.1/ http://[::1]/ http://[fd00::1]/ http://[fe80::1]/ http://[::ffff:127.0.0.1]/
    http://printer.local/ http://2130706433/ http://224.0.0.1/`.split(/\s+/);
  for (const url of local)
    test(`on this machine or its network (${url}) is refused, but accepted with allowLocalUrls`, async () => {
      await withSimulator({ allowLocalUrls: false }, async (simulator) => {
        expect((await raw(simulator, number, { form: { SmsUrl: url } })).json.code).toBe(21402);
        const sent = await raw(simulator, messages, { form: { ...text, StatusCallback: url } });
        expect(sent.json.code).toBe(21609);
      });
      await withSimulator({ allowLocalUrls: true }, async (simulator) =>
        expect((await raw(simulator, number, { form: { SmsUrl: url } })).status).toBe(200),
      );
    });
  for (const url of [
    "https://sms.example.com/in#rc=2&rp=all",
    "http://93.184.216.34/x",
    "https://user:pw@sms.example.com/",
  ])
    test(`with a public host (${url}) is accepted without allowLocalUrls`, () =>
      withSimulator({ allowLocalUrls: false }, async (simulator) => {
        const answer = await raw(simulator, number, { form: { SmsUrl: url } });
        expect(answer.json.sms_url).toBe(url);
      }));
});

describe("the simulator answers like Twilio", () => {
  const fixture = JSON.parse(
    readFileSync(new URL("../fixtures/twilio/api-errors.json", import.meta.url), "utf8"),
  );
  const recorded = fixture.recorded.map((row: { body: unknown }) => row.body);
  const said: Record<string, [path: string, call: RawCall]> = {
    "a wrong token": [`${accountPath}.json`, { password: "wrong" }],
    "a user name that is not a SID": [`${accountPath}.json`, { user: "admin" }],
    "a call without credentials": [`${accountPath}.json`, { authorization: "" }],
    "a recipient who has opted out": [messages, { form: { ...text, To: "+15005550004" } }],
    "a To that is not a valid number": [messages, { form: { ...text, To: "+15005550001" } }],
    "a To that is not a mobile number": [messages, { form: { ...text, To: "+15005550009" } }],
    "a text without a sender": [messages, { form: { To: text.To, Body: "x" } }],
  };
  for (const [name, [path, call]] of Object.entries(said))
    test(`the error for ${name} is the same as in a recorded answer of Twilio`, () =>
      withSimulator({}, async (simulator) =>
        expect(recorded).toContainEqual((await raw(simulator, path, call)).json),
      ));

  test("a 404 names the path that Twilio's host would see, also in another region", async () => {
    const simulator = await startSimulator();
    const path = `${accountPath}/IncomingPhoneNumbers/PN${"0".repeat(32)}.json`;
    const password = `${demoAccount.authToken}-ie1`;
    for (const answer of [
      await raw(simulator, path),
      await raw(simulator, `/regions/ie1${path}`, { password }),
    ])
      expect(answer.json.message).toBe(`The requested resource ${path} was not found`);
    await simulator.close();
  });

  test("an answer has the headers that Twilio sends", () =>
    withSimulator({}, async (simulator) => {
      const { headers } = await raw(simulator, `${accountPath}.json`);
      expect(headers.get("twilio-request-id")).toMatch(/^RQ[0-9a-f]{32}$/);
      expect(headers.get("twilio-request-duration")).toMatch(/^\d+\.\d{3}$/);
      expect(headers.get("twilio-concurrent-requests")).toBe("1");
      expect(headers.get("x-api-domain")).toBe("api.twilio.com");
      expect(headers.get("x-home-region")).toBe("us1");
    }));

  test("the 2010 API answers errors in XML when the path does not end in .json", () =>
    withSimulator({}, async (simulator) => {
      const answer = await raw(simulator, `${accountPath}/Messages`);
      expect(answer.status).toBe(404);
      expect(answer.text).toContain("<TwilioResponse><RestException><Code>20404</Code>");
    }));
});

test("a request target that is not a path is refused, and a leading second slash is part of the path", async () => {
  await withSimulator({}, async (simulator) => {
    const { hostname, port } = new URL(simulator.url);
    const status = async (path: string) => {
      const sent = request({ hostname, port, path, method: "GET" }).end();
      const [answer] = (await once(sent, "response")) as [IncomingMessage];
      answer.resume();
      return answer.statusCode;
    };
    expect(await status("//")).toBe(404);
    expect(await status(`/${accountPath}.json`)).toBe(404);
    expect(await status("x:99999")).toBe(400);
  });
});

// From https://www.twilio.com/docs/api/errors/20001: "One or more parameters you sent the REST API were not recognized and were ignored."
describe("a parameter that the operation does not know is ignored and logged", () => {
  const rows: Record<
    string,
    [path: string, form: Record<string, string>, status: number, ignored: string[]]
  > = {
    "an update of a number, together with a known parameter": [
      number,
      { SmsUrls: "https://a.example.com", FriendlyName: "Desk" },
      200,
      ["SmsUrls"],
    ],
    "an update of a number, without any other parameter": [
      number,
      { smsurl: "https://a.example.com" },
      200,
      ["smsurl"],
    ],
    "the creation of a text": [messages, { ...text, Text: "x" }, 201, ["Text"]],
    "the creation of a key": [`${accountPath}/Keys.json`, { Name: "x" }, 201, ["Name"]],
  };
  for (const [name, [path, form, status, ignored]] of Object.entries(rows))
    test(`in ${name}`, async () => {
      const simulator = await startSimulator({ allowLocalUrls: true, validateAgainstOpenApi: true });
      try {
        const before = simulator.state.numbers.get(demoAccount.numberSid)!.smsUrl;
        expect((await raw(simulator, path, { form })).status).toBe(status);
        expect(simulator.control.requests().at(-1)).toMatchObject({ status, errorCode: null, ignored });
        expect(simulator.state.numbers.get(demoAccount.numberSid)!.smsUrl).toBe(before);
        // A test that sends an unknown parameter by mistake still fails, because of the check against Twilio's OpenAPI files.
        expect(simulator.contractViolations.join()).toContain(ignored[0]);
      } finally {
        await simulator.close();
      }
    });
});
