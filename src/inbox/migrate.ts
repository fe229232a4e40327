import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type pg from "pg";
import { assetFolder } from "../assets.ts";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { connect } from "./connect.ts";
import type { DatabaseUrl } from "./database-url.ts";
import { grantRoles, type Roles } from "./roles.ts";
import { troubleOf } from "./trouble.ts";

/** One step of the schema. `sql` must never change after a release: its hash is stored in each database and compared at each migration. */
export interface Migration {
  version: number;
  name: string;
  sql: string;
}

export interface MigrateOptions {
  /** The URL of the schema's owner. When it is a function, the function is called for each try to connect. */
  url: DatabaseUrl;
  roles?: Roles;
  /** How long to wait for a database that does not answer yet. */
  waitMs: number;
  log: Log;
  clock: Clock;
  /** Migrations that replace the migrations of the project, for tests. */
  migrations?: Migration[];
}

/**
 * How long a statement of the migration waits for a lock. While it waits, every text waits behind it, and a text has only 3 s. So the
 * statement gives up early, lets the texts through, and tries again.
 */
const LOCK_TIMEOUT_MS = 1000;
/** Pause before the next try to get the lock. During the pause, the texts that waited are stored. */
const LOCK_PAUSE_MS = 3000;

/**
 * Brings the schema to this program's version and sets the roles' rights in one transaction. So several runs at the same time are safe, and
 * a run that dies leaves nothing half done. The schema of a newer version is left as it is.
 */
export async function migrate(options: MigrateOptions, signal?: AbortSignal): Promise<{ version: number }> {
  const client = await connectPatiently(options, signal);
  try {
    const done = await inTransaction(client, options, signal, () => apply(client, options));
    await advanceIds(client);
    return done;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Reads the migrations of this project, ordered by version. */
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

/** The schema version that this program needs. */
export function latestVersion(migrations = readMigrations()): number {
  return migrations.at(-1)?.version ?? 0;
}

async function apply(client: pg.Client, { roles, log, migrations = readMigrations() }: MigrateOptions) {
  await client.query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
  await client.query(`
    create schema if not exists smschannel;
    create table if not exists smschannel.migrations (
      version integer primary key, name text not null, sha256 text not null, applied_at timestamptz not null default now())`);
  // This table lock lets one migration work at a time. It is not an advisory lock: every role can take an advisory lock, so a receiver that
  // was broken into could block migrations for ever.
  await client.query("lock table smschannel.migrations in share row exclusive mode");
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
 * Publishes the version as a function that reads nothing, because the receiver's role can only insert and still has to learn the version.
 * A table would need the right to select, and a comment on the schema gets lost with `pg_dump --no-comments`.
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

/**
 * Moves the sequence of ids past the existing rows. After a restore, or a failover by logical replication, the sequence can be behind the
 * rows. A new text would then get a lower id than texts that wait, and would be answered before them. The sequence is moved after the
 * transaction, because the locks of the transaction hold up texts.
 */
async function advanceIds(client: pg.Client) {
  await client.query(`
    select setval(sequence, highest)
    from pg_get_serial_sequence('smschannel.inbox', 'id') as sequence,
      (select max(id) as highest from smschannel.inbox where done_at is null) as waiting
    where highest > coalesce(pg_sequence_last_value(sequence), 0)`);
}

/**
 * The errors that arise when two migrations create the schema or a role at the same time (a role belongs to the whole server). The
 * migration that failed starts again.
 */
const COLLIDED = new Set(["23505", "42710", "42P06", "42P07", "40001", "40P01"]);
const LOCK_NOT_AVAILABLE = "55P03";

async function inTransaction<T>(
  client: pg.Client,
  { clock, log, waitMs }: MigrateOptions,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const until = clock.monotonic() + waitMs;
  for (let collisions = 0; ; ) {
    await client.query("begin");
    try {
      const result = await work();
      await client.query("commit");
      return result;
    } catch (error) {
      await client.query("rollback").catch(() => undefined);
      const { code } = error as { code?: string };
      if (code === LOCK_NOT_AVAILABLE) {
        const holders = await lockHolders(client);
        const leftMs = until - clock.monotonic();
        if (leftMs <= 0) throw new Error(`the schema is locked by ${holders}`, { cause: error });
        log.info({ holders, leftSeconds: Math.ceil(leftMs / 1000) }, "waiting for a lock");
        await clock.sleep(Math.min(LOCK_PAUSE_MS, leftMs), signal);
      } else if (!COLLIDED.has(String(code)) || ++collisions === 10) throw error;
    }
  }
}

async function lockHolders(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ holder: string }>(`
    select distinct format('%s (process %s)', usename, pid) as holder
    from pg_locks join pg_class on pg_class.oid = relation join pg_namespace on pg_namespace.oid = relnamespace
      join pg_stat_activity using (pid)
    where nspname = 'smschannel' and datname = current_database() and granted and pid <> pg_backend_pid()`);
  return rows.map(({ holder }) => holder).join(", ") || "a session that has ended meanwhile";
}

/** Tries to connect until the database answers or `waitMs` has passed. Gives up immediately on an error that waiting does not cure. */
async function connectPatiently({ url, waitMs, log, clock }: MigrateOptions, signal?: AbortSignal) {
  const until = clock.monotonic() + waitMs;
  for (let pauseMs = 250; ; pauseMs = Math.min(2 * pauseMs, 5000)) {
    signal?.throwIfAborted();
    try {
      return await connect(url, { timeoutMs: 5000, applicationName: "smschannel-migrate" }, signal);
    } catch (error) {
      signal?.throwIfAborted();
      const { code, problem, lasts } = troubleOf(error, "the owner's role");
      const leftMs = until - clock.monotonic();
      if (lasts || leftMs <= 0) throw new Error(problem, { cause: error });
      log.info({ code, problem, leftSeconds: Math.ceil(leftMs / 1000) }, "waiting for the database");
      await clock.sleep(Math.min(pauseMs, leftMs), signal);
    }
  }
}
