import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { assetFolder } from "../assets.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { currentUrl, type DatabaseUrl } from "./database-url.ts";
import { grantRoles, type Roles } from "./roles.ts";

export interface Migration {
  version: number;
  name: string;
  sql: string;
}

export interface MigrateOptions {
  /** The owner's URL, asked for at each attempt to connect. */
  url: DatabaseUrl;
  roles?: Roles;
  /** How long to wait for a database that does not answer yet. */
  waitMs: number;
  log: Log;
  clock: Clock;
  /** For tests: other migrations than the project's. */
  migrations?: Migration[];
}

/** Any number that nobody else uses: all runners of all releases take the same lock. */
const LOCK = [1936552803, 1];

/**
 * Brings the schema to this program's version and sets the roles' rights, all in one transaction: many runners at once do
 * it once, one that dies leaves nothing half done. A schema of a newer version is left as it is.
 */
export async function migrate(options: MigrateOptions, signal?: AbortSignal): Promise<{ version: number }> {
  const client = await connectPatiently(options, signal);
  // A lost connection also rejects the query that waits for it; without a listener it would end the process first.
  client.on("error", () => undefined);
  try {
    return await inTransaction(client, () => apply(client, options));
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The project's migrations in order of their versions. */
export function readMigrations(folder = assetFolder("migrations")): Migration[] {
  return readdirSync(folder)
    .filter((file) => /^\d{4}-[a-z0-9-]+\.sql$/.test(file))
    .sort()
    .map((file) => ({
      version: Number(file.slice(0, 4)),
      name: file.slice(5, -4),
      sql: readFileSync(join(folder, file), "utf8"),
    }));
}

/** The version that this program reads and writes. */
export function latestVersion(migrations = readMigrations()): number {
  return migrations.at(-1)?.version ?? 0;
}

async function apply(client: pg.Client, { roles, log, migrations = readMigrations() }: MigrateOptions) {
  await client.query("select pg_advisory_xact_lock($1::int, $2::int)", LOCK);
  await client.query(`
    create schema if not exists smschannel;
    create table if not exists smschannel.migrations (
      version integer primary key, name text not null, sha256 text not null, applied_at timestamptz not null default now())`);
  const applied = await appliedVersions(client);
  for (const migration of migrations) {
    const before = applied.get(migration.version);
    if (before === undefined) await applyOne(client, migration, log);
    else if (before !== hashOf(migration)) throw new Error(edited(migration));
  }
  const version = Math.max(latestVersion(migrations), ...applied.keys());
  await publishVersion(client, version);
  await grantRoles(client, roles ?? {}, log);
  log.info({ version, applied: migrations.filter((m) => !applied.has(m.version)).length }, "schema is ready");
  return { version };
}

async function appliedVersions(client: pg.Client): Promise<Map<number, string>> {
  const { rows } = await client.query<{ version: number; sha256: string }>(
    "select version, sha256 from smschannel.migrations",
  );
  return new Map(rows.map(({ version, sha256 }) => [version, sha256]));
}

async function applyOne(client: pg.Client, migration: Migration, log: Log) {
  log.info({ version: migration.version, name: migration.name }, "applying migration");
  await client.query(migration.sql);
  await client.query("insert into smschannel.migrations (version, name, sha256) values ($1, $2, $3)", [
    migration.version,
    migration.name,
    hashOf(migration),
  ]);
}

/**
 * How a role that can only insert learns the schema's version: a function that reads nothing. A comment on the schema
 * would do as well, but `pg_dump --no-comments` loses it, and a table would need the right to select.
 */
async function publishVersion(client: pg.Client, version: number) {
  await client.query(
    `create or replace function smschannel.schema_version() returns integer language sql immutable parallel safe as 'select ${version}'`,
  );
  await client.query("revoke all on function smschannel.schema_version() from public");
}

const hashOf = ({ sql }: Migration) => createHash("sha256").update(sql).digest("hex");

const edited = ({ version, name }: Migration) =>
  `migration ${version} (${name}) was changed after it was applied to this database; restore the file and add a new migration`;

/** Roles belong to the whole server, which the lock does not cover: two databases that create the same one at once collide. */
const COLLIDED = new Set(["23505", "42710", "40001", "40P01"]);

async function inTransaction<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    await client.query("begin");
    try {
      const result = await work();
      await client.query("commit");
      return result;
    } catch (error) {
      await client.query("rollback").catch(() => undefined);
      if (attempt >= 5 || !COLLIDED.has(String((error as { code?: unknown }).code))) throw error;
    }
  }
}

/** Tries until the database answers or the wait is over; whatever is wrong may be a database that is only being made. */
async function connectPatiently({ url, waitMs, log, clock }: MigrateOptions, signal?: AbortSignal) {
  const until = clock.monotonic() + waitMs;
  for (let pauseMs = 250; ; pauseMs = Math.min(2 * pauseMs, 5000)) {
    signal?.throwIfAborted();
    let client: pg.Client | undefined;
    try {
      client = new pg.Client({ connectionString: await currentUrl(url), connectionTimeoutMillis: 5000 });
      client.on("error", () => undefined);
      await client.connect();
      return client;
    } catch (error) {
      await client?.end().catch(() => undefined);
      const leftMs = until - clock.monotonic();
      if (leftMs <= 0) throw new Error("the database does not answer", { cause: error });
      const { code, message } = error as { code?: string; message: string };
      log.info({ code, problem: message, leftSeconds: Math.ceil(leftMs / 1000) }, "waiting for the database");
      await clock.sleep(Math.min(pauseMs, leftMs), signal);
    }
  }
}
