import { createServer, request } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import { LeadershipLost } from "../../src/leadership.ts";
import { faultOf } from "../../src/twilio/twilio.ts";
import { ManualClock } from "../support/manual-clock.ts";
import {
  type Answer,
  accountOf,
  allOf,
  change,
  client,
  demoAccount,
  failure,
  json,
  requestCounts,
  resync,
  server,
  simulator,
} from "./support.ts";

const { numberSid } = demoAccount;
const ours = {
  smsUrl: "https://sms.example.com/inbound/a/b",
  smsFallbackUrl: "https://sms.example.com/fallback/a/b",
};
const html: Answer = (response) =>
  response.writeHead(503, { "content-type": "text/html" }).end("<h1>Service Unavailable</h1>");
const throttled = json({ code: 20429, message: "Too Many Requests", status: 429 }, 429);
const number = { sid: numberSid, account_sid: demoAccount.sid, phone_number: demoAccount.number };

/** Different answers one after the other; the last goes on. */
function inTurn(...answers: Answer[]): Answer {
  let next = 0;
  return (...args) => answers[Math.min(next++, answers.length - 1)]!(...args);
}

const until = async (condition: () => Promise<boolean> | boolean) => {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve));
};

describe("a read", () => {
  const passing: Record<string, Answer> = {
    "a 503 without JSON": html,
    "a 500 with Twilio's own error": json(
      { code: 20500, message: "Internal Server Error", status: 500 },
      500,
    ),
    "a 429": throttled,
    "a connection that is reset": (response) => response.socket!.resetAndDestroy(),
    "half an answer": (response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": "500" });
      response.write('{"sid": "PN', () => response.socket!.destroy());
    },
    "an answer that is no JSON": (response) =>
      response.writeHead(200).end("<html>Sign in to the network</html>"),
    "an answer that is a list": json([1, 2]),
    "an empty answer": (response) => response.writeHead(200).end(),
  };
  for (const [name, answer] of Object.entries(passing))
    test(`gets over ${name}`, async () => {
      const { url, requests } = await server(inTurn(answer, json(number)));
      const made = client(url);
      expect((await accountOf(made).getNumber(numberSid, change))?.phoneNumber).toBe(demoAccount.number);
      expect(requests).toHaveLength(2);
    });

  for (const [name, answer] of Object.entries(passing).filter(([name]) => name !== "a 429"))
    test(`gives up when it is always ${name}`, async () => {
      const { url, requests } = await server(answer);
      await failure(accountOf(client(url)).getNumber(numberSid, change), "TwilioUnavailable");
      expect(requests).toHaveLength(3);
    });

  const strangers: Record<string, Answer> = {
    "an HTML 401": (response) => response.writeHead(401).end("<h1>Sign in</h1>"),
    "an HTML 403": (response) => response.writeHead(403).end("<h1>Blocked</h1>"),
    "an HTML 404": (response) => response.writeHead(404).end("<h1>Not Found</h1>"),
    "a 404 of a gateway": json({ message: "no Route matched with those values" }, 404),
    "a 404 without a body": (response) => response.writeHead(404).end(),
    "a proxy's 407": (response) => response.writeHead(407).end("Proxy Authentication Required"),
    "a 425": (response) => response.writeHead(425).end(),
    "a 451": (response) => response.writeHead(451).end("<h1>Unavailable For Legal Reasons</h1>"),
    "a sign-in page's redirect": (response) =>
      response.writeHead(302, { location: "http://portal.example/" }).end(),
    "a 200 with another resource": json({ sid: `PN${"9".repeat(32)}`, phone_number: "+14255550100" }),
    "a 200 with the number of another account": json({ ...number, account_sid: `AC${"9".repeat(32)}` }),
    "a 200 with a gateway's JSON": json({ status: "ok" }),
  };
  for (const [name, answer] of Object.entries(strangers))
    test(`does not take ${name} for Twilio's word about a number`, async () => {
      const { url } = await server(answer);
      const error = await failure(accountOf(client(url)).getNumber(numberSid, change), "TwilioUnavailable");
      expect(error.message).toMatch(/cannot be understood: ./);
    });

  test("counts a stranger's refusal apart from Twilio's", async () => {
    const made = client((await server(strangers["an HTML 403"]!)).url);
    await failure(accountOf(made).getNumber(numberSid, change), "TwilioUnavailable");
    expect(await requestCounts(made.registry)).toEqual({ "FetchNumber NOT_TWILIO": 3 });
  });

  test("gets over a stranger's 403, and then hears Twilio", async () => {
    const { url, requests } = await server(inTurn(strangers["an HTML 403"]!, json(number)));
    expect((await accountOf(client(url)).getNumber(numberSid, change))?.sid).toBe(numberSid);
    expect(requests).toHaveLength(2);
  });

  test("believes Twilio's own 404", async () => {
    const { url } = await server(json({ code: 20404, message: "Not found", status: 404 }, 404));
    expect(await accountOf(client(url)).getNumber(numberSid, change)).toBeNull();
    expect(await accountOf(client(url)).listShortCodes(resync)).toEqual([]);
  });

  test("gives up where nobody listens", async () => {
    const { url, close } = await server(html);
    await close();
    const made = client(url);
    const error = await failure(accountOf(made).listNumbers(resync), "TwilioUnavailable");
    expect(faultOf(error)?.code).toBe("ECONNREFUSED");
    expect(await requestCounts(made.registry)).toEqual({ "ListNumbers ECONNREFUSED": 3 });
  });

  test("gives up when nothing is answered in time", async () => {
    const { url } = await server(() => {});
    const made = client(url, { timeoutMs: 50 });
    const error = await failure(accountOf(made).listNumbers(resync), "TwilioUnavailable");
    expect(faultOf(error)?.code).toBe("ETIMEDOUT");
    expect(await requestCounts(made.registry)).toEqual({ "ListNumbers ETIMEDOUT": 3 });
  });

  test("gives up when an answer comes but never ends", async () => {
    const { url } = await server(
      (response) => void response.writeHead(200).write('{"incoming_phone_numbers": ['),
    );
    const error = await failure(
      accountOf(client(url, { timeoutMs: 50 })).listNumbers(resync),
      "TwilioUnavailable",
    );
    expect(faultOf(error)?.code).toBe("ETIMEDOUT");
  });

  test("does not take in an answer without end", async () => {
    const block = Buffer.alloc(1 << 20, " ");
    const { url } = await server((response) => {
      const more = () => {
        while (response.write(block));
        response.once("drain", more);
      };
      more();
    });
    const error = await failure(accountOf(client(url)).listNumbers(resync), "TwilioUnavailable");
    expect(faultOf(error)?.code).toBe("ANSWER_TOO_LARGE");
  });

  const listOf = (more: object) => ({ incoming_phone_numbers: [{ ...number, ...more }] });
  const shapes: Record<string, [body: unknown, told: RegExp]> = {
    "without the list": [{}, /incoming_phone_numbers is not a list/],
    "with a list that is none": [
      { incoming_phone_numbers: { length: 1 }, next_page_uri: null },
      /incoming_phone_numbers is not a list/,
    ],
    "with a key of the prototype's": [{ meta: { key: "__proto__" } }, /is not a list/],
    "with a number that has no SID": [listOf({ sid: undefined }), /: sid is not a SID/],
    "with a SID that climbs": [listOf({ sid: "PN/../../Accounts/AC1" }), /: sid is not a SID/],
    "with a number that is none": [listOf({ phone_number: "client:joe" }), /phone_number is not a number/],
    "with a URL that is an object": [listOf({ sms_url: { a: 1 } }), /: sms_url is not text/],
    "with a number of another account": [
      listOf({ account_sid: `AC${"9".repeat(32)}` }),
      /account_sid is not that of the account/,
    ],
    "with nothing in the list": [{ incoming_phone_numbers: [null] }, /not what Twilio's reference describes/],
  };
  for (const [name, [body, told]] of Object.entries(shapes))
    test(`takes an answer ${name} for none, and names the field`, async () => {
      const { url } = await server(json(body));
      const error = await failure(accountOf(client(url)).listNumbers(resync), "TwilioUnavailable");
      expect(faultOf(error)?.code).toBe("BAD_ANSWER");
      expect(error.message).toMatch(told);
    });
});

describe("an update", () => {
  test("whose answer was lost is sent once more, and has happened", async () => {
    const twilio = await simulator();
    twilio.control.faults({ kind: "reset", when: "after", operation: "UpdateIncomingPhoneNumber", count: 1 });
    const updated = await accountOf(client(twilio.url)).updateNumber(numberSid, ours, change);
    expect(updated).toMatchObject(ours);
    const sent = twilio.control.requests();
    expect(sent).toHaveLength(2);
    expect(sent[1]!.form).toEqual(sent[0]!.form);
  });

  test("whose answers are lost again and again is sent twice, not more", async () => {
    const twilio = await simulator();
    twilio.control.faults({ kind: "reset", when: "after", operation: "UpdateIncomingPhoneNumber" });
    await failure(accountOf(client(twilio.url)).updateNumber(numberSid, ours, change), "TwilioUnavailable");
    expect(twilio.control.requests()).toHaveLength(2);
    expect(twilio.state.numbers.get(numberSid)?.smsUrl).toBe(ours.smsUrl);
  });

  test("that is answered with another number is not believed", async () => {
    const twilio = await simulator();
    twilio.control.faults({ kind: "otherNumber", operation: "UpdateIncomingPhoneNumber" });
    const error = await failure(
      accountOf(client(twilio.url)).updateNumber(numberSid, ours, change),
      "TwilioUnavailable",
    );
    expect(faultOf(error)?.code).toBe("BAD_ANSWER");
  });

  for (const status of [401, 403, 404])
    test(`that a stranger refuses with ${status} may not have happened, and is sent again`, async () => {
      const twilio = await simulator();
      twilio.control.faults({ kind: "status", status, body: "html", count: 1 });
      expect(await accountOf(client(twilio.url)).updateNumber(numberSid, ours, change)).toMatchObject(ours);
    });

  test("that Twilio refuses is not sent again", async () => {
    const twilio = await simulator();
    const account = accountOf(client(twilio.url));
    await failure(
      account.updateNumber(numberSid, { smsUrl: "", smsFallbackUrl: "https://a.example.com/" }, change),
      "TwilioRejected",
    );
    expect(twilio.control.requests()).toHaveLength(1);
  });

  test("that is throttled was not done, and is sent again", async () => {
    const twilio = await simulator();
    twilio.control.faults({ kind: "status", status: 429, count: 3 });
    expect(await accountOf(client(twilio.url)).updateNumber(numberSid, ours, change)).toMatchObject(ours);
  });
});

describe("429", () => {
  test("without end is told after five tries, with the time to wait", async () => {
    const { url, requests } = await server(throttled);
    const error = await failure(accountOf(client(url)).listNumbers(resync), "TwilioThrottled");
    expect(requests).toHaveLength(5);
    expect(error.retryAfterMs).toBeGreaterThan(0);
  });

  test("slows down all calls of the account, and no other account", async () => {
    const { url, requests } = await server(
      inTurn(json({ code: 20429 }, 429, { "retry-after": "7" }), json(number)),
    );
    const clock = new ManualClock();
    const made = client(url, { clock });
    const first = accountOf(made).getNumber(numberSid, change);
    await until(async () => (await requestCounts(made.registry))["FetchNumber 429"] === 1);
    const second = accountOf(made).getNumber(numberSid, change);
    const stranger = accountOf(made, { authToken: "of another namespace" }).getNumber(numberSid, change);
    expect(await stranger).not.toBeNull();
    await clock.advance(6999);
    expect(requests).toHaveLength(2);
    await clock.advance(1);
    await Promise.all([first, second]);
    expect(requests).toHaveLength(4);
  });

  test("that asks for an hour is not waited for that long", async () => {
    const { url } = await server(json({ code: 20429 }, 429, { "retry-after": "3600" }));
    const clock = new ManualClock();
    const made = client(url, { clock });
    const refused = failure(accountOf(made).listNumbers(resync), "TwilioThrottled");
    await until(async () => (await requestCounts(made.registry))["ListNumbers 429"] === 1);
    await clock.advance(30_000);
    expect((await refused).retryAfterMs).toBe(30_000);
  });

  test("is what a caller hears who runs out of time while it lasts", async () => {
    const { url } = await server(json({ code: 20429 }, 429, { "retry-after": "20" }));
    const made = client(url);
    const time = new AbortController();
    const refused = failure(
      accountOf(made).listNumbers({ lane: "resync", signal: time.signal }),
      "TwilioThrottled",
    );
    await until(async () => (await requestCounts(made.registry))["ListNumbers 429"] === 1);
    time.abort(new DOMException("the operation was aborted due to timeout", "TimeoutError"));
    expect((await refused).retryAfterMs).toBeGreaterThan(0);
  });
});

describe("credentials do not go elsewhere", () => {
  const service = (next: unknown) => json({ services: [], meta: { key: "services", next_page_url: next } });
  const numbers = (next: unknown) => json({ incoming_phone_numbers: [], next_page_uri: next });

  test("by a redirect", async () => {
    const elsewhere = await server(json({}));
    const { url } = await server((response) =>
      response.writeHead(307, { location: `${elsewhere.url}/x` }).end(),
    );
    await failure(accountOf(client(url)).listNumbers(resync), "TwilioUnavailable");
    expect(elsewhere.requests).toEqual([]);
  });

  test("by a next page at another host", async () => {
    const elsewhere = await server(json({}));
    const { url, requests } = await server(service(`${elsewhere.url}/messaging/v1/Services?Page=1`));
    const error = await failure(accountOf(client(url)).listMessagingServices(resync), "TwilioUnavailable");
    expect(faultOf(error)?.code).toBe("FOREIGN_URL");
    expect(allOf(error)).not.toContain(elsewhere.url);
    expect(elsewhere.requests).toEqual([]);
    expect(requests).toHaveLength(1);
  });

  test("by a next page that is a path, whatever stands in it", async () => {
    const elsewhere = await server(json({}));
    const host = new URL(elsewhere.url).host;
    for (const path of [`//${host}/x`, `${elsewhere.url}/x`, `@${host}/x`, `/\\${host}/x`, `.${host}/x`]) {
      const here = await server(inTurn(numbers(path), numbers(null)));
      await accountOf(client(here.url)).listNumbers(resync);
      expect(here.requests, path).toHaveLength(2);
    }
    expect(elsewhere.requests).toEqual([]);
  });

  test("by a region that is no region", async () => {
    const elsewhere = await server(json({}));
    const made = client((await simulator()).url);
    const account = accountOf(made, { region: `x/../../${elsewhere.url}`, edge: "dublin" });
    await failure(account.listNumbers(resync), "TwilioUnavailable");
    expect(elsewhere.requests).toEqual([]);
  });
});

test("a list that leads in a circle ends", async () => {
  const { url, requests } = await server(
    json({ incoming_phone_numbers: [], next_page_uri: "/2010-04-01/x.json?Page=1" }),
  );
  const error = await failure(accountOf(client(url)).listNumbers(resync), "TwilioUnavailable");
  expect(faultOf(error)?.code).toBe("ENDLESS_LIST");
  expect(requests.length).toBeLessThan(4);
});

describe("a caller", () => {
  test("who stops gets back the reason that was given", async () => {
    const stop = new AbortController();
    const { url } = await server(() => stop.abort(new Error("the lease is lost")));
    const call = accountOf(client(url)).listNumbers({ lane: "change", signal: stop.signal });
    await expect(call).rejects.toThrow("the lease is lost");
  });

  test("who stopped before makes no request", async () => {
    const { url, requests } = await server(json({}));
    const signal = AbortSignal.abort(new Error("too late"));
    await expect(accountOf(client(url)).listNumbers({ lane: "change", signal })).rejects.toThrow("too late");
    expect(requests).toEqual([]);
  });

  test("whose own time is over hears that Twilio did not answer", async () => {
    const { url } = await server(() => {});
    const signal = AbortSignal.timeout(50);
    await failure(accountOf(client(url)).listNumbers({ lane: "change", signal }), "TwilioUnavailable");
  });
});

test("a leader starts no request that could outlast its lease, a repetition neither", async () => {
  let leaseMs = 15_000;
  const { url, requests } = await server((response, ...rest) => {
    leaseMs = 9_000;
    html(response, ...rest);
  });
  const leadership = {
    assertTime(ms: number) {
      if (leaseMs < ms) throw new LeadershipLost("not enough of the lease is left");
    },
  };
  const account = accountOf(client(url, { leadership, timeoutMs: 10_000 }));
  await expect(account.updateNumber(numberSid, ours, change)).rejects.toThrow(LeadershipLost);
  expect(requests).toHaveLength(1);
});

test("stopping waits for what is in flight, and may be done twice", async () => {
  let answer = () => {};
  const { url, requests } = await server((response, ...rest) => {
    answer = () => json(number)(response, ...rest);
  });
  const made = client(url);
  const call = accountOf(made).getNumber(numberSid, change);
  await until(() => requests.length === 1);
  const stopped = Promise.all([made.twilio.stop(), made.twilio.stop()]);
  answer();
  expect(await call).not.toBeNull();
  await stopped;
  await failure(accountOf(made).getNumber(numberSid, change), "TwilioUnavailable");
});

test("a proxy named by the environment is used", async () => {
  const twilio = await simulator();
  const asked: string[] = [];
  const proxy = createServer((incoming, answer) => {
    asked.push(incoming.url!);
    const { pathname, search } = new URL(incoming.url!);
    const { method, headers } = incoming;
    incoming.pipe(
      request(twilio.url + pathname + search, { method: method!, headers }, (response) => {
        answer.writeHead(response.statusCode!, response.headers);
        response.pipe(answer);
      }),
    );
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const before = process.env.HTTP_PROXY;
  process.env.HTTP_PROXY = `http://127.0.0.1:${(proxy.address() as { port: number }).port}`;
  onTestFinished(() => {
    if (before === undefined) delete process.env.HTTP_PROXY;
    else process.env.HTTP_PROXY = before;
    proxy.close();
  });
  const account = accountOf(client("http://twilio.invalid"));
  expect(await account.listNumbers(resync)).toHaveLength(9);
  expect(asked).toHaveLength(1);
  expect(asked[0]).toMatch(/^http:\/\/twilio\.invalid\/2010-04-01\//);
});
