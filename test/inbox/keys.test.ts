import pg from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { migrate, readMigrations } from "../../src/inbox/migrate.ts";
import type { InboxRow } from "../../src/inbox/rows.ts";
import { NotKeptError, PostgresStore } from "../../src/inbox/store.ts";
import { isStored } from "../../src/inbox/stored.ts";
import { silentLog } from "../../src/log.ts";
import {
  ACCOUNT,
  metric,
  newInbox,
  newSid,
  post,
  routeFor,
  signedPost,
  startReceiver,
  textFields,
} from "../receiver/harness.ts";
import { newDatabase } from "../support/database.ts";

// These tests prove that the insert with `on conflict do nothing` leaves out only texts that are stored already.

let inbox: Awaited<ReturnType<typeof newInbox>>;
let store: PostgresStore;

beforeEach(async () => {
  inbox = await newInbox();
  store = storeAt(inbox.receiverUrl);
});
afterEach(async () => {
  await store.close();
  await inbox.owner.end();
});

const storeAt = (url: string) => new PostgresStore({ url, statementTimeoutMs: 3000, log: silentLog });

const row = (messageSid = newSid(), more: Partial<InboxRow> = {}): InboxRow => ({
  kind: "inbound",
  namespaceUid: "u",
  stream: "s",
  generation: 1,
  accountSid: ACCOUNT,
  messageSid,
  event: "",
  ourNumber: "15005550006",
  customer: "15555550100",
  query: null,
  body: Buffer.from("Body=x"),
  signature: messageSid,
  ...more,
});

const rows = (count: number) => Array.from({ length: count }, () => row());

async function countRows(owner: pg.Client): Promise<number> {
  return (await owner.query("select count(*)::int as count from smschannel.inbox")).rows[0].count;
}

describe("texts are stored whatever happened to the ids", () => {
  const troubles: Record<string, string> = {
    "the sequence of ids is behind the rows, as after a failover by logical replication":
      "select setval(pg_get_serial_sequence('smschannel.inbox', 'id'), 1, false)",
    "somebody took the ids that come next": `insert into smschannel.inbox (id, kind, namespace_uid, stream, route_generation, account_sid, message_sid, event, body)
       overriding system value select 50 + i, 'inbound', '', '', 0, 'AC', i::text, '', '' from generate_series(1, 50) as i`,
    "the table was emptied and its sequence restarted": "truncate smschannel.inbox restart identity",
  };
  for (const [name, sql] of Object.entries(troubles))
    test(name, async () => {
      await store.insert(rows(50));
      await inbox.owner.query(sql);
      const before = await countRows(inbox.owner);
      const later = rows(50);
      expect(await store.insert(later)).toBe(50);
      expect(await countRows(inbox.owner)).toBe(before + 50);
      // A text that is sent again gets no new row, whatever the id of the row that it has.
      expect(await store.insert(later)).toBe(0);
    });

  test("and the same text twice in one batch, or again in the next batch, causes no error", async () => {
    const [one, other] = [row(), row()];
    expect(await store.insert([one, one])).toBe(1);
    expect(await store.insert([one, other, other])).toBe(1);
  });

  test("because no unique key contains the id: the only unique key identifies a text, and logical replication uses it", async () => {
    const { rows: keys } = await inbox.owner.query(
      `select (select relname from pg_class where oid = indexrelid) as key, indisreplident as replicates from pg_index
       where indrelid = 'smschannel.inbox'::regclass and (indisunique or indisexclusion)`,
    );
    expect(keys).toEqual([{ key: "inbox_once", replicates: true }]);
  });
});

describe("a row that the database drops although it is not stored yet is an error", () => {
  const swallowers: Record<string, string> = {
    "a unique key that somebody added": "create unique index mine on smschannel.inbox (customer)",
    "a trigger that returns nothing": `
      create function public.swallow() returns trigger language plpgsql as
        $$ begin if new.customer = '15555550100' then return null; end if; return new; end $$;
      create trigger swallow before insert on smschannel.inbox for each row execute function public.swallow()`,
    "an exclusion constraint that somebody added":
      "alter table smschannel.inbox add constraint mine exclude using btree (customer with =)",
  };
  for (const [name, sql] of Object.entries(swallowers)) {
    test(`${name}: the store says which texts are missing`, async () => {
      const known = row();
      await store.insert([known]);
      await inbox.owner.query(sql);
      const refused = store.insert([known, row(), row(newSid(), { customer: "other" })]);
      await expect(refused).rejects.toBeInstanceOf(NotKeptError);
      await expect(refused).rejects.toMatchObject({ inserted: 1, missing: [1] });
    });

    test(`${name}: the dropped text gets 503 and is stored after a repair, and other texts are stored immediately`, async () => {
      await store.insert([row()]);
      await inbox.owner.query(sql);
      const running = await startReceiver({ url: inbox.receiverUrl, routes: [await routeFor()] });
      const text = (From: string) => signedPost(textFields({ From }));
      const swallowed = text("+15555550100");
      const answers = await Promise.all(
        [swallowed, text("+15555550101"), text("+15555550102")].map((request) => post(running.port, request)),
      );
      expect(answers.map(({ status }) => status)).toEqual([503, 200, 200]);
      expect(await metric(running.metrics, "smschannel_inbound_total", { result: "notKept" })).toBe(1);
      expect(await metric(running.metrics, "smschannel_inbound_total", { result: "stored" })).toBe(2);
      expect(await metric(running.metrics, "smschannel_inbound_duplicates_total")).toBe(0);
      await inbox.owner.query(
        name.includes("trigger")
          ? "drop trigger swallow on smschannel.inbox"
          : name.includes("exclusion")
            ? "alter table smschannel.inbox drop constraint mine"
            : "drop index smschannel.mine",
      );
      expect((await post(running.port, swallowed)).status).toBe(200);
      await running.stop();
    });
  }

  test("smschannel test-text reports that a text is not stored when a trigger dropped it", async () => {
    const messageSid = newSid();
    const look = () => isStored(inbox.receiverUrl, { accountSid: ACCOUNT, messageSid });
    await inbox.owner.query(`
      create function public.swallow() returns trigger language plpgsql as $$ begin return null; end $$;
      create trigger swallow before insert on smschannel.inbox for each row execute function public.swallow()`);
    expect(await look()).toBe(false);
    await inbox.owner.query("drop trigger swallow on smschannel.inbox");
    await store.insert([row(messageSid)]);
    expect(await look()).toBe(true);
    expect(await countRows(inbox.owner)).toBe(1);
  });

  test("the store reports an error for evidence that a trigger dropped", async () => {
    await inbox.owner.query(`
      create function public.swallow() returns trigger language plpgsql as $$ begin return null; end $$;
      create trigger swallow before insert on smschannel.route_activity for each row execute function public.swallow()`);
    const seen = { replica: "r", namespaceUid: "u", stream: "s", accountSid: ACCOUNT, accepted: {} };
    await expect(store.insertEvidence([seen])).rejects.toBeInstanceOf(NotKeptError);
  });
});

describe("a migration of a database in use", () => {
  const options = { waitMs: 10_000, log: silentLog, clock: systemClock };

  test("gives new texts higher ids than waiting texts, also when the sequence of ids was behind", async () => {
    const url = await newDatabase();
    await migrate({ ...options, url });
    const owner = new pg.Client({ connectionString: url });
    await owner.connect();
    const filled = storeAt(url);
    await filled.insert(rows(20));
    await owner.query("select setval(pg_get_serial_sequence('smschannel.inbox', 'id'), 1, false)");
    await migrate({ ...options, url });
    await filled.insert([row("SMlast")]);
    const { rows: last } = await owner.query(
      "select message_sid from smschannel.inbox order by id desc limit 1",
    );
    expect(last).toEqual([{ message_sid: "SMlast" }]);
    await Promise.all([filled.close(), owner.end()]);
  });

  /** The insert statement of a receiver of version 1. */
  const OLD_INSERT = {
    name: "inbox",
    text: `insert into smschannel.inbox (kind, namespace_uid, stream, route_generation, account_sid, message_sid, event, body)
           values ('inbound', '', '', 0, 'AC', $1, '', '') on conflict do nothing`,
  };

  test("that starts at the schema's first version lets a receiver of that version go on inserting", async () => {
    const url = await newDatabase();
    const first = readMigrations().slice(0, 1);
    await migrate({ ...options, url, migrations: first });
    const owner = new pg.Client({ connectionString: url });
    await owner.connect();
    // These rights are granted by hand, to a role that no later migration names.
    await owner.query(`grant usage on schema smschannel to "${inbox.role}"`);
    await owner.query(`grant execute on function smschannel.schema_version() to "${inbox.role}"`);
    await owner.query(`grant insert on smschannel.inbox, smschannel.route_activity to "${inbox.role}"`);
    const receiverUrl = new URL(url);
    [receiverUrl.username, receiverUrl.password] = [inbox.role, "inbox"];
    const old = new pg.Client({ connectionString: receiverUrl.href });
    await old.connect();
    await old.query({ ...OLD_INSERT, values: ["1"] });
    await migrate({ ...options, url });
    for (const sid of ["2", "2", "3"]) await old.query({ ...OLD_INSERT, values: [sid] });
    expect(await countRows(owner)).toBe(3);
    const now = storeAt(receiverUrl.href);
    const text = row();
    expect([await now.insert([text, row()]), await now.insert([text])]).toEqual([2, 0]);
    await Promise.all([now.close(), old.end(), owner.end()]);
  });
});
