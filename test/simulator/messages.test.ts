import { describe, expect, test } from "vitest";
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

const { number } = demoAccount;

describe("outgoing texts", () => {
  test("a text is queued, sending, sent and then delivered, and has no date_sent before it was sent", () => {
    const clock = noon();
    return withSimulator({ clock }, async (simulator) => {
      const created = await sdk(simulator).messages.create({ from: number, to: customer, body: "Hello" });
      expect([created.status, created.dateSent, created.numSegments, created.direction]).toEqual([
        "queued",
        null,
        "1",
        "outbound-api",
      ]);
      expect(created.sid).toMatch(/^SM[0-9a-f]{32}$/);
      const seen: (string | null)[] = [];
      for (const ms of [0, 50, 250]) {
        await clock.advance(ms);
        seen.push(await statusOf(simulator, created.sid));
      }
      expect(seen).toEqual(["sending", "sent", "delivered"]);
      const sent = await sdk(simulator).messages(created.sid).fetch();
      expect(sent.dateSent).toEqual(new Date(Date.UTC(2026, 10, 23, 12)));
    });
  });

  test("a text through a Messaging Service is at first accepted, without a sender and without segments", () => {
    const clock = noon();
    return withSimulator({ clock }, async (simulator) => {
      const text = { messagingServiceSid: mg(2), to: customer, body: "Hello" };
      const created = await sdk(simulator).messages.create(text);
      expect([created.status, created.from, created.numSegments]).toEqual(["accepted", null, "0"]);
      await clock.advance(0);
      const queued = await sdk(simulator).messages(created.sid).fetch();
      expect([queued.from, queued.numSegments]).toEqual(["+14252306554", "1"]);
    });
  });

  const outcomes = {
    "undelivered when the carrier refuses the text": [
      { outcome: "undelivered", errorCode: 30003 },
      "undelivered",
      30003,
    ],
    "failed when the text cannot be sent": [{ outcome: "failed", errorCode: 30007 }, "failed", 30007],
    "sent when no delivery receipt arrives": [{ outcome: "silent" }, "sent", null],
  } as const;
  for (const [name, [handset, status, errorCode]] of Object.entries(outcomes))
    test(`a text ends as ${name}`, () => {
      const clock = noon();
      return withSimulator({ clock }, async (simulator) => {
        simulator.state.handsets.set(customer, handset);
        const { sid } = await sdk(simulator).messages.create({ from: number, to: customer, body: "Hello" });
        await clock.advance(60_000);
        const ended = await sdk(simulator).messages(sid).fetch();
        expect([ended.status, ended.errorCode]).toEqual([status, errorCode]);
        expect(ended.dateSent === null).toBe(status === "failed");
      });
    });

  const rates: Record<string, [from: string, secondsForThree: number]> = {
    "a long code sends one segment per second": [number, 3],
    "a toll-free number sends three segments per second": ["+18885550100", 1],
    "a short code sends a hundred segments per second": ["894546", 0.03],
  };
  for (const [name, [from, seconds]] of Object.entries(rates))
    test(`a text waits in its sender's queue: ${name}`, () => {
      const clock = noon();
      return withSimulator({ clock }, async (simulator) => {
        const sids: string[] = [];
        for (const body of ["one", "two", "three", "four"])
          sids.push((await sdk(simulator).messages.create({ from, to: customer, body })).sid);
        await clock.advance(seconds * 1000 - 1);
        expect(await statusOf(simulator, sids[3]!)).toBe("queued");
        await clock.advance(1);
        expect(await statusOf(simulator, sids[3]!)).toBe("sending");
      });
    });

  test("a text of three segments occupies its sender for three seconds, and does not delay other senders", () => {
    const clock = noon();
    return withSimulator({ clock }, async (simulator) => {
      const long = { from: number, to: customer, body: "ü€".repeat(153) };
      expect((await sdk(simulator).messages.create(long)).numSegments).toBe("3");
      const second = await sdk(simulator).messages.create({ from: number, to: customer, body: "x" });
      const other = await sdk(simulator).messages.create({ from: "+14252306550", to: customer, body: "x" });
      await clock.advance(2999);
      expect([await statusOf(simulator, second.sid), await statusOf(simulator, other.sid)]).toEqual([
        "queued",
        "delivered",
      ]);
      await clock.advance(1);
      expect(await statusOf(simulator, second.sid)).toBe("sending");
    });
  });

  test("a text fails with 30036 when it waits longer than its validity period", () => {
    const clock = noon();
    return withSimulator({ clock }, async (simulator) => {
      const { messages } = sdk(simulator);
      await messages.create({ from: number, to: customer, body: "x".repeat(1600) });
      const { sid } = await messages.create({ from: number, to: customer, body: "x", validityPeriod: 5 });
      await clock.advance(5000);
      expect(await messages(sid).fetch()).toMatchObject({ status: "failed", errorCode: 30036 });
    });
  });

  test("a text is refused with 21611 when its sender's queue is full, and fails with 30001 in a Messaging Service", () => {
    const clock = noon();
    return withSimulator({ clock }, async (simulator) => {
      const { messages } = sdk(simulator);
      const text = { from: "+14252306554", to: customer, body: "Hello" };
      expect(simulator.state.timing.longestQueueMs).toBe(10 * 3_600_000);
      simulator.state.timing.longestQueueMs = 1500;
      expect([await messages.create(text), await messages.create(text)].map((m) => m.status)).toEqual([
        "queued",
        "queued",
      ]);
      await expect(messages.create(text)).rejects.toMatchObject({ code: 21611 });
      const { sid } = await messages.create({ messagingServiceSid: mg(2), to: customer, body: "Hello" });
      await clock.advance(0);
      expect(await messages(sid).fetch()).toMatchObject({ status: "failed", errorCode: 30001 });
    });
  });

  test("a scheduled text waits for its time, and is never sent if it is canceled", () => {
    const clock = noon();
    return withSimulator({ clock }, async (simulator) => {
      const { messages } = sdk(simulator);
      const sendAt = new Date(clock.now() + 3_600_000);
      const text = {
        messagingServiceSid: mg(2),
        to: customer,
        body: "x",
        scheduleType: "fixed" as const,
        sendAt,
      };
      const [kept, canceled] = [await messages.create(text), await messages.create(text)];
      expect(kept.status).toBe("scheduled");
      await messages(canceled.sid).update({ status: "canceled" });
      await clock.advance(3_700_000);
      expect([await statusOf(simulator, kept.sid), await statusOf(simulator, canceled.sid)]).toEqual([
        "delivered",
        "canceled",
      ]);
    });
  });

  test("a text loses its body when it is redacted, and cannot be fetched after it is deleted", () =>
    withSimulator({ clock: noon() }, async (simulator) => {
      const { messages } = sdk(simulator);
      const { sid } = await messages.create({ from: number, to: customer, body: "Secret" });
      expect((await messages(sid).update({ body: "" })).body).toBe("");
      await messages(sid).remove();
      await expect(messages(sid).fetch()).rejects.toMatchObject({ status: 404 });
      expect(await messages.list()).toEqual([]);
    }));

  test("a text is sent twice when the same call is made twice, because there is no idempotency key", () =>
    withSimulator({ clock: noon() }, async (simulator) => {
      const text = { from: number, to: customer, body: "Hello" };
      const sids = [
        await sdk(simulator).messages.create(text),
        await sdk(simulator).messages.create(text),
      ].map((m) => m.sid);
      expect(new Set(sids).size).toBe(2);
    }));

  test("a text to a number of the simulator arrives there as an inbound text", async () => {
    await using hook = await startWebhook();
    const clock = noon();
    await withSimulator({ clock }, async (simulator) => {
      simulator.state.numbers.get(demoAccount.numberSid)!.smsUrl = hook.url;
      await sdk(simulator).messages.create({ from: "+14252306550", to: number, body: "From next door" });
      await clock.advance(50);
      const [got] = await hook.count(1);
      expect([got!.get("From"), got!.get("Body")]).toEqual(["+14252306550", "From next door"]);
    });
  });
});

describe("a status callback", () => {
  test("reports that the text was sent and delivered, and has a signature and Twilio's parameters", async () => {
    await using hook = await startWebhook();
    const clock = noon();
    await withSimulator({ clock }, async (simulator) => {
      const { validateRequest } = (await import("twilio")).default;
      const statusCallback = `${hook.url}/status/ns/stream?m=42#rc=2&rp=all`;
      const { sid } = await sdk(simulator).messages.create({
        from: number,
        to: customer,
        body: "Hello",
        statusCallback,
      });
      await clock.advance(50);
      await hook.count(1);
      await clock.advance(250);
      const got = await hook.count(2);
      expect(got.map((request) => request.get("MessageStatus"))).toEqual(["sent", "delivered"]);
      expect(got[0]!.path).toBe("/status/ns/stream?m=42");
      const names = "SmsSid SmsStatus MessageStatus To MessageSid AccountSid From ApiVersion".split(" ");
      expect(got[0]!.params.map(([name]) => name)).toEqual(names);
      expect(got[1]!.params.map(([name]) => name)).toEqual(["RawDlrDoneDate", ...names]);
      expect([got[1]!.get("MessageSid"), got[1]!.get("RawDlrDoneDate")]).toEqual([sid, "2611231200"]);
      for (const { headers, params } of got) {
        const signed = validateRequest(
          demoAccount.authToken,
          String(headers["x-twilio-signature"]),
          `${hook.url}/status/ns/stream?m=42`,
          Object.fromEntries(params),
        );
        expect(signed).toBe(true);
      }
    });
  });

  const precedence: Record<string, [form: Record<string, string>, told: string]> = {
    "that of the text, even if the text names an application": [
      { StatusCallback: "/own", ApplicationSid: `AP${"0".repeat(31)}1` },
      "/own",
    ],
    "that of the application, even if the text goes through a service": [
      { ApplicationSid: `AP${"0".repeat(31)}1` },
      "/application",
    ],
    "that of the service, if neither text nor application has one": [{}, "/service"],
  };
  for (const [name, [fields, told]] of Object.entries(precedence))
    test(`goes to the right URL: ${name}`, async () => {
      await using hook = await startWebhook();
      const clock = noon();
      await withSimulator({ clock }, async (simulator) => {
        simulator.state.services.get(mg(2))!.statusCallback = `${hook.url}/service`;
        const application = simulator.state.applications.get(`AP${"0".repeat(31)}1`)!;
        application.messageStatusCallback = `${hook.url}/application`;
        const form: Record<string, string> = {
          MessagingServiceSid: mg(2),
          To: customer,
          Body: "x",
          ...fields,
        };
        if (form.StatusCallback !== undefined) form.StatusCallback = hook.url + form.StatusCallback;
        await raw(simulator, list, { form });
        await clock.advance(0);
        const [got] = await hook.count(1);
        expect([got!.path, got!.get("MessageStatus"), got!.get("MessagingServiceSid")]).toEqual([
          told,
          "queued",
          mg(2),
        ]);
      });
    });

  test("has the error code when the text failed", async () => {
    await using hook = await startWebhook();
    const clock = noon();
    await withSimulator({ clock }, async (simulator) => {
      simulator.state.handsets.set(customer, { outcome: "failed", errorCode: 30007 });
      await sdk(simulator).messages.create({
        from: number,
        to: customer,
        body: "x",
        statusCallback: hook.url,
      });
      await clock.advance(0);
      const [got] = await hook.count(1);
      expect([got!.get("MessageStatus"), got!.get("ErrorCode")]).toEqual(["failed", "30007"]);
    });
  });
});
