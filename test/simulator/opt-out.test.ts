import { describe, expect, test } from "vitest";
import type { SimulatorState } from "../../src/simulator/simulator.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { customer, demoAccount, sdk, startWebhook, withSimulator } from "./support.ts";

const tollFree = "+18885550100";
const shortCode = "894546";
const inService = "+14252306554";
const service = "MG00000000000000000000000000000002";

const advanced = {
  stop: { keywords: ["STOP", "BASTA"], reply: "You are out." },
  start: { keywords: ["START", "YES"], reply: "You are in." },
  help: { keywords: ["HELP"], reply: "Ask Contoso." },
};
const withAdvanced = (state: SimulatorState) => {
  state.services.get(service)!.advancedOptOut = advanced;
};
const nothing = () => {};

/**
 * A text that a customer sends, and what is expected of it: a part of Twilio's own answer (null: no answer), the webhook's OptOutType, and
 * whether a later text to the customer is refused.
 */
type KeywordText = [text: string, reply: string | null, optOutType: string | undefined, stopped: boolean];
const rows: Record<string, [to: string, set: (state: SimulatorState) => void, said: KeywordText[]]> = {
  "STOP opts the customer out, in upper or lower case and with blanks around it, and is answered once": [
    demoAccount.number,
    nothing,
    [
      [" stop ", "You have successfully been unsubscribed", undefined, true],
      ["STOP", null, undefined, true],
      ["Start", "You have successfully been re-subscribed", undefined, false],
    ],
  ],
  "a keyword among other words has no effect": [
    demoAccount.number,
    nothing,
    [["please stop", null, undefined, false]],
  ],
  "YES opts in a customer who has opted out, and is an ordinary text from any other customer": [
    demoAccount.number,
    nothing,
    [
      ["yes", null, undefined, false],
      ["UNSUBSCRIBE", "You have successfully been unsubscribed", undefined, true],
      ["yes", "You have successfully been re-subscribed", undefined, false],
    ],
  ],
  "HELP is answered and changes nothing": [
    demoAccount.number,
    nothing,
    [
      ["help", "Reply STOP to unsubscribe", undefined, false],
      ["STOP", "You have successfully", undefined, true],
      ["INFO", "Reply STOP to unsubscribe", undefined, true],
    ],
  ],
  "on a toll-free number only the carriers' keywords count, and YES does not opt in": [
    tollFree,
    nothing,
    [
      ["CANCEL", null, undefined, false],
      ["STOP", "NETWORK MSG", undefined, true],
      ["YES", null, undefined, true],
      ["UNSTOP", "NETWORK MSG", undefined, false],
    ],
  ],
  "on a short code outside of a Messaging Service Twilio does not act on keywords": [
    shortCode,
    nothing,
    [["STOP", null, undefined, false]],
  ],
  "Advanced Opt-Out has its own keywords and answers, and sends OptOutType": [
    inService,
    withAdvanced,
    [
      ["basta", "You are out.", "STOP", true],
      ["CANCEL", null, undefined, true],
      ["yes", "You are in.", "START", false],
      ["yes", "You are in.", "START", false],
      ["help", "Ask Contoso.", "HELP", false],
    ],
  ],
};

describe("opt-out keywords", () => {
  for (const [name, [to, set, said]] of Object.entries(rows))
    test(name, async () => {
      await using hook = await startWebhook();
      await withSimulator({ clock: new ManualClock() }, async (simulator) => {
        set(simulator.state);
        Object.assign(simulator.state.sender(to)!, { smsUrl: hook.url });
        const client = sdk(simulator);
        for (const [body, reply, optOutType, stopped] of said) {
          const delivery = await simulator.control.inbound({ from: customer, to, body });
          // Twilio calls the webhook for keywords, too.
          expect([delivery.outcome, hook.received.at(-1)!.get("Body")]).toEqual(["delivered", body]);
          expect(hook.received.at(-1)!.get("OptOutType")).toBe(optOutType);
          const replies = delivery.replies.map((sid) => simulator.state.messages.get(sid)!.body);
          expect(replies).toEqual(reply === null ? [] : [expect.stringContaining(reply)]);
          const create = client.messages.create({ from: to, to: customer, body: "Hello" });
          if (stopped) await expect(create).rejects.toMatchObject({ status: 400, code: 21610 });
          else await expect(create).resolves.toMatchObject({ status: "queued" });
        }
      });
    });

  test("with Advanced Opt-Out a text to a customer who has opted out is accepted, then fails with 21610", () => {
    const clock = new ManualClock();
    return withSimulator({ clock }, async (simulator) => {
      withAdvanced(simulator.state);
      await simulator.control.inbound({ from: customer, to: inService, body: "STOP" });
      const { messages } = sdk(simulator);
      const text = { from: inService, messagingServiceSid: service, to: customer, body: "Hello" };
      const { sid, status } = await messages.create(text);
      expect(status).toBe("accepted");
      await clock.advance(0);
      expect(await messages(sid).fetch()).toMatchObject({ status: "failed", errorCode: 21610 });
    });
  });

  test("STOP to one number of a Messaging Service stops texts from all its numbers, but only for that customer", () =>
    withSimulator({ clock: new ManualClock() }, async (simulator) => {
      simulator.state.join(service, demoAccount.numberSid);
      await simulator.control.inbound({ from: customer, to: inService, body: "STOP" });
      const { messages } = sdk(simulator);
      const text = { from: demoAccount.number, body: "Hello" };
      await expect(messages.create({ ...text, to: customer })).rejects.toMatchObject({ code: 21610 });
      await expect(messages.create({ ...text, to: "+12065554321" })).resolves.toMatchObject({
        status: "queued",
      });
    }));

  test("STOP counts even when the number has no webhook, and when its service drops inbound texts", () =>
    withSimulator({ clock: new ManualClock() }, async (simulator) => {
      simulator.state.numbers.get(demoAccount.numberSid)!.smsUrl = "";
      const { messages } = sdk(simulator);
      for (const [from, outcome] of [
        [demoAccount.number, "notSent"],
        ["+14252306553", "dropped"],
      ] as const) {
        expect((await simulator.control.inbound({ from: customer, to: from, body: "STOP" })).outcome).toBe(
          outcome,
        );
        await expect(messages.create({ from, to: customer, body: "x" })).rejects.toMatchObject({
          code: 21610,
        });
      }
    }));
});
