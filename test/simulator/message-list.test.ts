import { describe, expect, test } from "vitest";
import { ManualClock } from "../support/manual-clock.ts";
import {
  customer,
  demoAccount,
  messagesPath as list,
  mg,
  noon,
  raw,
  sdk,
  startWebhook,
  statusOf,
  withSimulator,
} from "./support.ts";

const { sid: accountSid, number } = demoAccount;

describe("the list of messages", () => {
  const day = 86_400_000;
  const filters: Record<string, [query: string, found: string[]]> = {
    "without a filter has the newest message first": [
      "",
      ["today", "waiting", "late yesterday", "early yesterday", "the day before"],
    ],
    "filtered by DateSent has the messages of one day in UTC": [
      "DateSent=2026-11-22",
      ["late yesterday", "early yesterday"],
    ],
    "filtered by DateSent ignores a time of day": [
      "DateSent=2026-11-22T23:59:59Z",
      ["late yesterday", "early yesterday"],
    ],
    "filtered by DateSent> includes the day in the filter": [
      "DateSent%3E=2026-11-22",
      ["today", "late yesterday", "early yesterday"],
    ],
    "filtered by DateSent< includes the day in the filter": [
      "DateSent%3C=2026-11-22",
      ["late yesterday", "early yesterday", "the day before"],
    ],
    "filtered by DateSent< and DateSent> has the days between the two": [
      "DateSent%3C=2026-11-22&DateSent%3E=2026-11-22",
      ["late yesterday", "early yesterday"],
    ],
    "filtered by To compares the whole number": [
      `To=${encodeURIComponent(customer)}&DateSent=2026-11-22`,
      ["late yesterday", "early yesterday"],
    ],
    "filtered by From finds no texts of other senders": ["From=%2B19995550000", []],
  };
  for (const [name, [query, bodies]] of Object.entries(filters))
    test(`${name}`, () => {
      const clock = new ManualClock(Date.UTC(2026, 10, 21, 15));
      return withSimulator({ clock }, async (simulator) => {
        const at = async (ms: number, body: string) => {
          await clock.advance(ms - clock.now());
          await sdk(simulator).messages.create({ from: number, to: customer, body });
          await clock.advance(1000);
        };
        const midnight = Date.UTC(2026, 10, 22);
        await at(midnight - 3_600_000, "the day before");
        await at(midnight + 60_000, "early yesterday");
        await at(midnight + day - 60_000, "late yesterday");
        await clock.advance(midnight + day + 3_600_000 - clock.now());
        // This text was accepted but never sent. It has no date_sent, so no filter by day finds it.
        await sdk(simulator).messages.create({ messagingServiceSid: mg(2), to: customer, body: "waiting" });
        simulator.state.messages.get([...simulator.state.messages].at(-1)!.sid)!.status = "canceled";
        await at(midnight + day + 3_660_000, "today");
        const { json } = await raw(simulator, `${list}?${query}`);
        expect(json.messages.map(({ body }: { body: string }) => body)).toEqual(bodies);
      });
    });

  test("shows a new message only after a while, although it can be fetched immediately", () => {
    const clock = noon();
    return withSimulator({ clock }, async (simulator) => {
      simulator.state.timing.messageListLagMs = 30_000;
      const { sid } = await sdk(simulator).messages.create({ from: number, to: customer, body: "Hello" });
      await clock.advance(29_999);
      expect(await sdk(simulator).messages.list()).toEqual([]);
      expect(await statusOf(simulator, sid)).toBe("delivered");
      await clock.advance(1);
      expect((await sdk(simulator).messages.list()).map((message) => message.sid)).toEqual([sid]);
    });
  });

  test("shows an inbound text as receiving while its webhook is called, and as received afterwards", async () => {
    let answer = () => {};
    await using hook = await startWebhook((response) => {
      answer = () => void response.writeHead(204).end();
    });
    await withSimulator({}, async (simulator) => {
      simulator.state.numbers.get(demoAccount.numberSid)!.smsUrl = hook.url;
      const delivered = simulator.control.inbound({ from: customer, to: number, body: "Hello" });
      await hook.count(1);
      const [during] = await sdk(simulator).messages.list({ to: number });
      expect([during!.status, during!.direction]).toEqual(["receiving", "inbound"]);
      answer();
      await delivered;
      expect(await statusOf(simulator, during!.sid)).toBe("received");
    });
  });

  test("does not show messages of other accounts", () =>
    withSimulator({}, async (simulator) => {
      await simulator.control.inbound({ from: customer, to: "+12065550100", body: "For Fabrikam" });
      expect(await sdk(simulator).messages.list()).toEqual([]);
      const other = sdk(simulator, "AC00000000000000000000000000000002", "simulator-auth-token-0000000002");
      expect(await other.messages.list()).toHaveLength(1);
    }));
});

describe("the media of an inbound MMS", () => {
  test("can be listed, read, fetched over a redirect, and deleted", async () => {
    await using hook = await startWebhook();
    await withSimulator({}, async (simulator) => {
      simulator.state.numbers.get(demoAccount.numberSid)!.smsUrl = hook.url;
      const media = [{ contentType: "image/png", content: Buffer.from([0x89, 0x50, 0x4e, 0x47]) }];
      const { messageSid } = await simulator.control.inbound({ from: customer, to: number, body: "", media });
      expect(messageSid).toMatch(/^MM/);
      const [got] = hook.received;
      expect([got!.get("NumMedia"), got!.get("MediaContentType0")]).toEqual(["1", "image/png"]);
      const [described] = await sdk(simulator).messages(messageSid!).media.list();
      expect([described!.contentType, described!.parentSid]).toEqual(["image/png", messageSid]);
      const url = got!.get("MediaUrl0")!;
      expect(url).toBe(
        `https://api.twilio.com/2010-04-01/Accounts/${accountSid}/Messages/${messageSid}/Media/${described!.sid}`,
      );
      expect((await raw(simulator, new URL(url).pathname, { authorization: "" })).status).toBe(401);
      const redirect = await raw(simulator, new URL(url).pathname);
      expect(redirect.status).toBe(307);
      const content = await fetch(redirect.headers.get("location")!);
      expect(content.headers.get("content-type")).toBe("image/png");
      expect([...new Uint8Array(await content.arrayBuffer())]).toEqual([0x89, 0x50, 0x4e, 0x47]);
      await sdk(simulator).messages(messageSid!).media(described!.sid).remove();
      expect((await raw(simulator, new URL(url).pathname)).status).toBe(404);
    });
  });
});
