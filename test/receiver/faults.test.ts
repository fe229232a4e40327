import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { asRaw, type InboxRow } from "../../src/inbox/rows.ts";
import { PostgresStore } from "../../src/inbox/store.ts";
import { silentLog } from "../../src/log.ts";
import {
  ACCOUNT,
  type HttpReply,
  metric,
  newInbox,
  newSid,
  post,
  type RunningReceiver,
  routeFor,
  signedPost,
  startReceiver,
  textFields,
} from "./harness.ts";
import { databaseProxy } from "./proxy.ts";
import { raising, STORE_FAULTS, storeFault, type TestInbox } from "./store-faults.ts";

let inbox: TestInbox;
let proxy: Awaited<ReturnType<typeof databaseProxy>>;
let running: RunningReceiver;
const BUDGET_MS = 600;

beforeEach(async () => {
  inbox = await newInbox();
  proxy = await databaseProxy(inbox.receiverUrl);
  running = await startReceiver({ url: proxy.url, routes: [await routeFor()], storeBudgetMs: BUDGET_MS });
  expect((await send()).status).toBe(200);
});

afterEach(async () => {
  await running.stop();
  await proxy.close();
  await inbox.owner.end();
});

const send = (MessageSid = newSid()) => post(running.port, signedPost(textFields({ MessageSid })));

const countOf = async (...sids: string[]) => {
  const { rows } = await inbox.owner.query(
    "select count(*)::int as count from smschannel.inbox where message_sid = any($1)",
    [sids],
  );
  return rows[0].count as number;
};

/** Sends a text again and again until it is stored, because the store makes pauses before it connects again. */
async function untilStored(sid: string): Promise<HttpReply> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const answer = await send(sid);
    if (answer.status === 200) return answer;
  }
  throw new Error("the store did not come back");
}

describe("a text gets 503, and its retry is stored once, when", () => {
  for (const name of STORE_FAULTS)
    test(name, async () => {
      const fault = storeFault(name, inbox, proxy);
      const sid = newSid();
      await fault.begin();
      const answer = await send(sid);
      expect([answer.status, answer.body]).toEqual([503, ""]);
      expect(await metric(running.metrics, "smschannel_inbound_total", { result: "storeLate" })).toBe(1);
      await fault.end();
      await untilStored(sid);
      expect(await countOf(sid)).toBe(1);
    });
});

test("no text needs a retry when the store is back within the time that a text may wait", async () => {
  await inbox.owner.query("begin; lock table smschannel.inbox in access exclusive mode");
  const answers = Array.from({ length: 40 }, () => send());
  await untilWaiting(inbox);
  await inbox.owner.query("rollback");
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(answers.map(() => 200));
});

test("a row that the database refuses is stored as raw bytes, and the other rows of the batch normally", async () => {
  const bad = newSid();
  await inbox.owner.query(raising("22P05", `new.message_sid = '${bad}'`));
  const good = Array.from({ length: 31 }, newSid);
  const refused = signedPost(textFields({ MessageSid: bad }));
  const answers = await Promise.all([post(running.port, refused), ...good.map(send)]);
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  expect([await countOf(bad), await countOf(...good)]).toEqual([0, 31]);
  const { rows } = await inbox.owner.query("select * from smschannel.inbox where kind = 'raw'");
  expect(rows).toHaveLength(1);
  expect(rows[0].body.toString()).toContain(bad);
  const signature = refused.headers!["x-twilio-signature"]!;
  expect(rows[0].message_sid).toBe(asRaw({ ...row(bad), signature }).messageSid);
});

test("32 requests that come at the same time with the same SID make one row, and every request gets 200", async () => {
  const sid = newSid();
  await inbox.owner.query("begin; lock table smschannel.inbox in access exclusive mode");
  const answers = Array.from({ length: 32 }, () => send(sid));
  await untilWaiting(inbox);
  await inbox.owner.query("rollback");
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(answers.map(() => 200));
  expect(await countOf(sid)).toBe(1);
  expect(await metric(running.metrics, "smschannel_inbound_duplicates_total")).toBe(31);
});

test("two replicas that insert the same 50 SIDs in opposite order for a minute never deadlock", async () => {
  const other = await startReceiver({ url: inbox.receiverUrl, routes: [await routeFor()] });
  const end = performance.now() + 60_000;
  while (performance.now() < end) {
    // The loop runs at most ten times a second, because other tests run at the same time.
    const next = new Promise((resolve) => setTimeout(resolve, 100));
    const sids = Array.from({ length: 50 }, newSid);
    const requests = sids.map((MessageSid) => signedPost(textFields({ MessageSid })));
    const answers = await Promise.all([
      ...requests.map((request) => post(running.port, request)),
      ...requests.toReversed().map((request) => post(other.port, request)),
    ]);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await countOf(...sids)).toBe(50);
    await next;
  }
  const { rows } = await inbox.owner.query(
    "select deadlocks::int from pg_stat_database where datname = current_database()",
  );
  expect(rows[0].deadlocks).toBe(0);
  await other.stop();
}, 120_000);

test("a draining receiver stores and answers requests under way and new ones, and then accepts no connection", async () => {
  await inbox.owner.query("begin; lock table smschannel.inbox in access exclusive mode");
  const inFlight = Array.from({ length: 20 }, () => send());
  await untilWaiting(inbox);
  const stopped = running.receiver.stop(400);
  const late = send();
  await inbox.owner.query("rollback");
  for (const answer of await Promise.all([...inFlight, late])) expect(answer.status).toBe(200);
  expect((await late).headers.connection).toBe("close");
  await stopped;
  await expect(send()).rejects.toThrow(/ECONNREFUSED/);
  const { rows } = await inbox.owner.query("select count(*)::int as count from smschannel.inbox");
  expect(rows[0].count).toBe(22);
});

test("a receiver that stops writes evidence of the requests to its routes, but none for routes that do not exist", async () => {
  await post(running.port, { ...signedPost(textFields()), headers: { "x-twilio-signature": "x" } });
  await post(running.port, signedPost(textFields(), { path: "/inbound/nobody/nowhere" }));
  await running.stop();
  const { rows } = await inbox.owner.query("select * from smschannel.route_activity");
  expect(rows).toHaveLength(1);
  expect(rows[0]).toMatchObject({ stream: "support", replica: "replica-1", refused_reason: "mismatch" });
  expect(Object.keys(rows[0].accepted)).toHaveLength(1);
});

test("a failure to write evidence of a route's requests does not affect a text that is under way", async () => {
  const store = new PostgresStore({ url: inbox.receiverUrl, statementTimeoutMs: 10_000, log: silentLog });
  const seen = { replica: "r", namespaceUid: "u", stream: "s", accountSid: ACCOUNT, accepted: {} };
  await store.insertEvidence([seen]);
  await inbox.owner.query(`revoke insert on smschannel.route_activity from "${inbox.role}"`);
  await inbox.owner.query("begin; lock table smschannel.inbox in access exclusive mode");
  const text = store.insert([row(newSid())]);
  await untilWaiting(inbox);
  await expect(store.insertEvidence([seen])).rejects.toMatchObject({ code: "42501" });
  await inbox.owner.query("rollback");
  expect(await text).toBe(1);
  await store.close();
});

describe("a database that vanishes silently", () => {
  const seen = { replica: "r", namespaceUid: "u", stream: "s", accountSid: ACCOUNT, accepted: {} };

  test("delays the writing of evidence no longer than that of a text, and the next evidence is written", async () => {
    const store = new PostgresStore({ url: proxy.url, statementTimeoutMs: BUDGET_MS, log: silentLog });
    await store.insertEvidence([seen]);
    proxy.set("silent");
    await expect(store.insertEvidence([seen])).rejects.toThrow();
    proxy.set("pass");
    await store.insertEvidence([seen]);
    await store.close();
  });

  test("does not keep a receiver from stopping", async () => {
    const store = new PostgresStore({ url: proxy.url, statementTimeoutMs: BUDGET_MS, log: silentLog });
    // This opens the connection of the store for evidence. The text below opens its connection for texts.
    await store.insertEvidence([seen]);
    const other = await startReceiver({ store, routes: [await routeFor()], storeBudgetMs: BUDGET_MS });
    expect((await post(other.port, signedPost(textFields()))).status).toBe(200);
    proxy.set("silent");
    await other.stop();
  });
});

const row = (messageSid: string): InboxRow => ({
  kind: "inbound",
  namespaceUid: "u",
  stream: "s",
  generation: 1,
  accountSid: ACCOUNT,
  messageSid,
  event: "",
  ourNumber: null,
  customer: null,
  query: null,
  body: Buffer.from("Body=x"),
  signature: messageSid,
});

/** Waits until a statement of the receiver waits for the lock, so that the requests have arrived. */
async function untilWaiting({ owner }: TestInbox) {
  for (;;) {
    // Inside a transaction, every later query would see the same snapshot of pg_stat_activity.
    await owner.query("select pg_stat_clear_snapshot()");
    const { rows } = await owner.query(
      "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    );
    if (rows.length > 0) return;
  }
}
