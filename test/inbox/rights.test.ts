import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { pruneEvidence, readEvidence } from "../../src/inbox/evidence.ts";
import { latestVersion, migrate } from "../../src/inbox/migrate.ts";
import { PostgresStore } from "../../src/inbox/store.ts";
import { createLog, silentLog } from "../../src/log.ts";
import {
  newInbox,
  newSid,
  post,
  routeFor,
  signedPost,
  startReceiver,
  textFields,
} from "../receiver/harness.ts";

// These tests show what an attacker who breaks into a receiver can do with its database role. docs/security.md says the same.

let inbox: Awaited<ReturnType<typeof newInbox>>;
let receiver: pg.Client;

beforeAll(async () => {
  inbox = await newInbox();
  receiver = new pg.Client({ connectionString: inbox.receiverUrl });
  await receiver.connect();
});
afterAll(async () => {
  await receiver.end();
  await inbox.owner.end();
});

/** Runs a statement with the receiver's role and undoes it. Returns `done`, or the SQLSTATE of the error. */
async function attempt(sql: string): Promise<string> {
  await receiver.query("begin");
  try {
    await receiver.query(sql.replace("OWNER", pg.escapeIdentifier(new URL(inbox.ownerUrl).username)));
    return "done";
  } catch (error) {
    return (error as { code: string }).code;
  } finally {
    await receiver.query("rollback");
  }
}

const [DENIED, OUT_OF_BOUNDS] = ["42501", "23514"];

/** Makes the insert of a text as the receiver writes it, with the given columns changed or added. */
function text(more: Record<string, string> = {}): string {
  const columns = {
    kind: "'inbound'",
    namespace_uid: "'u'",
    stream: "'s'",
    route_generation: "1",
    account_sid: "'AC1'",
    message_sid: "'SM1'",
    event: "''",
    body: "'x'",
    ...more,
  };
  const override = "id" in more ? "overriding system value" : "";
  return `insert into smschannel.inbox (${Object.keys(columns)}) ${override} values (${Object.values(columns)})`;
}

/** Makes the insert of a row of evidence, with the given columns changed or added. */
function activity(more: Record<string, string> = {}): string {
  const columns = {
    replica: "'r'",
    namespace_uid: "'u'",
    stream: "'s'",
    account_sid: "'AC1'",
    accepted: "'{}'",
    ...more,
  };
  return `insert into smschannel.route_activity (${Object.keys(columns)}) values (${Object.values(columns)})`;
}

describe("the receiver's database role", () => {
  const rows: Record<string, [sql: string, want: string]> = {
    "may store a text": [text(), "done"],
    "may not store a text that is marked as done": [text({ done_at: "now()" }), DENIED],
    "may not store a text with failures": [text({ failures: "5" }), DENIED],
    "may not choose the time at which a text came": [text({ received_at: "'2000-01-01'" }), DENIED],
    "may not choose an id": [text({ id: "7" }), DENIED],
    "may not even name the id column": [text({ id: "default" }), DENIED],
    "may not change the sequence of ids": [
      "select setval(pg_get_serial_sequence('smschannel.inbox', 'id'), 1)",
      DENIED,
    ],
    "may not invent a kind": [text({ kind: "'mine'" }), OUT_OF_BOUNDS],
    "may not store a body larger than any request's": [
      text({ body: "repeat('x', 262145)::bytea" }),
      OUT_OF_BOUNDS,
    ],
    "may not store a key longer than 80 bytes": [text({ message_sid: "repeat('x', 81)" }), OUT_OF_BOUNDS],
    "may not store a customer longer than 256 bytes": [text({ customer: "repeat('x', 257)" }), OUT_OF_BOUNDS],
    "may store evidence": [activity({ accepted: `'{"one": 1}'` }), "done"],
    "may not choose the time of evidence": [activity({ at: "'infinity'" }), DENIED],
    "may not store evidence as a list": [activity({ accepted: "'[1]'" }), OUT_OF_BOUNDS],
    "may not store evidence as a string": [activity({ accepted: `'"x"'` }), OUT_OF_BOUNDS],
    "may not store evidence with a time that is not a number": [
      activity({ accepted: `'{"one": "x"}'` }),
      OUT_OF_BOUNDS,
    ],
    "may not store evidence with a time that is an object": [
      activity({ accepted: `'{"one": {}}'` }),
      OUT_OF_BOUNDS,
    ],
    "may not store evidence with a time that no clock reaches": [
      activity({ accepted: `'{"one": 1e300}'` }),
      OUT_OF_BOUNDS,
    ],
    "may not store evidence with 1,000 tokens": [
      activity({ accepted: "(select jsonb_object_agg(i, i) from generate_series(1, 1000) as i)" }),
      OUT_OF_BOUNDS,
    ],
    "may not store a refusal in the infinite future": [
      activity({ last_refused_at: "'infinity'" }),
      OUT_OF_BOUNDS,
    ],
    "may ask which texts are missing": ["select smschannel.missing_texts('{AC1}', '{SM1}', '{x}')", "done"],
    "may not replace the function missing_texts": [
      "create or replace function smschannel.missing_texts(text[], text[], text[]) returns setof bigint language sql as 'select 1::bigint'",
      DENIED,
    ],
    "may not become the owner": ["set role OWNER", DENIED],
    "may not create a role": ["create role mine", DENIED],
    "may not read files of the server": ["select pg_read_file('PG_VERSION')", DENIED],
    "may not run programs on the server": ["copy (select 1) to program 'true'", DENIED],
    "may not create tables in the public schema": ["create table public.mine (id integer)", DENIED],
    "may not block migrations with a lock on their table": [
      "do $$ begin lock table smschannel.migrations in access share mode; end $$",
      DENIED,
    ],
  };
  for (const [name, [sql, want]] of Object.entries(rows))
    test(name, async () => expect(await attempt(sql)).toBe(want));
});

describe("PostgreSQL lets every role change or use the following, as the security page says", () => {
  const rows: Record<string, string> = {
    "its own password": "do $$ begin execute format('alter role %I password ''mine''', current_user); end $$",
    "its own settings":
      "do $$ begin execute format('alter role %I set default_transaction_read_only = on', current_user); end $$",
    "large objects": "select lo_create(0)",
    "temporary tables": "create temporary table mine (id integer)",
    "advisory locks": "select pg_advisory_xact_lock(1)",
  };
  for (const [name, sql] of Object.entries(rows))
    test(name, async () => expect(await attempt(sql)).toBe("done"));

  test("except large objects and temporary tables, once the statements on the security page have run", async () => {
    const own = await newInbox();
    const database = new URL(own.ownerUrl).pathname.slice(1);
    await own.owner.query(`
      revoke temporary on database "${database}" from public;
      revoke execute on function lo_create(oid), lo_creat(integer), lo_from_bytea(oid, bytea) from public`);
    const client = new pg.Client({ connectionString: own.receiverUrl });
    await client.connect();
    for (const sql of [
      rows["large objects"]!,
      "select lo_creat(0)",
      "select lo_from_bytea(0, 'x')",
      rows["temporary tables"]!,
    ])
      await expect(client.query(sql)).rejects.toMatchObject({ code: DENIED });
    await Promise.all([client.end(), own.owner.end()]);
  });
});

/** Connects a new store and returns how many of its log lines contain the given words. */
async function warningsOf(url: string, words: string): Promise<number> {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const log = createLog({ level: "warn", process: "test", destination });
  const store = new PostgresStore({ url, statementTimeoutMs: 1000, log });
  await store.connect();
  await store.close();
  return lines.filter((line) => line.includes(words)).length;
}

test("the receiver logs that its role has the wider rights of earlier versions, until a migration takes them away", async () => {
  const own = await newInbox();
  await own.owner.query(`grant insert on smschannel.inbox to "${own.role}"`);
  const warnings = () => warningsOf(own.receiverUrl, "can do more than insert");
  expect(await warnings()).toBe(1);
  await migrate({
    url: own.ownerUrl,
    roles: { receiver: { name: own.role } },
    waitMs: 10_000,
    log: silentLog,
    clock: systemClock,
  });
  expect(await warnings()).toBe(0);
  await own.owner.end();
});

describe("after a rollback to a version without the function missing_texts", () => {
  /** The statements that `migrate` of the older version ran for the receiver's role, in one transaction. */
  const formerGrants = (role: string) => `
    begin;
    create or replace function smschannel.schema_version() returns integer language sql immutable parallel safe
      as 'select ${latestVersion()}';
    revoke all on function smschannel.schema_version() from public;
    revoke all on all tables in schema smschannel from "${role}";
    revoke all on all sequences in schema smschannel from "${role}";
    revoke all on all functions in schema smschannel from "${role}";
    revoke all on schema smschannel from "${role}";
    grant usage on schema smschannel to "${role}";
    grant execute on function smschannel.schema_version() to "${role}";
    grant insert on smschannel.inbox, smschannel.route_activity to "${role}";
    commit`;

  /** Starts a receiver that stores a text before the rollback. `send` returns the HTTP status of each answer. */
  async function rolledBack() {
    const own = await newInbox();
    const running = await startReceiver({
      url: own.receiverUrl,
      routes: [await routeFor()],
      storeBudgetMs: 600,
    });
    const send = async (...sids: string[]) =>
      await Promise.all(
        sids.map(
          async (MessageSid) => (await post(running.port, signedPost(textFields({ MessageSid })))).status,
        ),
      );
    const known = newSid();
    expect(await send(known)).toEqual([200]);
    await own.owner.query(formerGrants(own.role));
    const count = async () =>
      (await own.owner.query("select count(*)::int as count from smschannel.inbox")).rows[0].count;
    const end = async () => {
      await running.stop();
      await own.owner.end();
    };
    return { own, known, send, count, end };
  }

  test("new texts and repeated texts are still answered 200", async () => {
    const { known, send, count, end } = await rolledBack();
    expect(await send(newSid())).toEqual([200]);
    expect(await send(known, newSid())).toEqual([200, 200]);
    expect(await send(known)).toEqual([200]);
    expect(await count()).toBe(3);
    await end();
  });

  test("a receiver that connects after the rollback works, and its log says which right is missing", async () => {
    const { own, known, send, count, end } = await rolledBack();
    await own.owner.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${own.role}'`,
    );
    expect(await send(known, newSid())).toEqual([200, 200]);
    expect(await send(known)).toEqual([200]);
    expect(await count()).toBe(2);
    expect(await warningsOf(own.receiverUrl, "may not ask which texts are missing")).toBe(1);
    await end();
  });

  const swallowers: Record<string, string> = {
    "a unique key that is not ours": "create unique index mine on smschannel.inbox (customer)",
    "a trigger that returns nothing": `
      create function public.swallow() returns trigger language plpgsql as $$ begin return null; end $$;
      create trigger swallow before insert on smschannel.inbox for each row execute function public.swallow()`,
  };
  for (const [name, sql] of Object.entries(swallowers))
    test(`a text that the database dropped is not answered 200: ${name}`, async () => {
      const { own, send, count, end } = await rolledBack();
      await own.owner.query(sql);
      expect(await send(newSid())).toEqual([503]);
      expect(await count()).toBe(1);
      await end();
    });
});

describe("the controller, reading evidence from route_activity,", () => {
  const now = Date.now();
  const good = { namespaceUid: "u", stream: "good", accountSid: "AC1", tokenFingerprint: "one" };
  /** Rows that were written before the table had its checks, or that got around the checks. */
  const bad: Record<string, Record<string, string>> = {
    "a list in place of the tokens": { accepted: "'[1]'" },
    "a string in place of the tokens": { accepted: `'"x"'` },
    "null in place of the tokens": { accepted: "'null'" },
    "a token's time that is a string": { accepted: `'{"one": "x"}'` },
    "a token's time that is null": { accepted: `'{"one": null}'` },
    "a token's time that no integer can hold": {
      accepted: `'{"one": 1e300}'`,
      at: "now() + interval '2 hours'",
    },
    "a time of writing in the infinite future": { at: "'infinity'", accepted: `'{"one": 1}'` },
    "a time of writing in the infinite past": { at: "'-infinity'", accepted: `'{"one": 1}'` },
    "a refusal in the infinite future": { last_refused_at: "'infinity'" },
    "a refusal in the infinite past": { last_refused_at: "'-infinity'" },
  };
  for (const [name, values] of Object.entries(bad))
    test(`skips only the row with ${name}`, async () => {
      const own = await newInbox();
      await own.owner.query("alter table smschannel.route_activity drop constraint route_activity_bounds");
      await own.owner.query(activity({ stream: "'bad'", ...values }));
      await own.owner.query(activity({ stream: "'good'", accepted: `'{"one": ${now - 1000}}'` }));
      expect(await readEvidence(own.owner, 3_600_000, Date.now())).toEqual([
        { ...good, lastAcceptedAtMs: now - 1000 },
      ]);
      await pruneEvidence(own.owner, 24 * 3_600_000);
      const { rows } = await own.owner.query(
        "select 1 from smschannel.route_activity where not isfinite(at) or at > now() + interval '1 hour'",
      );
      expect(rows).toEqual([]);
      await own.owner.end();
    });

  test("takes a token's time in the future as now", async () => {
    const own = await newInbox();
    await own.owner.query(activity({ accepted: `'{"one": ${now + 86_400_000}}'` }));
    const [seen] = await readEvidence(own.owner, 60_000, Date.now());
    expect(seen!.lastAcceptedAtMs).toBeLessThanOrEqual(Date.now());
    await own.owner.end();
  });

  test("takes at most 100,000 rows", async () => {
    const own = await newInbox();
    await own.owner.query(`
      insert into smschannel.route_activity (replica, namespace_uid, stream, account_sid, accepted)
      select 'r', 'u', i::text, 'AC1', '{"one": 1}' from generate_series(1, 100100) as i`);
    expect(await readEvidence(own.owner, 60_000, Date.now())).toHaveLength(100_000);
    await own.owner.end();
  });
});
