import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { ManualClock } from "../support/manual-clock.ts";
import {
  closedUrl,
  demoAccount,
  hello,
  type Respond,
  setWebhooks,
  startWebhook,
  status,
  twiml,
  withSimulator,
} from "./support.ts";

const { authToken } = demoAccount;

describe("calls of a webhook, its retries and its fallback", () => {
  /** Answers with each of `responds` in this order, and then repeats the last. */
  const inTurn = (...responds: Respond[]): Respond => {
    let n = 0;
    return (response, request) => responds[Math.min(n++, responds.length - 1)]!(response, request);
  };
  const reset: Respond = (response) => response.socket!.resetAndDestroy();
  const half: Respond = (response) => {
    response.writeHead(200, { "content-type": "text/xml", "content-length": 100 });
    response.write("<Response>", () => response.socket!.destroy());
  };
  const plain =
    (type: string | undefined, body: string): Respond =>
    (response) =>
      response.writeHead(200, type === undefined ? {} : { "content-type": type }).end(body);

  type RetryCase = [
    fragment: string,
    respond: Respond,
    statuses: (number | null)[],
    errorCode: number | null,
  ];
  const rows: Record<string, RetryCase> = {
    "a 2xx is a success": ["", status(204), [204], null],
    "a 5xx is not retried by default": ["", status(503), [503], 11200],
    "a 4xx is not retried by default": ["", status(403), [403], 11200],
    "a 5xx is retried once with rp=5xx": ["#rp=5xx", status(500), [500, 500], 11200],
    "a 5xx is retried three times with rp=5xx and rc=3": [
      "#rp=5xx&rc=3",
      status(500),
      [500, 500, 500, 500],
      11200,
    ],
    "nothing is retried with rc=0": ["#rp=all&rc=0", status(500), [500], 11200],
    "a 4xx is not retried by policies other than 4xx": ["#rp=5xx,ct,rt", status(429), [429], 11200],
    "a 4xx is retried with rp=all": ["#rc=1&rp=all", status(429), [429, 429], 11200],
    "a retry may succeed": ["#rp=5xx", inTurn(status(503), status(200)), [503, 200], null],
    "a connection that is lost before the answer is not retried": ["#rp=all&rc=5", reset, [null], 11205],
    "an answer that is cut off in the middle is not retried": ["#rp=all&rc=5", half, [null], 11205],
    "an answer whose TwiML does not parse is a failure": [
      "#rp=all",
      plain("text/xml", "<Response>"),
      [200],
      12100,
    ],
    "an XML document that is not TwiML is a failure": ["", plain("text/xml", "<html></html>"), [200], 12100],
    "a content type that Twilio does not read is a failure": [
      "",
      plain("application/json", "{}"),
      [200],
      12300,
    ],
    "an answer without a content type is a failure": ["", plain(undefined, "ok"), [200], 12300],
    "an answer of more than 64 KiB is a failure": [
      "",
      plain("text/xml", `<Response><!--${"x".repeat(65_536)}--></Response>`),
      [200],
      11750,
    ],
    "an unknown connection override is a failure": ["#zz=1", status(200), [null], 11240],
    "a connection override out of range is a failure": ["#ct=50", status(200), [null], 11241],
    "a retry count out of range is a failure": ["#rc=6", status(200), [null], 11241],
    "an unknown retry policy is a failure": ["#rp=3xx", status(200), [null], 11241],
    "an unknown edge is a failure": ["#e=atlantis", status(200), [null], 11243],
    "all connection overrides together are accepted": [
      "#ct=2000&rt=4500&tt=15000&rc=2&rp=4xx,5xx,ct,rt&sni=y&e=dublin,ashburn",
      status(200),
      [200],
      null,
    ],
    "a fragment without overrides is accepted": ["#top", status(200), [200], null],
  };
  for (const [name, [fragment, respond, statuses, errorCode]] of Object.entries(rows))
    test(name, async () => {
      await using hook = await startWebhook(respond);
      await withSimulator({}, async (simulator) => {
        setWebhooks(simulator, { smsUrl: `${hook.url}/in${fragment}` });
        const delivery = await simulator.control.inbound(hello);
        expect(delivery.attempts.map((made) => made.status)).toEqual(statuses);
        expect(delivery.attempts.at(-1)!.errorCode).toBe(errorCode);
        expect(delivery.outcome).toBe(errorCode === null ? "delivered" : "failed");
        expect(
          new Set(hook.received.map(({ headers }) => headers["i-twilio-idempotency-token"])).size,
        ).toBeLessThan(2);
      });
    });

  const connections: Record<string, [url: string, tries: number, code: number]> = {
    "a refused connection is retried once by default": [closedUrl, 2, 11202],
    "a refused connection is retried three times with rc=3": [`${closedUrl}/#rc=3`, 4, 11202],
    "a refused connection is not retried when the retry policy does not include ct": [
      `${closedUrl}/#rp=5xx`,
      1,
      11202,
    ],
    "an unknown host is retried once by default": ["http://nowhere.invalid/", 2, 11210],
  };
  for (const [name, [smsUrl, tries, code]] of Object.entries(connections))
    test(name, () =>
      withSimulator({}, async (simulator) => {
        setWebhooks(simulator, { smsUrl });
        const { attempts } = await simulator.control.inbound(hello);
        expect(attempts.map(({ errorCode }) => errorCode)).toEqual(Array(tries).fill(code));
      }),
    );

  test("the fallback gets the same parameters with ErrorCode and ErrorUrl, signed for the fallback URL", async () => {
    await using primary = await startWebhook(status(500));
    await using fallback = await startWebhook();
    await withSimulator({}, async (simulator) => {
      const { validateRequest } = (await import("twilio")).default;
      setWebhooks(simulator, {
        smsUrl: `${primary.url}/in#rc=1&rp=5xx`,
        smsFallbackUrl: `${fallback.url}/fb#rc=2`,
      });
      const delivery = await simulator.control.inbound(hello);
      expect([delivery.outcome, primary.received.length, fallback.received.length]).toEqual([
        "delivered",
        2,
        1,
      ]);
      const [got] = fallback.received;
      expect([got!.get("ErrorCode"), got!.get("ErrorUrl")]).toEqual(["11200", `${primary.url}/in`]);
      const same = got!.params.filter(([name]) => !name.startsWith("Error"));
      expect(same).toEqual(primary.received[0]!.params);
      const signature = String(got!.headers["x-twilio-signature"]);
      expect(
        validateRequest(authToken, signature, `${fallback.url}/fb`, Object.fromEntries(got!.params)),
      ).toBe(true);
      expect(got!.headers["i-twilio-idempotency-token"]).not.toBe(
        primary.received[0]!.headers["i-twilio-idempotency-token"],
      );
    });
  });

  test("the fallback is not called when a retry succeeds", async () => {
    await using primary = await startWebhook(inTurn(status(503), twiml()));
    await using fallback = await startWebhook();
    await withSimulator({}, async (simulator) => {
      setWebhooks(simulator, { smsUrl: `${primary.url}#rp=5xx`, smsFallbackUrl: fallback.url });
      const delivery = await simulator.control.inbound(hello);
      expect([delivery.outcome, primary.received.length, fallback.received.length]).toEqual([
        "delivered",
        2,
        0,
      ]);
    });
  });

  test("when the fallback fails no other URL is called, and the text stays in the log", async () => {
    await using primary = await startWebhook(status(500));
    await using fallback = await startWebhook(status(500));
    await withSimulator({}, async (simulator) => {
      setWebhooks(simulator, { smsUrl: primary.url, smsFallbackUrl: fallback.url });
      const delivery = await simulator.control.inbound(hello);
      expect([delivery.outcome, primary.received.length, fallback.received.length]).toEqual(["failed", 1, 1]);
      expect(simulator.state.messages.get(delivery.messageSid!)!.status).toBe("received");
      expect(simulator.state.webhookDeliveries).toMatchObject([{ kind: "inbound", delivered: false }]);
    });
  });

  test("a redirect turns the POST into a GET without its parameters", async () => {
    await using target = await startWebhook();
    await using first = await startWebhook((response) =>
      response.writeHead(302, { location: target.url }).end(),
    );
    await withSimulator({}, async (simulator) => {
      setWebhooks(simulator, { smsUrl: first.url });
      expect((await simulator.control.inbound(hello)).outcome).toBe("delivered");
      expect([target.received[0]!.method, target.received[0]!.params]).toEqual(["GET", []]);
    });
  });

  test("a redirect to a URL that Twilio would not accept as a webhook is not followed", async () => {
    await using hook = await startWebhook((response) =>
      response.writeHead(302, { location: "ftp://files.example.com/" }).end(),
    );
    await withSimulator({}, async (simulator) => {
      setWebhooks(simulator, { smsUrl: hook.url });
      const { attempts } = await simulator.control.inbound(hello);
      expect(attempts).toMatchObject([{ errorCode: 11205, error: "not a public http or https URL" }]);
    });
  });

  test("a redirect loop ends with 11215", async () => {
    await using hook = await startWebhook((response) =>
      response.writeHead(307, { location: "/again" }).end(),
    );
    await withSimulator({}, async (simulator) => {
      setWebhooks(simulator, { smsUrl: hook.url });
      const { attempts } = await simulator.control.inbound(hello);
      expect([attempts.length, attempts[0]!.errorCode]).toEqual([1, 11215]);
    });
  });

  test("a local webhook URL is not called without allowLocalUrls", async () => {
    await using hook = await startWebhook();
    await withSimulator({ allowLocalUrls: false }, async (simulator) => {
      setWebhooks(simulator, { smsUrl: hook.url });
      const delivery = await simulator.control.inbound(hello);
      expect([delivery.outcome, hook.received.length]).toEqual(["failed", 0]);
    });
  });
});

describe("how long Twilio waits for a webhook", () => {
  const silent: Respond = () => {};

  type TimeoutCase = [fragment: string, advances: number[], tries: number];
  const rows: Record<string, TimeoutCase> = {
    "15 s for an answer by default, and does not retry": ["", [15_000], 1],
    "4.5 s for an answer with rt=4500": ["#rt=4500", [4500], 1],
    "4.5 s in each of three attempts with rt=4500, rp=rt and rc=2": [
      "#rt=4500&rp=rt&rc=2",
      [4500, 4500, 4500],
      3,
    ],
    "10 s for all attempts together with tt=10000": ["#rt=4000&rp=rt&rc=5&tt=10000", [4000, 4000, 2000], 3],
  };
  for (const [name, [fragment, advances, tries]] of Object.entries(rows))
    test(`Twilio waits ${name}`, async () => {
      await using hook = await startWebhook(silent);
      const clock = new ManualClock();
      await withSimulator({ clock }, async (simulator) => {
        setWebhooks(simulator, { smsUrl: hook.url + fragment });
        let isOver = false;
        const delivery = simulator.control.inbound(hello).finally(() => {
          isOver = true;
        });
        for (const [index, ms] of advances.entries()) {
          await hook.count(index + 1);
          await clock.advance(ms - 1);
          expect([isOver, hook.received.length]).toEqual([false, index + 1]);
          await clock.advance(1);
        }
        const { attempts, outcome } = await delivery;
        expect([outcome, attempts.length, attempts.at(-1)!.errorCode]).toEqual(["failed", tries, 11203]);
        expect(attempts.reduce((sum, { durationMs }) => sum + durationMs, 0)).toBe(
          advances.reduce((a, b) => a + b),
        );
      });
    });

  test("Twilio waits 5 s for a connection, retries once, then calls the fallback", async () => {
    // This server accepts connections and never answers. TLS is never set up, which counts as no connection.
    let connected = () => {};
    const dumb = createServer(() => connected());
    await new Promise<void>((resolve) => dumb.listen(0, "127.0.0.1", resolve));
    const { port } = dumb.address() as { port: number };
    await using fallback = await startWebhook();
    const clock = new ManualClock();
    await withSimulator({ clock }, async (simulator) => {
      setWebhooks(simulator, { smsUrl: `https://127.0.0.1:${port}/`, smsFallbackUrl: fallback.url });
      const arrivals = [0, 1].map(() => Promise.withResolvers<void>());
      let n = 0;
      connected = () => arrivals[n++]?.resolve();
      const delivery = simulator.control.inbound(hello);
      for (const arrival of arrivals) {
        await arrival.promise;
        await clock.advance(5000);
      }
      const { attempts, outcome } = await delivery;
      expect(attempts.map(({ errorCode }) => errorCode)).toEqual([11201, 11201, null]);
      expect([outcome, fallback.received[0]!.get("ErrorCode")]).toEqual(["delivered", "11201"]);
    });
    dumb.close();
  });

  test("an answer that begins and then stalls is not retried", async () => {
    await using hook = await startWebhook((response) => {
      response.writeHead(200, { "content-type": "text/xml" });
      response.write("<Resp");
    });
    // The five timers are for the total, the connection, the wait, the headers and the first packet.
    const clock = new CountingClock(5);
    await withSimulator({ clock }, async (simulator) => {
      setWebhooks(simulator, { smsUrl: `${hook.url}#rp=all&rc=5` });
      const delivery = simulator.control.inbound(hello);
      await clock.armed;
      await clock.advance(15_000);
      expect((await delivery).attempts.map(({ errorCode }) => errorCode)).toEqual([11205]);
    });
  });
});

/** A manual clock whose `armed` resolves after `count` timers. From outside, only the timers show how far a request has come. */
class CountingClock extends ManualClock {
  #left: number;
  readonly #reached = Promise.withResolvers<void>();
  readonly armed = this.#reached.promise;
  constructor(count: number) {
    super();
    this.#left = count;
  }
  override after(ms: number, run: () => void) {
    if (--this.#left === 0) this.#reached.resolve();
    return super.after(ms, run);
  }
}
