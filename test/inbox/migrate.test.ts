import { randomBytes } from "node:crypto";
import { type AddressInfo, connect, createServer } from "node:net";
import pg from "pg";
import { describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { pruneEvidence, readEvidence } from "../../src/inbox/evidence.ts";
import { type Migration, migrate, readMigrations } from "../../src/inbox/migrate.ts";
import { checkSchema, PostgresStore } from "../../src/inbox/store.ts";
import { createLog, silentLog } from "../../src/log.ts";
import { newInbox } from "../receiver/harness.ts";
import { newDatabase } from "../support/database.ts";

const options = { waitMs: 10_000, log: silentLog, clock: systemClock };

async function connected<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

test("eight migrations that run at the same time create the schema only once", async () => {
  const url = await newDatabase();
  const role = { name: `receiver_${randomBytes(4).toString("hex")}`, password: "x" };
  const runs = Array.from({ length: 8 }, () =>
    migrate({ ...options, url, roles: { receiver: role, create: true } }),
  );
  const versions = (await Promise.all(runs)).map(({ version }) => version);
  expect(new Set(versions)).toEqual(new Set([readMigrations().at(-1)!.version]));
  await connected(url, async (client) => {
    const { rows } = await client.query("select version from smschannel.migrations order by version");
    expect(rows.map(({ version }) => version)).toEqual(readMigrations().map(({ version }) => version));
  });
});

test("a migration that was edited after it was applied is refused, and the next migration is not applied", async () => {
  const url = await newDatabase();
  await migrate({ ...options, url });
  const edited: Migration[] = [
    ...readMigrations().map((migration) => ({ ...migration, sql: `${migration.sql} ` })),
    { version: 9000, name: "next", sql: "create table smschannel.next (id integer)" },
  ];
  await expect(migrate({ ...options, url, migrations: edited })).rejects.toThrow(
    /was changed after it was applied/,
  );
  await connected(url, async (client) => {
    const { rows } = await client.query("select to_regclass('smschannel.next') as found");
    expect(rows[0].found).toBeNull();
  });
});

test("a migration that fails half way leaves nothing behind", async () => {
  const url = await newDatabase();
  const broken = {
    version: 9000,
    name: "broken",
    sql: "create table smschannel.half (id integer); select 1 / 0",
  };
  await expect(migrate({ ...options, url, migrations: [...readMigrations(), broken] })).rejects.toThrow();
  await connected(url, async (client) => {
    const { rows } = await client.query("select to_regnamespace('smschannel') as found");
    expect(rows[0].found).toBeNull();
  });
});

test("a newer schema stays as it is, and an older program still works with it", async () => {
  const url = await newDatabase();
  const newer = { version: 9000, name: "newer", sql: "create table smschannel.newer (id integer)" };
  await migrate({ ...options, url, migrations: [...readMigrations(), newer] });
  expect(await migrate({ ...options, url })).toEqual({ version: 9000 });
  await connected(url, (client) => checkSchema(client));
});

/** Makes a log that keeps all lines. `heard` resolves at the first line with the given text. */
function listening(text: string) {
  const lines: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const write = (line: string) => {
    lines.push(line);
    if (line.includes(text)) resolve();
  };
  return {
    log: createLog({ level: "info", process: "test", destination: { write } }),
    heard: promise,
    lines,
  };
}

describe("a session that holds a lock", () => {
  /** Makes a database of the first version, in which a receiver has not ended its transaction. */
  async function held() {
    const url = await newDatabase();
    await migrate({ ...options, url, migrations: readMigrations().slice(0, 1) });
    const holder = new pg.Client({ connectionString: url });
    await holder.connect();
    await holder.query("begin; lock table smschannel.inbox in row exclusive mode");
    return { url, holder };
  }

  test("on the inbox table makes the migration wait, but texts are still stored", async () => {
    const { url, holder } = await held();
    const { log, heard } = listening("waiting for a lock");
    const migrated = migrate({ ...options, url, log });
    await connected(url, async (client) => {
      const insert = `insert into smschannel.inbox (kind, namespace_uid, stream, route_generation, account_sid, message_sid, event, body)
        values ('inbound', '', '', 0, 'AC', gen_random_uuid(), '', '')`;
      await client.query("set statement_timeout = '3s'");
      let waiting = true;
      void heard.then(() => {
        waiting = false;
      });
      // Inserts texts before, while and after the migration tries to get its lock.
      while (waiting) await client.query(insert);
      await client.query(insert);
    });
    await holder.query("commit");
    expect(await migrated).toEqual({ version: readMigrations().at(-1)!.version });
    await holder.end();
  });

  test("on the inbox table for too long is named in the error of the migration", async () => {
    const { url, holder } = await held();
    const name = new URL(url).username;
    await expect(migrate({ ...options, url, waitMs: 0 })).rejects.toThrow(
      new RegExp(`^the schema is locked by ${name} \\(process \\d+\\)$`),
    );
    await holder.end();
  });

  test("that is an advisory lock, which every role can take, does not hold up a migration", async () => {
    const { receiverUrl, ownerUrl, owner } = await newInbox();
    await connected(receiverUrl, async (client) => {
      // Earlier versions of the migration took this advisory lock.
      await client.query("select pg_advisory_lock(1936552803, 1)");
      await migrate({ ...options, url: ownerUrl, waitMs: 0 });
    });
    await owner.end();
  });
});

test("a migration waits for a database that does not answer yet", async () => {
  const url = new URL(await newDatabase());
  const target = { host: url.hostname, port: Number(url.port) };
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  url.port = String(port);
  url.hostname = "127.0.0.1";
  await expect(migrate({ ...options, url: url.href, waitMs: 300 })).rejects.toThrow("does not answer");
  const waiting = migrate({ ...options, url: url.href, waitMs: 20_000 });
  const proxy = createServer((socket) => {
    const upstream = connect(target.port, target.host);
    socket.pipe(upstream).pipe(socket);
    for (const end of [socket, upstream]) end.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => proxy.listen(port, "127.0.0.1", resolve));
  expect((await waiting).version).toBeGreaterThan(0);
  proxy.close();
});

test("the error for a role that does not exist says to use --create-roles", async () => {
  const url = await newDatabase();
  const roles = { receiver: { name: "nobody-made-this" } };
  await expect(migrate({ ...options, url, roles })).rejects.toThrow("--create-roles");
});

test("an owner of the schema that is also the receiver's role keeps its rights and can migrate again", async () => {
  const admin = await newDatabase();
  const owner = `owner_${randomBytes(5).toString("hex")}`;
  const url = new URL(admin);
  await connected(admin, async (client) => {
    await client.query(`create role "${owner}" login password 'x'`);
    await client.query(`grant create on database "${url.pathname.slice(1)}" to "${owner}"`);
  });
  [url.username, url.password] = [owner, "x"];
  const lines: string[] = [];
  const log = createLog({
    level: "warn",
    process: "test",
    destination: { write: (line) => void lines.push(line) },
  });
  const roles = { receiver: { name: owner } };
  for (let i = 0; i < 2; i++) await migrate({ ...options, log, url: url.href, roles });
  expect(lines.filter((line) => line.includes("give the process a role of its own"))).toHaveLength(2);
  await connected(url.href, (client) => checkSchema(client));
});

test("the receiver's role can insert rows, and cannot read, change, delete, lock, create or drop anything", async () => {
  const { receiverUrl, owner, ownerUrl, role } = await newInbox();
  // The next migration takes away rights that were granted by hand.
  await owner.query(`grant select on smschannel.inbox to "${role}"`);
  await migrate({ ...options, url: ownerUrl, roles: { receiver: { name: role } } });
  const denied: Record<string, string> = {
    "read the inbox": "select 1 from smschannel.inbox",
    "read by returning":
      "insert into smschannel.route_activity (replica, namespace_uid, stream, account_sid, accepted) values ('','','','','{}') returning at",
    "learn what is there by a conflict":
      "insert into smschannel.inbox (account_sid) values ('') on conflict (account_sid, message_sid, event) do nothing",
    "change the inbox": "update smschannel.inbox set done_at = now()",
    "delete from the inbox": "delete from smschannel.inbox",
    "empty the inbox": "truncate smschannel.inbox",
    "read the evidence": "select 1 from smschannel.route_activity",
    "read the migrations": "select 1 from smschannel.migrations",
    "lock others out": "do $$ begin lock table smschannel.inbox in access exclusive mode; end $$",
    "create something": "create table smschannel.mine (id integer)",
    "drop something": "drop table smschannel.inbox",
  };
  await connected(receiverUrl, async (client) => {
    for (const [name, sql] of Object.entries(denied)) {
      const refused = await client.query(sql).then(
        () => "allowed",
        (error: { code: string }) => error.code,
      );
      expect([name, refused]).toEqual([name, "42501"]);
    }
    await checkSchema(client);
  });
  await owner.end();
});

test("the store's error says which schema version or right is missing", async () => {
  const { ownerUrl, receiverUrl, owner, role } = await newInbox();
  await connected(await newDatabase(), (client) =>
    expect(checkSchema(client)).rejects.toThrow(
      /does not exist, but version \d+ is needed: run smschannel migrate/,
    ),
  );
  await connected(ownerUrl, (client) =>
    expect(checkSchema(client, 9000)).rejects.toThrow(/has version \d+, but version 9000 is needed/),
  );
  await owner.query(`revoke all on schema smschannel from "${role}"`);
  const store = new PostgresStore({ url: receiverUrl, statementTimeoutMs: 1000, log: silentLog });
  await expect(store.connect()).rejects.toThrow("--receiver-role");
  await store.close();
  await owner.end();
});

test("the controller reads the newest evidence of each token from all replicas, and deletes old evidence", async () => {
  const { receiverUrl, owner } = await newInbox();
  const store = new PostgresStore({ url: receiverUrl, statementTimeoutMs: 1000, log: silentLog });
  const route = { namespaceUid: "u", stream: "s", accountSid: "AC1" };
  const now = Date.now();
  await store.insertEvidence([
    { ...route, replica: "1", accepted: { one: now - 5000, two: now - 9000 } },
    {
      ...route,
      replica: "2",
      accepted: { one: now - 1000 },
      lastRefusedAtMs: now - 3000,
      refusedReason: "mismatch",
    },
    { ...route, replica: "2", accepted: {}, lastRefusedAtMs: now - 8000, refusedReason: "account" },
  ]);
  const seen = await readEvidence(owner, 60_000, Date.now());
  expect(seen.toSorted((a, b) => (a.tokenFingerprint < b.tokenFingerprint ? -1 : 1))).toEqual([
    { ...route, tokenFingerprint: "", lastRefusedAtMs: now - 3000, reason: "mismatch" },
    { ...route, tokenFingerprint: "one", lastAcceptedAtMs: now - 1000 },
    { ...route, tokenFingerprint: "two", lastAcceptedAtMs: now - 9000 },
  ]);
  await owner.query("update smschannel.route_activity set at = now() - interval '1 day' where replica = '1'");
  expect(await pruneEvidence(owner, 3_600_000)).toBe(1);
  await store.close();
  await owner.end();
});
