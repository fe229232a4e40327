import { createHmac } from "node:crypto";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createChallenge } from "../../src/routes/challenge.ts";
import { encodeShard } from "../../src/routes/codec.ts";
import type { Route } from "../../src/routes/route.ts";
import { signatureKey } from "../../src/routes/signature-states.ts";
import { urlsUnder } from "../../src/routes/urls.ts";
import {
  ACCOUNT,
  type HttpReply,
  metric,
  newInbox,
  newSid,
  OURS,
  type Post,
  PUBLIC_URL,
  post,
  type RunningReceiver,
  routeFor,
  signedPost,
  startReceiver,
  TOKEN,
  textFields,
} from "./harness.ts";

const OTHER_TOKEN = "fedcba9876543210fedcba9876543210";
const OLD_URL = "https://old.example.com/sms";
const RESPONSE = { status: 200, type: "text/xml", body: "<Response/>" };
const STRANGER = { status: 403, type: undefined, body: "" };

let owner: pg.Client;
let running: RunningReceiver;
let route: Route;

beforeAll(async () => {
  const inbox = await newInbox();
  owner = inbox.owner;
  route = await routeFor({
    urls: [urlsUnder(PUBLIC_URL, "team-a", "support"), urlsUnder(OLD_URL, "team-a", "support")],
    keys: [
      await signatureKey(TOKEN),
      { ...(await signatureKey("expired-token")), notAfterMs: Date.now() - 1000 },
      { ...(await signatureKey("secondary-token")), notAfterMs: Date.now() + 3_600_000 },
    ],
  });
  const other = await routeFor({
    namespace: "team-b",
    stream: "sales",
    token: OTHER_TOKEN,
    accountSid: `AC${"2".repeat(32)}`,
    urls: [urlsUnder(PUBLIC_URL, "team-b", "sales")],
  });
  running = await startReceiver({ url: inbox.receiverUrl, routes: [route, other] });
});

afterAll(async () => {
  await running.stop();
  await owner.end();
});

const seen = ({ status, headers, body }: HttpReply) => ({ status, type: headers["content-type"], body });

const send = (request: Post) => post(running.port, request);

async function rowsOf(messageSid: string) {
  const { rows } = await owner.query("select * from smschannel.inbox where message_sid = $1 order by id", [
    messageSid,
  ]);
  return rows;
}

describe("the receiver answers 200 to a signed request", () => {
  const kinds: Record<string, [(sid: string) => Post, { kind: string; our: string; customer: string }]> = {
    "a text": [
      (MessageSid) => signedPost(textFields({ MessageSid })),
      { kind: "inbound", our: "15005550006", customer: "15555550100" },
    ],
    "a text at the fallback URL": [
      (MessageSid) =>
        signedPost(textFields({ MessageSid, ErrorCode: "11200", ErrorUrl: `${PUBLIC_URL}/x` }), {
          path: "/fallback/team-a/support",
        }),
      { kind: "fallback", our: "15005550006", customer: "15555550100" },
    ],
    "a text signed over a former PUBLIC_URL": [
      (MessageSid) => signedPost(textFields({ MessageSid }), { base: OLD_URL }),
      { kind: "inbound", our: "15005550006", customer: "15555550100" },
    ],
    "a text with the path of a former PUBLIC_URL, which the ingress does not strip": [
      (MessageSid) => ({
        ...signedPost(textFields({ MessageSid }), { base: OLD_URL }),
        path: "/sms/inbound/team-a/support",
      }),
      { kind: "inbound", our: "15005550006", customer: "15555550100" },
    ],
    "a text signed with a second token that is still accepted": [
      (MessageSid) => signedPost(textFields({ MessageSid }), { token: "secondary-token" }),
      { kind: "inbound", our: "15005550006", customer: "15555550100" },
    ],
    "a text from an alphanumeric sender": [
      (MessageSid) => signedPost(textFields({ MessageSid, From: "ExampleCo" })),
      { kind: "inbound", our: "15005550006", customer: "ExampleCo" },
    ],
    "a text with several bytes per character": [
      (MessageSid) => signedPost(textFields({ MessageSid, Body: "Grüß Gott 👩‍👩‍👧 مرحبا" })),
      { kind: "inbound", our: "15005550006", customer: "15555550100" },
    ],
    "a text with unknown fields": [
      (MessageSid) => signedPost(textFields({ MessageSid, FutureParam: "v1", Zzz: "" })),
      { kind: "inbound", our: "15005550006", customer: "15555550100" },
    ],
    "a text for a number that is not the stream's": [
      (MessageSid) => signedPost(textFields({ MessageSid, To: "+15005550007" })),
      { kind: "unrouted", our: "15005550007", customer: "15555550100" },
    ],
    "a WhatsApp message": [
      (MessageSid) =>
        signedPost(textFields({ MessageSid, To: `whatsapp:${OURS}`, From: "whatsapp:+15555550100" })),
      { kind: "unrouted", our: `whatsapp:${OURS}`, customer: "whatsapp:+15555550100" },
    ],
    "a delivery state": [
      (MessageSid) =>
        signedPost(textFields({ MessageSid, From: OURS, To: "+15555550100", MessageStatus: "delivered" }), {
          path: "/status/team-a/support?m=3f2a",
        }),
      { kind: "status", our: "15005550006", customer: "15555550100" },
    ],
  };
  for (const [name, [make, want]] of Object.entries(kinds))
    test(`and stores ${name}`, async () => {
      const sid = newSid();
      const request = make(sid);
      expect(seen(await send(request))).toEqual(RESPONSE);
      const [row, ...more] = await rowsOf(sid);
      expect(more).toEqual([]);
      expect({ kind: row.kind, our: row.our_number, customer: row.customer }).toEqual(want);
      expect(row).toMatchObject({
        namespace_uid: route.namespaceUid,
        stream: "support",
        account_sid: ACCOUNT,
        route_generation: "7",
        done_at: null,
      });
      expect(row.body.toString()).toBe(request.body);
    });

  test("that repeats a field, whose values Twilio's libraries sign once each and sorted", async () => {
    const sid = newSid();
    const fields = textFields({ MessageSid: sid });
    const twice: [string, string][] = [...fields, ["Tag", "b"], ["Tag", "a"], ["Tag", "b"]];
    const signed: [string, string][] = [...fields, ["Tag", "a"], ["Tag", "b"]];
    const request = { ...signedPost(signed), body: new URLSearchParams(twice).toString() };
    expect((await send(request)).status).toBe(200);
    expect(await rowsOf(sid)).toHaveLength(1);
  });

  test("a replayed text is answered 200 and not stored again", async () => {
    const sid = newSid();
    const request = signedPost(textFields({ MessageSid: sid }));
    for (const answer of [await send(request), await send(request)]) expect(seen(answer)).toEqual(RESPONSE);
    expect(await rowsOf(sid)).toHaveLength(1);
  });

  test("a text that came at the inbound URL and again at the fallback URL is one row", async () => {
    const sid = newSid();
    await send(signedPost(textFields({ MessageSid: sid })));
    await send(signedPost(textFields({ MessageSid: sid }), { path: "/fallback/team-a/support" }));
    expect((await rowsOf(sid)).map(({ kind }) => kind)).toEqual(["inbound"]);
  });

  test("each delivery state of a text is one row, and repetitions of a state add no row", async () => {
    const sid = newSid();
    const states = [{ MessageStatus: "sent" }, { MessageStatus: "failed", ErrorCode: "30003" }];
    for (const state of [...states, ...states])
      await send(
        signedPost(textFields({ MessageSid: sid, From: OURS, ...state }), {
          path: "/status/team-a/support?m=1",
        }),
      );
    expect((await rowsOf(sid)).map(({ event, query }) => ({ event, query }))).toEqual([
      { event: "sent", query: "m=1" },
      { event: "failed:30003", query: "m=1" },
    ]);
  });

  test("a request with a MessageSid that Twilio never made is stored as raw bytes", async () => {
    const request = signedPost(textFields({ MessageSid: `SM${"x".repeat(5000)}` }));
    expect(seen(await send(request))).toEqual(RESPONSE);
    const { rows } = await owner.query("select body from smschannel.inbox where kind = 'raw'");
    expect(rows.map(({ body }) => body.toString())).toEqual([request.body]);
  });

  test("copies of one signed request that are cut into fields in different ways add one row", async () => {
    const sid = newSid();
    const fields = textFields({ MessageSid: sid });
    const request = signedPost(fields);
    const swallowed = new URLSearchParams(
      // Twilio signs no separator between MessageSid and NumMedia, the field that follows it in the order of names. So
      // both can be sent as one field.
      fields
        .filter(([name]) => name !== "NumMedia")
        .map(([name, value]): [string, string] => [
          name,
          name === "MessageSid" ? `${value}NumMedia0` : value,
        ]),
    ).toString();
    const before = (await owner.query("select 1 from smschannel.inbox")).rowCount!;
    for (let i = 0; i < 50; i++) {
      const answer = await send({ ...request, body: swallowed + "&=".repeat(i) });
      expect(seen(answer)).toEqual(RESPONSE);
    }
    expect((await owner.query("select 1 from smschannel.inbox")).rowCount).toBe(before + 1);
  });

  test("a signed request that is not a message is counted, but not stored", async () => {
    const fields = textFields().filter(([name]) => name !== "MessageSid");
    const before = await metric(running.metrics, "smschannel_inbound_total", { result: "notMessage" });
    expect(seen(await send(signedPost(fields)))).toEqual(RESPONSE);
    expect(await metric(running.metrics, "smschannel_inbound_total", { result: "notMessage" })).toBe(
      before + 1,
    );
  });

  test("a NUL byte, a lone surrogate and invalid UTF-8 do not hold up 31 good texts in the same batch", async () => {
    const sids = Array.from({ length: 31 }, newSid);
    const odd: Record<string, string> = { nul: "%00", surrogate: "%ED%A0%80", invalid: "%ff%fe" };
    const oddSids = Object.fromEntries(Object.keys(odd).map((name) => [name, newSid()]));
    const requests = [
      ...sids.map((MessageSid) => signedPost(textFields({ MessageSid }))),
      ...Object.entries(odd).map(([name, escaped]) => {
        const fields = textFields({ MessageSid: oddSids[name]!, Body: "MARK", From: "MARK" });
        const body = new URLSearchParams(fields).toString().replaceAll("MARK", `a${escaped}b`);
        // The signature covers the bytes as they were sent.
        const bytes = Buffer.from(unescape(`a${escaped}b`), "latin1");
        const sorted = fields.toSorted(([a], [b]) => (a < b ? -1 : 1));
        const base = sorted.map(([key, value]) =>
          Buffer.concat([Buffer.from(key), value === "MARK" ? bytes : Buffer.from(value)]),
        );
        const url = Buffer.from(`${PUBLIC_URL}/inbound/team-a/support`);
        const mac = createHmac("sha1", TOKEN).update(Buffer.concat([url, ...base]));
        return {
          path: "/inbound/team-a/support",
          body,
          headers: { "x-twilio-signature": mac.digest("base64") },
        };
      }),
    ];
    const answers = await Promise.all(requests.map(send));
    expect(answers.map(({ status }) => status)).toEqual(requests.map(() => 200));
    const all = [...sids, ...Object.values(oddSids)];
    const { rows } = await owner.query("select 1 from smschannel.inbox where message_sid = any($1)", [all]);
    expect(rows).toHaveLength(34);
    const [nul] = await rowsOf(oddSids.nul!);
    expect(nul.customer).toBe("a\ufffdb");
    expect(nul.body.toString()).toContain("Body=a%00b");
  });
});

describe("every request that is not verified gets the same empty 403 and is counted by its reason:", () => {
  const rows: Record<string, [() => Post, string]> = {
    "no signature": [() => ({ ...signedPost(textFields()), headers: {} }), "missing"],
    "a signature made with the token of another route": [
      () => signedPost(textFields(), { token: OTHER_TOKEN }),
      "mismatch",
    ],
    "a token that is no longer accepted": [
      () => signedPost(textFields(), { token: "expired-token" }),
      "mismatch",
    ],
    "a body that was changed after signing": [
      () => ({ ...signedPost(textFields()), body: new URLSearchParams(textFields()).toString() }),
      "mismatch",
    ],
    "a signature of another length": [
      () => ({ ...signedPost(textFields()), headers: { "x-twilio-signature": "x" } }),
      "mismatch",
    ],
    "a signature for the fallback URL at the inbound URL": [
      () => ({
        ...signedPost(textFields(), { path: "/fallback/team-a/support" }),
        path: "/inbound/team-a/support",
      }),
      "mismatch",
    ],
    "a status callback with a changed query": [
      () => ({
        ...signedPost(textFields(), { path: "/status/team-a/support?m=1" }),
        path: "/status/team-a/support?m=2",
      }),
      "mismatch",
    ],
    "a signature over a host that is only in the Host header": [
      () => {
        const request = signedPost(textFields(), { base: "https://evil.example.com" });
        return { ...request, headers: { ...request.headers, host: "evil.example.com" } };
      },
      "mismatch",
    ],
    "a text of another account that was signed with the token of this stream": [
      () => signedPost(textFields({ AccountSid: `AC${"2".repeat(32)}` })),
      "account",
    ],
    "a text without an account": [
      () => signedPost(textFields().filter(([name]) => name !== "AccountSid")),
      "account",
    ],
    "a text of another stream": [
      () => ({
        ...signedPost(textFields(), { path: "/inbound/team-a/support" }),
        path: "/inbound/team-b/sales",
      }),
      "mismatch",
    ],
    "the path of a stream that does not exist": [
      () => signedPost(textFields(), { path: "/inbound/team-a/nobody" }),
      "unknownRoute",
    ],
    "a path that is not a webhook": [
      () => signedPost(textFields(), { path: "/wp-login.php" }),
      "unknownPath",
    ],
    "an empty body": [() => ({ path: "/inbound/team-a/support", body: "" }), "missing"],
    "1,001 fields": [() => ({ path: "/inbound/team-a/support", body: "a=1&".repeat(1001) }), "malformed"],
    "a self-check challenge made with another key": [
      () => ({
        path: "/inbound/team-a/support",
        body: createChallenge({ ...route, checkKey: Buffer.alloc(32) }, Date.now()).body,
      }),
      "missing",
    ],
    "a self-check challenge that is too old": [
      () => ({
        path: "/inbound/team-a/support",
        body: createChallenge(route, Date.now() - 300_000).body,
      }),
      "missing",
    ],
    "a self-check challenge for another stream": [
      () => ({ path: "/inbound/team-b/sales", body: createChallenge(route, Date.now()).body }),
      "missing",
    ],
  };
  for (const [name, [make, reason]] of Object.entries(rows))
    test(`with ${name}`, async () => {
      const before = await metric(running.metrics, "smschannel_signature_failures_total", { reason });
      const answer = await send(make());
      expect(seen(answer)).toEqual(STRANGER);
      expect(Object.keys(answer.headers).sort()).toEqual(["connection", "content-length", "date"]);
      expect(await metric(running.metrics, "smschannel_signature_failures_total", { reason })).toBe(
        before + 1,
      );
    });
});

describe("a request to the URL of a webhook", () => {
  test("is answered 405 when it is a GET", async () => {
    const answer = await send({ path: "/inbound/team-a/support", body: "", method: "GET" });
    expect([answer.status, answer.headers.allow, answer.body]).toEqual([405, "POST", ""]);
  });
  test("is answered 415 when it is JSON", async () => {
    const answer = await send({
      path: "/inbound/team-a/support",
      body: "{}",
      headers: { "content-type": "application/json" },
    });
    expect([answer.status, answer.body]).toEqual([415, ""]);
  });
  test("is answered 413 when its body is over 256 KiB, even if it is signed", async () => {
    const answer = await send(signedPost(textFields({ Body: "x".repeat(256 * 1024) })));
    expect([answer.status, answer.body]).toEqual([413, ""]);
  });
  test("is stored when its body is just below 256 KiB and it is signed", async () => {
    const answer = await send(signedPost(textFields({ Body: "x".repeat(255 * 1024) })));
    expect(answer.status).toBe(200);
  });
});

test("the receiver answers a self-check with proof that it knows the route and its generation", async () => {
  const challenge = createChallenge(route, Date.now());
  const answer = await send({ path: "/inbound/team-a/support", body: challenge.body });
  expect(answer.status).toBe(200);
  expect(answer.headers["content-type"]).toBe("application/octet-stream");
  expect(challenge.expect(answer.body)).toMatchObject({ ok: true, generation: 7 });
  expect(createChallenge(route, Date.now()).expect(answer.body)).toEqual({ ok: false });
});

test("the answer to a text is 503 until every shard of routes was read, and from then on the text is stored", async () => {
  const { receiverUrl, owner } = await newInbox();
  const fresh = await startReceiver({ url: receiverUrl });
  const request = signedPost(textFields());
  expect((await post(fresh.port, request)).status).toBe(503);
  fresh.routes.replaceShard(0, await encodeShard([route]));
  expect((await post(fresh.port, request)).status).toBe(200);
  expect(() => fresh.routes.replaceShard(0, { "routes.json.gz": "garbage" })).toThrow();
  expect((await post(fresh.port, request)).status).toBe(200);
  await fresh.stop();
  await owner.end();
});
