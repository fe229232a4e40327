import { expect, test } from "vitest";
import { encodeShard } from "../../src/routes/codec.ts";
import { urlsUnder } from "../../src/routes/urls.ts";
import { CONNECTION_OVERRIDES } from "../../src/twilio/connection-overrides.ts";
import { customer, demoAccount, setWebhooks, withSimulator } from "../simulator/support.ts";
import { metric, newInbox, routeFor, startReceiver } from "./harness.ts";
import { databaseProxy } from "./proxy.ts";

// The simulator follows Twilio's rules in real time. A shorter outage would test no more than the unit tests of the writer.
const AWAY_MS = 10_000;
const PER_SECOND = 50;

test("in a database outage of 10 s with 50 texts a second, Twilio gives up no text and each text is stored once", async () => {
  const inbox = await newInbox();
  const proxy = await databaseProxy(inbox.receiverUrl);
  const running = await startReceiver({ url: proxy.url, routes: [] });
  const base = `http://127.0.0.1:${running.port}`;
  const urls = urlsUnder(base, "team-a", "support");
  const { sid: accountSid, authToken: token, number } = demoAccount;
  const route = await routeFor({ accountSid, token, numbers: [number.slice(1)], urls: [urls] });
  running.routes.replaceShard(0, await encodeShard([route]));
  await withSimulator({}, async (simulator) => {
    setWebhooks(simulator, {
      smsUrl: urls.inbound + CONNECTION_OVERRIDES,
      smsFallbackUrl: urls.fallback + CONNECTION_OVERRIDES,
    });
    proxy.set("refuse");
    const back = new Promise((resolve) => setTimeout(resolve, AWAY_MS)).then(() => proxy.set("pass"));
    const sent = await atEvenRate((i) =>
      simulator.control.inbound({ from: customer, to: number, body: `No. ${i}` }),
    );
    await back;
    const outcomes = (await Promise.all(sent)).map(({ outcome }) => outcome);
    expect(new Set(outcomes)).toEqual(new Set(["delivered"]));
    const { rows } = await inbox.owner.query("select count(*)::int as count from smschannel.inbox");
    expect(rows[0].count).toBe(outcomes.length);
    const count = (result: string) => metric(running.metrics, "smschannel_inbound_total", { result });
    // The counters show that texts waited for the store and that no text was turned away at once.
    expect(await count("storeLate")).toBeGreaterThan(0);
    expect(await count("overloaded")).toBe(0);
  });
  await running.stop();
  await proxy.close();
  await inbox.owner.end();
}, 60_000);

/** Sends texts at the fixed rate until one second after the outage, without waiting for earlier texts. */
async function atEvenRate<T>(send: (i: number) => Promise<T>): Promise<Promise<T>[]> {
  const start = performance.now();
  const sent: Promise<T>[] = [];
  for (;;) {
    const passedMs = performance.now() - start;
    if (passedMs > AWAY_MS + 1000) return sent;
    while (sent.length < (passedMs * PER_SECOND) / 1000) sent.push(send(sent.length));
    await new Promise((resolve) => setTimeout(resolve, 1000 / PER_SECOND));
  }
}
