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

/** Where `InboxWriter` stores rows. */
export interface InboxStore {
  /**
   * Stores all rows durably or none, and returns how many were new. Throws PostgreSQL's errors, and `NotKeptError` when the database
   * reported success although some rows are not there.
   */
  insert(rows: readonly InboxRow[]): Promise<number>;
  insertEvidence(rows: readonly EvidenceRow[]): Promise<void>;
  /** Writes a row on the connection that texts use and takes it back. Resolves when a text would be stored now. */
  probe(): Promise<void>;
  /** Gives up what is under way. The next insert connects again. */
  drop(): void;
  close(): Promise<void>;
}

export interface PostgresStoreOptions {
  /** A function is called for each new connection. */
  url: DatabaseUrl;
  /** How long a statement may take: one that is blocked must not hold its locks after its requests were answered with an error. */
  statementTimeoutMs: number;
  log: Log;
  clock?: Clock;
}

/** The server ends a statement that takes too long. When it has not said so after this much more time, the connection is dead. */
const SILENT_MS = 500;
/** How long the server may take to close a connection. One that vanished never does. */
const GOODBYE_MS = 1000;

// No conflict target and no RETURNING: both need the right to select, which the receiver's role does not have. Without a target a
// conflict with any unique key counts, so the table has only the key that means "the same text".
const INSERT = `
  insert into smschannel.inbox (kind, namespace_uid, stream, route_generation, account_sid, message_sid, event,
    our_number, customer, query, body)
  select * from unnest($1::text[], $2::text[], $3::text[], $4::int8[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::bytea[])
  on conflict do nothing`;

const MISSING = "select smschannel.missing_texts($1::text[], $2::text[], $3::text[]) as position";

// Is there anything that could leave out a row that is not there yet: a unique key that is not ours, or a trigger before the insert?
// Every role may read these parts of the catalog.
const LEAVES_OUT_OTHERS = `
  select exists (select from pg_index where indrelid = 'smschannel.inbox'::regclass
        and (indisunique or indisexclusion) and indexrelid <> 'smschannel.inbox_once'::regclass)
      or exists (select from pg_trigger where tgrelid = 'smschannel.inbox'::regclass
        and not tgisinternal and tgenabled <> 'D' and tgtype & 7 = 7) -- before each row of an insert
    as others`;

// Takes the row back and commits all the same: the commit is made durable, and waits for a standby, like that of a text.
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
 * server. Evidence uses another one, so that a problem with its table, such as a lock or a missing right, holds up no text.
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
    // Fewer rows are usually Twilio's retries. But a trigger, or a unique key that somebody added, can drop a row just as silently.
    if (inserted < rows.length) await this.#throwMissing(inserted, [accountSids, messageSids, events]);
    return inserted;
  }

  /**
   * Asks which rows are missing. Called only when a statement added fewer rows than it was given. A rollback to a version without
   * this
   * function takes away the right to call it while receivers of this version still run. Then the catalog must do: it says whether
   * anything but our own key can have left out a row.
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

  /** Has its own timer, since no writer watches over this connection, and `stop` waits for the last rows. */
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

  /** Connects now, so that the first text need not wait for it and a wrong schema is found at once. */
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

/** A connection that is made when it is first used and again after every failure. Checks the schema before anything is written. */
class StoreConnection {
  readonly #options: PostgresStoreOptions;
  #client: pg.Client | undefined;
  #connecting: Promise<pg.Client> | undefined;
  readonly #turn: HostTurn = { begin: 0 };
  /** Aborts the connecting that is under way, for `drop`. */
  #coming: AbortController | undefined;

  constructor(options: PostgresStoreOptions) {
    this.#options = options;
  }

  /** Drops the connection after an error, unless `keep` says that the connection is not to blame. */
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
      // A server that became read-only or full may not be the primary any more. The next connection may reach the new one.
      if (!keep(error) && this.#client === client) this.drop();
      throw error;
    }
  }

  /** Runs statements without values in one message. Drops the connection after any error: a transaction may be open on it. */
  async run(statements: string): Promise<pg.QueryResult[]> {
    const client = this.#client ?? (await this.connected());
    try {
      // pg returns a list for several statements, which its types do not say.
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
    // When a query is under way this destroys the socket, which rejects the query.
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
    // Only this event tells that an idle connection broke.
    const made = client;
    made.on("error", () => {
      if (this.#client === made) this.#client = undefined;
    });
    this.#client = made;
    return made;
  }
}

/** pg's types do not have it. */
const socketOf = (client: pg.Client) =>
  (client as unknown as { connection: { stream: Socket } }).connection.stream;

const RIGHTS = `
  select current_setting('fsync') as fsync,
    has_function_privilege('smschannel.missing_texts(text[], text[], text[])', 'execute') as asks,
    has_table_privilege('smschannel.inbox', 'select, update, delete, truncate, references, trigger')
      or has_any_column_privilege('smschannel.inbox', 'select, update, references')
      or has_column_privilege('smschannel.inbox', 'done_at', 'insert') as more`;

/** Prepares a new connection: settings that make an acknowledged text durable, and checks of schema and rights. */
async function prepare(client: pg.Client, statementTimeoutMs: number, log: Log) {
  // Only `off` is replaced: stricter settings of the server, such as remote_apply, stay.
  await client.query(
    `select set_config('statement_timeout', $1, false), set_config('synchronous_commit',
       case current_setting('synchronous_commit') when 'off' then 'on' else current_setting('synchronous_commit') end, false)`,
    [String(statementTimeoutMs)],
  );
  await checkSchema(client);
  const { rows } = await client.query<{ more: boolean; asks: boolean; fsync: string }>(RIGHTS);
  // Texts can be stored without it: see #throwMissing.
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

/** Throws a SchemaError that says what to do, unless the schema has what this version writes. Newer versions only add to it. */
export async function checkSchema(client: pg.ClientBase, needed = latestVersion()): Promise<void> {
  let found = 0;
  try {
    const { rows } = await client.query<{ version: number }>("select smschannel.schema_version() as version");
    found = rows[0]?.version ?? 0;
  } catch (error) {
    const { code } = error as { code?: string };
    if (isDenied(error)) throw new SchemaError(NO_RIGHTS);
    // The schema (3F000) or the function (42883) does not exist.
    if (code !== "3F000" && code !== "42883") throw error;
  }
  if (found < needed)
    throw new SchemaError(
      `the database's schema ${found === 0 ? "does not exist" : `has version ${found}`}, but version ${needed} is needed: run smschannel migrate`,
    );
}

/** The database reported success but did not keep every row. */
export class NotKeptError extends Error {
  override readonly name = "NotKeptError";
  /** How many rows were new. */
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

export class SchemaError extends Error {
  override readonly name = "SchemaError";
}

const isDenied = (error: unknown) => (error as { code?: unknown } | null)?.code === "42501";

/** Is a row to blame (SQLSTATE class 22: data, 23: constraint, 54: limits)? Then the others of the batch can still be stored. */
export function isDataError(error: unknown): boolean {
  return /^(22|23|54)/.test(String((error as { code?: unknown } | null)?.code ?? ""));
}
