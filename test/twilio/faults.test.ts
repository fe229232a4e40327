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

/** Makes an answer that gives the listed answers in turn and then repeats the last one. */
function inTurn(...answers: Answer[]): Answer {
  let next = 0;
  return (...args) => answers[Math.min(next++, answers.length - 1)]!(...args);
}

const until = async (condition: () => Promise<boolean> | boolean) => {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve));
};

describe("a read from Twilio", () => {
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
    "an answer that is not JSON": (response) =>
      response.writeHead(200).end("<html>Sign in to the network</html>"),
    "an answer that is a list": json([1, 2]),
    "an empty answer": (response) => response.writeHead(200).end(),
  };
  for (const [name, answer] of Object.entries(passing))
    test(`is repeated and succeeds after ${name}`, async () => {
      const { url, requests } = await server(inTurn(answer, json(number)));
      const made = client(url);
      expect((await accountOf(made).getNumber(numberSid, change))?.phoneNumber).toBe(demoAccount.number);
      expect(requests).toHaveLength(2);
    });

  for (const [name, answer] of Object.entries(passing).filter(([name]) => name !== "a 429"))
    test(`fails after three tries when every answer is ${name}`, async () => {
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
    "a 407 of a proxy": (response) => response.writeHead(407).end("Proxy Authentication Required"),
    "a 425": (response) => response.writeHead(425).end(),
    "a 451": (response) => response.writeHead(451).end("<h1>Unavailable For Legal Reasons</h1>"),
    "a redirect of a sign-in page": (response) =>
      response.writeHead(302, { location: "http://portal.example/" }).end(),
    "a 200 with another resource": json({ sid: `PN${"9".repeat(32)}`, phone_number: "+14255550100" }),
    "a 200 with the number of another account": json({ ...number, account_sid: `AC${"9".repeat(32)}` }),
    "a 200 with the JSON of a gateway": json({ status: "ok" }),
  };
  for (const [name, answer] of Object.entries(strangers))
    test(`does not treat ${name} as an answer of Twilio`, async () => {
      const { url } = await server(answer);
      const error = await failure(accountOf(client(url)).getNumber(numberSid, change), "TwilioUnavailable");
      expect(error.message).toMatch(/cannot be understood: ./);
    });

  test("counts a refusal that is not Twilio's as NOT_TWILIO", async () => {
    const made = client((await server(strangers["an HTML 403"]!)).url);
    await failure(accountOf(made).getNumber(numberSid, change), "TwilioUnavailable");
    expect(await requestCounts(made.registry)).toEqual({ "FetchNumber NOT_TWILIO": 3 });
  });

  test("is repeated after a 403 that is not Twilio's, and then gets the answer of Twilio", async () => {
    const { url, requests } = await server(inTurn(strangers["an HTML 403"]!, json(number)));
    expect((await accountOf(client(url)).getNumber(numberSid, change))?.sid).toBe(numberSid);
    expect(requests).toHaveLength(2);
  });

  test("takes a 404 of Twilio itself as not found", async () => {
    const { url } = await server(json({ code: 20404, message: "Not found", status: 404 }, 404));
    expect(await accountOf(client(url)).getNumber(numberSid, change)).toBeNull();
    expect(await accountOf(client(url)).listShortCodes(resync)).toEqual([]);
  });

  test("fails after three tries when the connection is refused", async () => {
    const { url, close } = await server(html);
    await close();
    const made = client(url);
    const error = await failure(accountOf(made).listNumbers(resync), "TwilioUnavailable");
    expect(faultOf(error)?.code).toBe("ECONNREFUSED");
    expect(await requestCounts(made.registry)).toEqual({ "ListNumbers ECONNREFUSED": 3 });
  });

  test("fails after three tries when no answer comes in time", async () => {
    const { url } = await server(() => {});
    const made = client(url, { timeoutMs: 50 });
    const error = await failure(accountOf(made).listNumbers(resync), "TwilioUnavailable");
    expect(faultOf(error)?.code).toBe("ETIMEDOUT");
    expect(await requestCounts(made.registry)).toEqual({ "ListNumbers ETIMEDOUT": 3 });
  });

  test("fails when an answer begins but does not end in time", async () => {
    const { url } = await server(
      (response) => void response.writeHead(200).write('{"incoming_phone_numbers": ['),
    );
    const error = await failure(
      accountOf(client(url, { timeoutMs: 50 })).listNumbers(resync),
      "TwilioUnavailable",
    );
    expect(faultOf(error)?.code).toBe("ETIMEDOUT");
  });

  test("stops reading an answer that is too large", async () => {
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
  const shapes: Record<string, [body: unknown, says: RegExp]> = {
    "without the list": [{}, /incoming_phone_numbers is not a list/],
    "with a list that is not a list": [
      { incoming_phone_numbers: { length: 1 }, next_page_uri: null },
      /incoming_phone_numbers is not a list/,
    ],
    "that names __proto__ as its list": [{ meta: { key: "__proto__" } }, /is not a list/],
    "with a number that has no SID": [listOf({ sid: undefined }), /: sid is not a SID/],
    "with a SID that is a path": [listOf({ sid: "PN/../../Accounts/AC1" }), /: sid is not a SID/],
    "with a number that is not a number": [
      listOf({ phone_number: "client:joe" }),
      /phone_number is not a number/,
    ],
    "with a URL that is an object": [listOf({ sms_url: { a: 1 } }), /: sms_url is not text/],
    "with a number of another account": [
      listOf({ account_sid: `AC${"9".repeat(32)}` }),
      /account_sid is not that of the account/,
    ],
    "with null in the list": [{ incoming_phone_numbers: [null] }, /not what Twilio's reference describes/],
  };
  for (const [name, [body, says]] of Object.entries(shapes))
    test(`fails with the name of the field for an answer ${name}`, async () => {
      const { url } = await server(json(body));
      const error = await failure(accountOf(client(url)).listNumbers(resync), "TwilioUnavailable");
      expect(faultOf(error)?.code).toBe("BAD_ANSWER");
      expect(error.message).toMatch(says);
    });
});

describe("an update at Twilio", () => {
  test("is sent once more when its answer was lost, and takes effect", async () => {
    const twilio = await simulator();
    twilio.control.faults({ kind: "reset", when: "after", operation: "UpdateIncomingPhoneNumber", count: 1 });
    const updated = await accountOf(client(twilio.url)).updateNumber(numberSid, ours, change);
    expect(updated).toMatchObject(ours);
    const sent = twilio.control.requests();
    expect(sent).toHaveLength(2);
    expect(sent[1]!.form).toEqual(sent[0]!.form);
  });

  test("is sent only twice when its answers are lost again and again", async () => {
    const twilio = await simulator();
    twilio.control.faults({ kind: "reset", when: "after", operation: "UpdateIncomingPhoneNumber" });
    await failure(accountOf(client(twilio.url)).updateNumber(numberSid, ours, change), "TwilioUnavailable");
    expect(twilio.control.requests()).toHaveLength(2);
    expect(twilio.state.numbers.get(numberSid)?.smsUrl).toBe(ours.smsUrl);
  });

  test("fails when the answer is about another number", async () => {
    const twilio = await simulator();
    twilio.control.faults({ kind: "otherNumber", operation: "UpdateIncomingPhoneNumber" });
    const error = await failure(
      accountOf(client(twilio.url)).updateNumber(numberSid, ours, change),
      "TwilioUnavailable",
    );
    expect(faultOf(error)?.code).toBe("BAD_ANSWER");
  });

  for (const status of [401, 403, 404])
    test(`is sent again when another server than Twilio refuses it with ${status}`, async () => {
      const twilio = await simulator();
      twilio.control.faults({ kind: "status", status, body: "html", count: 1 });
      expect(await accountOf(client(twilio.url)).updateNumber(numberSid, ours, change)).toMatchObject(ours);
    });

  test("is not sent again when Twilio refuses it", async () => {
    const twilio = await simulator();
    const account = accountOf(client(twilio.url));
    await failure(
      account.updateNumber(numberSid, { smsUrl: "", smsFallbackUrl: "https://a.example.com/" }, change),
      "TwilioRejected",
    );
    expect(twilio.control.requests()).toHaveLength(1);
  });

  test("is sent again when Twilio throttles it with 429", async () => {
    const twilio = await simulator();
    twilio.control.faults({ kind: "status", status: 429, count: 3 });
    expect(await accountOf(client(twilio.url)).updateNumber(numberSid, ours, change)).toMatchObject(ours);
  });
});

describe("a 429 of Twilio", () => {
  test("at every try makes the call fail after five tries, and the error says how long to wait", async () => {
    const { url, requests } = await server(throttled);
    const error = await failure(accountOf(client(url)).listNumbers(resync), "TwilioThrottled");
    expect(requests).toHaveLength(5);
    expect(error.retryAfterMs).toBeGreaterThan(0);
  });

  test("pauses all calls of its account, and of no other account", async () => {
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

  test("that asks to wait for an hour makes a call fail after 30 s", async () => {
    const { url } = await server(json({ code: 20429 }, 429, { "retry-after": "3600" }));
    const clock = new ManualClock();
    const made = client(url, { clock });
    const refused = failure(accountOf(made).listNumbers(resync), "TwilioThrottled");
    await until(async () => (await requestCounts(made.registry))["ListNumbers 429"] === 1);
    await clock.advance(30_000);
    expect((await refused).retryAfterMs).toBe(30_000);
  });

  test("is the reason that a caller gets when its time runs out during the pause", async () => {
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

describe("the client does not send credentials to another host", () => {
  const service = (next: unknown) => json({ services: [], meta: { key: "services", next_page_url: next } });
  const numbers = (next: unknown) => json({ incoming_phone_numbers: [], next_page_uri: next });

  test("when an answer redirects there", async () => {
    const elsewhere = await server(json({}));
    const { url } = await server((response) =>
      response.writeHead(307, { location: `${elsewhere.url}/x` }).end(),
    );
    await failure(accountOf(client(url)).listNumbers(resync), "TwilioUnavailable");
    expect(elsewhere.requests).toEqual([]);
  });

  test("when the next page of a list is there", async () => {
    const elsewhere = await server(json({}));
    const { url, requests } = await server(service(`${elsewhere.url}/messaging/v1/Services?Page=1`));
    const error = await failure(accountOf(client(url)).listMessagingServices(resync), "TwilioUnavailable");
    expect(faultOf(error)?.code).toBe("FOREIGN_URL");
    expect(allOf(error)).not.toContain(elsewhere.url);
    expect(elsewhere.requests).toEqual([]);
    expect(requests).toHaveLength(1);
  });

  test("when the next page is a path that looks like another host", async () => {
    const elsewhere = await server(json({}));
    const host = new URL(elsewhere.url).host;
    for (const path of [`//${host}/x`, `${elsewhere.url}/x`, `@${host}/x`, `/\\${host}/x`, `.${host}/x`]) {
      const here = await server(inTurn(numbers(path), numbers(null)));
      await accountOf(client(here.url)).listNumbers(resync);
      expect(here.requests, path).toHaveLength(2);
    }
    expect(elsewhere.requests).toEqual([]);
  });

  test("when the region holds the address of another host", async () => {
    const elsewhere = await server(json({}));
    const made = client((await simulator()).url);
    const account = accountOf(made, { region: `x/../../${elsewhere.url}`, edge: "dublin" });
    await failure(account.listNumbers(resync), "TwilioUnavailable");
    expect(elsewhere.requests).toEqual([]);
  });
});

test("a list whose next page is always the same page ends with an error", async () => {
  const { url, requests } = await server(
    json({ incoming_phone_numbers: [], next_page_uri: "/2010-04-01/x.json?Page=1" }),
  );
  const error = await failure(accountOf(client(url)).listNumbers(resync), "TwilioUnavailable");
  expect(faultOf(error)?.code).toBe("ENDLESS_LIST");
  expect(requests.length).toBeLessThan(4);
});

describe("a caller of the Twilio client", () => {
  test("gets back the reason with which it aborted its call", async () => {
    const stop = new AbortController();
    const { url } = await server(() => stop.abort(new Error("the lease is lost")));
    const call = accountOf(client(url)).listNumbers({ lane: "change", signal: stop.signal });
    await expect(call).rejects.toThrow("the lease is lost");
  });

  test("makes no request when it aborted before the call", async () => {
    const { url, requests } = await server(json({}));
    const signal = AbortSignal.abort(new Error("too late"));
    await expect(accountOf(client(url)).listNumbers({ lane: "change", signal })).rejects.toThrow("too late");
    expect(requests).toEqual([]);
  });

  test("gets the error TwilioUnavailable when its own time is over before Twilio answers", async () => {
    const { url } = await server(() => {});
    const signal = AbortSignal.timeout(50);
    await failure(accountOf(client(url)).listNumbers({ lane: "change", signal }), "TwilioUnavailable");
  });
});

test("a leader starts no request, and no repetition, that could outlast its Lease", async () => {
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

test("stop() waits for calls in flight, and may be called twice", async () => {
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

test("the client uses the proxy that HTTP_PROXY names", async () => {
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
