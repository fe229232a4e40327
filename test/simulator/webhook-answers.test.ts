import { describe, expect, test } from "vitest";
import { ManualClock } from "../support/manual-clock.ts";
import {
  customer,
  demoAccount,
  hello,
  type Respond,
  setWebhooks,
  startWebhook,
  twiml,
  withSimulator,
} from "./support.ts";

const { number } = demoAccount;

describe("what a webhook's answer sends", () => {
  const inner = (inside: string): Respond => twiml(inside);
  const typed =
    (type: string, body: string): Respond =>
    (response) =>
      response.writeHead(200, { "content-type": type }).end(body);
  const rows: Record<string, [respond: Respond, bodies: string[]]> = {
    "an empty Response sends nothing": [inner(""), []],
    "a Message sends a text": [inner("<Message>Hi &amp; welcome</Message>"), ["Hi & welcome"]],
    "a Message with a Body and Media sends the Body": [
      inner("<Message><Body>Hi</Body><Media>https://a.example.com/p.png</Media></Message>"),
      ["Hi"],
    ],
    "two Messages send two texts": [inner("<Message>1</Message><Message>2</Message>"), ["1", "2"]],
    "twelve Messages send only ten texts": [inner("<Message>x</Message>".repeat(12)), Array(10).fill("x")],
    "a text/plain body goes to the customer unchanged": [typed("text/plain; charset=utf-8", "ok"), ["ok"]],
    "an empty text/plain body sends nothing": [typed("text/plain", ""), []],
    "text/html is read as TwiML": [typed("text/html", "<Response><Message>Hi</Message></Response>"), ["Hi"]],
  };
  for (const [name, [respond, bodies]] of Object.entries(rows))
    test(name, async () => {
      await using hook = await startWebhook(respond);
      await withSimulator({ clock: new ManualClock() }, async (simulator) => {
        setWebhooks(simulator, { smsUrl: hook.url });
        const { replies, outcome } = await simulator.control.inbound(hello);
        const sent = replies.map((sid) => simulator.state.messages.get(sid)!);
        expect([outcome, sent.map(({ body }) => body)]).toEqual(["delivered", bodies]);
        for (const { from, to, direction } of sent)
          expect([from, to, direction]).toEqual([number, customer, "outbound-reply"]);
      });
    });

  test("a customer who has just opted out gets no text that the webhook's answer asks for", async () => {
    await using hook = await startWebhook(twiml("<Message>Sorry to see you go</Message>"));
    await withSimulator({ clock: new ManualClock() }, async (simulator) => {
      setWebhooks(simulator, { smsUrl: hook.url });
      const { replies } = await simulator.control.inbound({ ...hello, body: "STOP" });
      const bodies = replies.map((sid) => simulator.state.messages.get(sid)!.body);
      expect(bodies).toEqual([expect.stringContaining("unsubscribed")]);
    });
  });

  test("after fifteen answers in a row no more answers are sent until half a minute has passed", async () => {
    await using hook = await startWebhook(twiml("<Message>ping</Message>"));
    const clock = new ManualClock();
    await withSimulator({ clock }, async (simulator) => {
      setWebhooks(simulator, { smsUrl: hook.url });
      const answers = async () => (await simulator.control.inbound(hello)).replies.length;
      const counts: number[] = [];
      for (let i = 0; i < 17; i++) counts.push(await answers());
      expect(counts).toEqual([...Array(15).fill(1), 0, 0]);
      await clock.advance(30_000);
      expect(await answers()).toBe(1);
    });
  });
});
