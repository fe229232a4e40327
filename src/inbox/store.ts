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

/** Where a writer puts rows. */
export interface InboxStore {
  /**
   * Stores all rows durably, or none; how many were new. Throws what PostgreSQL said, and `NotKeptError` when the database
   * reported success and yet some rows are not there.
   */
  insert(rows: readonly InboxRow[]): Promise<number>;
  insertEvidence(rows: readonly EvidenceRow[]): Promise<void>;
  /** Resolves when a row would be stored now, on the connection that texts take; leaves none. */
  probe(): Promise<void>;
  /** Gives up on what is under way; the next insert connects again. */
  drop(): void;
  close(): Promise<void>;
}

export interface PostgresStoreOptions {
  /** Asked for at each new connection. */
  url: DatabaseUrl;
  /** What one statement may take, so that a blocked one does not hold its locks after its requests were refused. */
  statementTimeoutMs: number;
  log: Log;
  clock?: Clock;
}

/** How long after a statement's time the server may take to say so: then the connection is one that went silent. */
const SILENT_MS = 500;
/** How long a server may take to say goodbye: one that vanished never does. */
const GOODBYE_MS = 1000;

// No target and no RETURNING: both need the right to select, which the receiver's role does not have. Without a target every
// unique key counts, so the table has only the one that means "the same text".
const INSERT = `
  insert into smschannel.inbox (kind, namespace_uid, stream, route_generation, account_sid, message_sid, event,
    our_number, customer, query, body)
  select * from unnest($1::text[], $2::text[], $3::text[], $4::int8[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::bytea[])
  on conflict do nothing`;

const MISSING = "select smschannel.missing_texts($1::text[], $2::text[], $3::text[]) as position";

// Is there anything that makes the table leave out a row that is not there yet: a key that is not ours, or a trigger before the
// insert? Every role may read this of the catalog.
const LEAVES_OUT_OTHERS = `
  select exists (select from pg_index where indrelid = 'smschannel.inbox'::regclass
        and (indisunique or indisexclusion) and indexrelid <> 'smschannel.inbox_once'::regclass)
      or exists (select from pg_trigger where tgrelid = 'smschannel.inbox'::regclass
        and not tgisinternal and tgenabled <> 'D' and tgtype & 7 = 7) -- before each row of an insert
    as others`;

// The row is taken back, and then there is a commit all the same: it is made durable, and waits for a standby, as a text's is.
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
 * The inbox on PostgreSQL through one connection: batches follow each other anyway, and one backend is the least work for
 * the server. What the replica saw of its routes goes through another one, so that whatever is wrong with that table, a lock
 * or a missing right, holds up no text.
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
    // A trigger, or a unique key that somebody added, can swallow a row as silently as a text that is there already.
    if (inserted < rows.length) await this.#throwMissing(inserted, [accountSids, messageSids, events]);
    return inserted;
  }

  /**
   * Asked only when a statement added fewer rows than it was given, as at a retry of Twilio's. A rollback to a version that does
   * not know the question takes away the right to ask it, while receivers of this version still serve. Then the catalog
   * tells whether a row that was left out can be anything but a text that is there already.
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

  /** Nobody else watches over this connection; and whoever stops waits for its last rows. */
  async insertEvidence(rows: readonly EvidenceRow[]): Promise<void> {
    const { clock = systemClock, statementTimeoutMs } = this.#options;
    const cancel = clock.after(statementTimeoutMs + SILENT_MS, () => this.#evidence.drop());
    try {
      const { rowCount } = await this.#evidence.query("activity", INSERT_EVIDENCE, [
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

  /** Connects now, so that the first text does not pay for it and a wrong schema is known at once. */
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

/** Connects when first used and after every failure, and before the first row makes sure that the schema fits. */
class StoreConnection {
  readonly #options: PostgresStoreOptions;
  #client: pg.Client | undefined;
  #connecting: Promise<pg.Client> | undefined;
  readonly #turn: HostTurn = { begin: 0 };
  /** Ends what is connecting, for `drop`. */
  #coming: AbortController | undefined;

  constructor(options: PostgresStoreOptions) {
    this.#options = options;
  }

  /** Connects anew after a failure, unless `keep` says that it is none of the connection's. */
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
      // A server that turned read-only or full may be one that lost its role: the next connection may find the new one.
      if (!keep(error) && this.#client === client) this.drop();
      throw error;
    }
  }

  /** Statements without values, in one message. After a failure the connection is another one: this one is left in the middle. */
  async run(statements: string): Promise<pg.QueryResult[]> {
    const client = this.#client ?? (await this.connected());
    try {
      // pg gives a list where there are several, which its types do not say.
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
    // Destroys the socket when a query is under way, which rejects that query.
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
    // A connection that breaks while nothing is asked says so only here.
    const made = client;
    made.on("error", () => {
      if (this.#client === made) this.#client = undefined;
    });
    this.#client = made;
    return made;
  }
}

/** pg's types leave it out. */
const socketOf = (client: pg.Client) =>
  (client as unknown as { connection: { stream: Socket } }).connection.stream;

const RIGHTS = `
  select current_setting('fsync') as fsync,
    has_function_privilege('smschannel.missing_texts(text[], text[], text[])', 'execute') as asks,
    has_table_privilege('smschannel.inbox', 'select, update, delete, truncate, references, trigger')
      or has_any_column_privilege('smschannel.inbox', 'select, update, references')
      or has_column_privilege('smschannel.inbox', 'done_at', 'insert') as more`;

/** What makes an answered text durable, and what a receiver must know before its first row. */
async function prepare(client: pg.Client, statementTimeoutMs: number, log: Log) {
  // A stricter setting of the server (remote_apply) is left alone.
  await client.query(
    `select set_config('statement_timeout', $1, false), set_config('synchronous_commit',
       case current_setting('synchronous_commit') when 'off' then 'on' else current_setting('synchronous_commit') end, false)`,
    [String(statementTimeoutMs)],
  );
  await checkSchema(client);
  const { rows } = await client.query<{ more: boolean; asks: boolean; fsync: string }>(RIGHTS);
  // No reason to take no texts: see #throwMissing.
  if (rows[0]?.asks === false)
    log.warn(
      "the receiver's database role may not ask which texts are there (missing_texts): run smschannel migrate --receiver-role with its name",
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

/** Throws a sentence for a person unless the schema has what this version writes. Later versions only add to it. */
export async function checkSchema(client: pg.ClientBase, needed = latestVersion()): Promise<void> {
  let found = 0;
  try {
    const { rows } = await client.query<{ version: number }>("select smschannel.schema_version() as version");
    found = rows[0]?.version ?? 0;
  } catch (error) {
    const { code } = error as { code?: string };
    if (isDenied(error)) throw new SchemaError(NO_RIGHTS);
    // Neither the schema nor the function is there.
    if (code !== "3F000" && code !== "42883") throw error;
  }
  if (found < needed)
    throw new SchemaError(
      `the database's schema is ${found === 0 ? "not there" : `version ${found}`}, version ${needed} is needed: run smschannel migrate`,
    );
}

/** The database reported success and did not keep every row. */
export class NotKeptError extends Error {
  override readonly name = "NotKeptError";
  /** How many rows were added. */
  readonly inserted: number;
  /** Places of the rows that are not there among those that were given. */
  readonly missing: readonly number[];

  constructor(inserted: number, missing: readonly number[] = []) {
    super(
      "the database reported success and did not keep every row: look for a trigger, or a unique key that is not ours",
    );
    this.inserted = inserted;
    this.missing = missing;
  }
}

export class SchemaError extends Error {
  override readonly name = "SchemaError";
}

const isDenied = (error: unknown) => (error as { code?: unknown } | null)?.code === "42501";

/** Is it the rows' fault (SQLSTATE 22: data, 23: constraint, 54: limits)? Then others of the batch can still be stored. */
export function isDataError(error: unknown): boolean {
  return /^(22|23|54)/.test(String((error as { code?: unknown } | null)?.code ?? ""));
}
