import type { Socket } from "node:net";
import type pg from "pg";
import { type Clock, systemClock } from "../clock.ts";
import type { Log } from "../log.ts";
import { byteaArray, int8Array, textArray } from "./arrays.ts";
import { connect, type HostTurn } from "./connect.ts";
import type { DatabaseUrl } from "./database-url.ts";
import type { EvidenceRow } from "./evidence.ts";
import { latestVersion } from "./migrate.ts";
import type { InboxRow } from "./rows.ts";

/** The store into which `InboxWriter` writes rows. */
export interface InboxStore {
  /**
   * Stores either all rows durably or none, and returns how many rows were new. Throws errors of PostgreSQL, and `NotKeptError` when the
   * database reported success although some rows are not there.
   */
  insert(rows: readonly InboxRow[]): Promise<number>;
  insertEvidence(rows: readonly EvidenceRow[]): Promise<void>;
  /** Inserts a row on the connection that texts use, and undoes the insert. Rejects when a text could not be stored now. */
  probe(): Promise<void>;
  /** Gives up the statement that is under way and drops the connection. The next insert connects again. */
  drop(): void;
  close(): Promise<void>;
}

export interface PostgresStoreOptions {
  /** The database URL. When it is a function, the function is called for each new connection. */
  url: DatabaseUrl;
  /**
   * How long a statement may take. A statement that is blocked must not hold its locks after its requests were answered with an error.
   */
  statementTimeoutMs: number;
  log: Log;
  clock?: Clock;
}

/**
 * How much longer than the statement timeout we wait for the server's answer. The server itself ends a statement that takes too long. When
 * the server is still silent after this time, the connection is dead.
 */
const SILENT_MS = 500;
/** How long the server may take to close a connection. A server that vanished never closes it. */
const GOODBYE_MS = 1000;

// The insert has no conflict target and no RETURNING: both need the right to select, which the receiver's role does not have. Without a
// target, a conflict with any unique key leaves the row out. So the table must have no unique key but the one that means "the same text".
const INSERT = `
  insert into smschannel.inbox (kind, namespace_uid, stream, route_generation, account_sid, message_sid, event,
    our_number, customer, query, body)
  select * from unnest($1::text[], $2::text[], $3::text[], $4::int8[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::bytea[])
  on conflict do nothing`;

const MISSING = "select smschannel.missing_texts($1::text[], $2::text[], $3::text[]) as position";

// Asks whether the table `inbox` has anything that could leave out a new row: a unique key that is not ours, or a trigger before the
// insert. Every role may read these parts of the catalog.
const LEAVES_OUT_OTHERS = `
  select exists (select from pg_index where indrelid = 'smschannel.inbox'::regclass
        and (indisunique or indisexclusion) and indexrelid <> 'smschannel.inbox_once'::regclass)
      or exists (select from pg_trigger where tgrelid = 'smschannel.inbox'::regclass
        and not tgisinternal and tgenabled <> 'D' and tgtype & 7 = 7) -- before each row of an insert
    as others`;

// Inserts a row, undoes the insert, and commits all the same. The commit becomes durable, and waits for a standby, just like the commit of
// a text.
const PROBE = `
  begin; savepoint row;
  insert into smschannel.inbox (kind, namespace_uid, stream, route_generation, account_sid, message_sid, event, body)
  values ('raw', '00000000-0000-0000-0000-000000000000', 'self-check', 0, 'AC${"0".repeat(32)}',
    'sha256:' || encode(sha256(gen_random_uuid()::text::bytea), 'hex'), 'inbound', '');
  rollback to savepoint row; commit`;

const INSERT_EVIDENCE = `
  insert into smschannel.route_activity (replica, namespace_uid, stream, account_sid, accepted, last_refused_at, refused_reason)
  select replica, uid, stream, account, accepted::jsonb, to_timestamp(refused / 1000.0), reason
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int8[], $7::text[])
    as row (replica, uid, stream, account, accepted, refused, reason)`;

/**
 * The inbox in PostgreSQL. Texts use one connection: batches follow each other anyway, and a single backend is the least work for the
 * server. Evidence uses another connection, so that a problem with its table, such as a lock or a missing right, holds up no text.
 */
export class PostgresStore implements InboxStore {
  readonly #options: PostgresStoreOptions;
  readonly #texts: StoreConnection;
  readonly #evidence: StoreConnection;

  constructor(options: PostgresStoreOptions) {
    this.#options = options;
    this.#texts = new StoreConnection(options);
    this.#evidence = new StoreConnection(options);
  }

  async insert(rows: readonly InboxRow[]): Promise<number> {
    const accountSids = textArray(rows.map((row) => row.accountSid));
    const messageSids = textArray(rows.map((row) => row.messageSid));
    const events = textArray(rows.map((row) => row.event));
    const { rowCount } = await this.#texts.query("inbox", INSERT, [
      textArray(rows.map((row) => row.kind)),
      textArray(rows.map((row) => row.namespaceUid)),
      textArray(rows.map((row) => row.stream)),
      int8Array(rows.map((row) => row.generation)),
      accountSids,
      messageSids,
      events,
      textArray(rows.map((row) => row.ourNumber)),
      textArray(rows.map((row) => row.customer)),
      textArray(rows.map((row) => row.query)),
      byteaArray(rows.map((row) => row.body)),
    ]);
    const inserted = rowCount ?? 0;
    // When fewer rows were inserted than were given, the others are usually retries of Twilio, which are stored already. But a trigger, or
    // a unique key that somebody added, can drop a row just as silently.
    if (inserted < rows.length) await this.#throwMissing(inserted, [accountSids, messageSids, events]);
    return inserted;
  }

  /**
   * Asks which rows are missing, and throws when there are any. It is called only when a statement added fewer rows than it was given. A
   * rollback to a version without `missing_texts` takes away the right to call that function while receivers of this version still run.
   * Then the catalog has to answer: it shows whether anything but our own key can have left out a row.
   */
  async #throwMissing(inserted: number, keys: Buffer[]): Promise<void> {
    const keep = (error: unknown) => isDataError(error) || isDenied(error);
    try {
      const { rows } = await this.#texts.query<{ position: string }>("missing", MISSING, keys, keep);
      if (rows.length > 0)
        throw new NotKeptError(
          inserted,
          rows.map(({ position }) => Number(position) - 1),
        );
    } catch (error) {
      if (!isDenied(error)) throw error;
      const { rows } = await this.#texts.query<{ others: boolean }>("others", LEAVES_OUT_OTHERS, []);
      if (rows[0]?.others !== false) throw error;
    }
  }

  /**
   * Inserts evidence with a time limit of its own: `InboxWriter` limits only the statements for texts, and the receiver waits for the last
   * evidence before it stops.
   */
  async insertEvidence(rows: readonly EvidenceRow[]): Promise<void> {
    const { clock = systemClock, statementTimeoutMs } = this.#options;
    const cancel = clock.after(statementTimeoutMs + SILENT_MS, () => this.#evidence.drop());
    try {
      const { rowCount } = await this.#evidence.query("evidence", INSERT_EVIDENCE, [
        textArray(rows.map((row) => row.replica)),
        textArray(rows.map((row) => row.namespaceUid)),
        textArray(rows.map((row) => row.stream)),
        textArray(rows.map((row) => row.accountSid)),
        textArray(rows.map((row) => JSON.stringify(row.accepted))),
        int8Array(rows.map((row) => row.lastRefusedAtMs ?? null)),
        textArray(rows.map((row) => row.refusedReason ?? null)),
      ]);
      if (rowCount !== rows.length) throw new NotKeptError(rowCount ?? 0);
    } finally {
      cancel();
    }
  }

  async probe(): Promise<void> {
    const results = await this.#texts.run(PROBE);
    const inserted = results.find(({ command }) => command === "INSERT")?.rowCount;
    if (inserted !== 1) throw new NotKeptError(0);
  }

  /** Connects before the first text comes, so that this text need not wait for a connection and a wrong schema is found early. */
  async connect(): Promise<void> {
    await this.#texts.connected();
  }

  drop(): void {
    this.#texts.drop();
  }

  async close(): Promise<void> {
    await Promise.all([this.#texts.close(), this.#evidence.close()]);
  }
}

/** A connection that is made when it is first used and again after every failure. It checks the schema before anything is written. */
class StoreConnection {
  readonly #options: PostgresStoreOptions;
  #client: pg.Client | undefined;
  #connecting: Promise<pg.Client> | undefined;
  readonly #turn: HostTurn = { begin: 0 };
  /** Lets `drop` abort a connection that is being made. */
  #coming: AbortController | undefined;

  constructor(options: PostgresStoreOptions) {
    this.#options = options;
  }

  /** Runs a prepared statement. Drops the connection after an error, unless `keep` says that the connection is not to blame. */
  async query<R extends pg.QueryResultRow>(
    name: string,
    text: string,
    values: Buffer[],
    keep: (error: unknown) => boolean = isDataError,
  ) {
    const client = this.#client ?? (await this.connected());
    try {
      return await client.query<R>({ name, text, values });
    } catch (error) {
      // The connection is dropped, because a server that became read-only or full may no longer be the primary, and the next connection may
      // reach the new primary.
      if (!keep(error) && this.#client === client) this.drop();
      throw error;
    }
  }

  /**
   * Runs several statements without values in one message. Drops the connection after any error, because a transaction may be open on it.
   */
  async run(statements: string): Promise<pg.QueryResult[]> {
    const client = this.#client ?? (await this.connected());
    try {
      // For several statements pg returns a list of results, which its types do not say.
      return (await client.query(statements)) as unknown as pg.QueryResult[];
    } catch (error) {
      if (this.#client === client) this.drop();
      throw error;
    }
  }

  drop(): void {
    const client = this.#client;
    this.#client = undefined;
    this.#coming?.abort(new Error("given up"));
    // `end` destroys the socket when a query is under way, and so rejects the query.
    client?.end().catch(() => undefined);
  }

  async close(): Promise<void> {
    const client = this.#client ?? (await this.#connecting?.catch(() => undefined));
    this.#client = undefined;
    if (client === undefined) return;
    const { clock = systemClock } = this.#options;
    const cancel = clock.after(GOODBYE_MS, () => socketOf(client).destroy());
    await client.end().catch(() => undefined);
    cancel();
  }

  connected(): Promise<pg.Client> {
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #connect(): Promise<pg.Client> {
    const { url, statementTimeoutMs, log } = this.#options;
    const coming = new AbortController();
    this.#coming = coming;
    let client: pg.Client | undefined;
    const end = () => void client?.end().catch(() => undefined);
    try {
      client = await connect(
        url,
        { timeoutMs: 2000, applicationName: "smschannel-receiver", turn: this.#turn },
        coming.signal,
      );
      coming.signal.addEventListener("abort", end, { once: true });
      await prepare(client, statementTimeoutMs, log);
      coming.signal.throwIfAborted();
    } catch (error) {
      end();
      throw error;
    } finally {
      this.#coming = undefined;
    }
    // When an idle connection breaks, the `error` event is the only sign of it.
    const made = client;
    made.on("error", () => {
      if (this.#client === made) this.#client = undefined;
    });
    this.#client = made;
    return made;
  }
}

/** The socket of a client, which the types of pg do not have. */
const socketOf = (client: pg.Client) =>
  (client as unknown as { connection: { stream: Socket } }).connection.stream;

const RIGHTS = `
  select current_setting('fsync') as fsync,
    has_function_privilege('smschannel.missing_texts(text[], text[], text[])', 'execute') as asks,
    has_table_privilege('smschannel.inbox', 'select, update, delete, truncate, references, trigger')
      or has_any_column_privilege('smschannel.inbox', 'select, update, references')
      or has_column_privilege('smschannel.inbox', 'done_at', 'insert') as more`;

/** Prepares a new connection: sets what makes an acknowledged text durable, and checks the schema and the rights. */
async function prepare(client: pg.Client, statementTimeoutMs: number, log: Log) {
  // Only the value `off` of synchronous_commit is replaced. Stricter values of the server, such as remote_apply, stay.
  await client.query(
    `select set_config('statement_timeout', $1, false), set_config('synchronous_commit',
       case current_setting('synchronous_commit') when 'off' then 'on' else current_setting('synchronous_commit') end, false)`,
    [String(statementTimeoutMs)],
  );
  await checkSchema(client);
  const { rows } = await client.query<{ more: boolean; asks: boolean; fsync: string }>(RIGHTS);
  // Texts can be stored without the right to call missing_texts (see #throwMissing), so we only log that the right is missing.
  if (rows[0]?.asks === false)
    log.warn(
      "the receiver's database role may not ask which texts are missing (missing_texts): run smschannel migrate --receiver-role with its name",
    );
  if (rows[0]?.more === true)
    log.warn(
      "the receiver's database role can do more than insert: give it a role of its own with smschannel migrate",
    );
  if (rows[0]?.fsync === "off")
    log.warn("the database runs with fsync off: an acknowledged text can be lost");
}

const NO_RIGHTS =
  "the database role lacks rights that it needs: run smschannel migrate --receiver-role with its name";

/**
 * Throws a SchemaError that says what to do, unless the schema has everything that this version writes. Newer versions of the schema only
 * add to it.
 */
export async function checkSchema(client: pg.ClientBase, needed = latestVersion()): Promise<void> {
  let found = 0;
  try {
    const { rows } = await client.query<{ version: number }>("select smschannel.schema_version() as version");
    found = rows[0]?.version ?? 0;
  } catch (error) {
    const { code } = error as { code?: string };
    if (isDenied(error)) throw new SchemaError(NO_RIGHTS);
    // The errors 3F000 and 42883 mean that the schema or the function does not exist.
    if (code !== "3F000" && code !== "42883") throw error;
  }
  if (found < needed)
    throw new SchemaError(
      `the database's schema ${found === 0 ? "does not exist" : `has version ${found}`}, but version ${needed} is needed: run smschannel migrate`,
    );
}

/** The error when the database reported success but did not keep every row. */
export class NotKeptError extends Error {
  override readonly name = "NotKeptError";
  /** Number of rows that were new. */
  readonly inserted: number;
  /** Indexes of the rows that are missing. */
  readonly missing: readonly number[];

  constructor(inserted: number, missing: readonly number[] = []) {
    super(
      "the database reported success but did not keep every row: look for a trigger, or a unique key that is not ours",
    );
    this.inserted = inserted;
    this.missing = missing;
  }
}

/** The schema is missing or too old, or the role may not use it. The message says what to do. */
export class SchemaError extends Error {
  override readonly name = "SchemaError";
}

const isDenied = (error: unknown) => (error as { code?: unknown } | null)?.code === "42501";

/**
 * True when a row of the batch caused the error (SQLSTATE class 22: data, 23: constraint, 54: limits). Then the other rows can still be
 * stored.
 */
export function isDataError(error: unknown): boolean {
  return /^(22|23|54)/.test(String((error as { code?: unknown } | null)?.code ?? ""));
}
