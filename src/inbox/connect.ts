import { readFile } from "node:fs/promises";
import type { ConnectionOptions } from "node:tls";
import pg from "pg";
import { orAborted } from "../aborted.ts";
import { currentUrl, type DatabaseUrl } from "./database-url.ts";
import { DatabaseUrlError } from "./database-url-error.ts";
import { type DatabaseTarget, parseDatabaseUrl } from "./parse-database-url.ts";

/** Options of `connect`. */
export interface ConnectOptions {
  /** How long connecting to each host may take, unless the URL has a shorter `connect_timeout`. */
  readonly timeoutMs: number;
  /** The name of this program in `pg_stat_activity`, unless the URL has an `application_name`. */
  readonly applicationName: string;
  /** How long each query on the connection may take. */
  readonly queryTimeoutMs?: number;
  /** The host to begin with, for a caller that connects again and again and may abort a try before every host was tried. */
  readonly turn?: HostTurn;
}

/**
 * The host with which the next try to connect begins: the first host, or the host after the one at which the last try was aborted.
 * Otherwise hosts that do not answer would use up the time of every try, and the hosts after them would never be reached.
 */
export interface HostTurn {
  begin: number;
}

/**
 * Connects to the database of `url` as libpq would: tries the hosts in their order (from `turn` on) until one accepts us, with or without
 * TLS as `sslmode` says. Throws the error of the last host that was tried. A connection that breaks later reports nothing by itself: its
 * next query fails. When `signal` aborts, connecting ends immediately.
 */
export async function connect(
  url: DatabaseUrl,
  options: ConnectOptions,
  signal?: AbortSignal,
): Promise<pg.Client> {
  const target = parseDatabaseUrl(await currentUrl(url));
  const files = await readFiles(target);
  const { turn = { begin: 0 } } = options;
  const { begin } = turn;
  turn.begin = 0;
  const hosts = beginningAt(begin, target.inRandomOrder ? shuffled(target.hosts) : target.hosts);
  let last: unknown;
  for (const [tried, place] of hosts.entries()) {
    try {
      return await connectTo(place, { target, files, options, signal });
    } catch (error) {
      last = error;
      if (signal?.aborted) {
        turn.begin = begin + tried + 1;
        break;
      }
      // Every host would refuse this role, password or database, so the next host is not tried.
      if (isOfServer(error)) break;
    }
  }
  throw last;
}

interface LoginContext {
  target: DatabaseTarget;
  files: ConnectionOptions;
  options: ConnectOptions;
  signal: AbortSignal | undefined;
}
type DatabaseHost = DatabaseTarget["hosts"][number];

async function connectTo(place: DatabaseHost, context: LoginContext): Promise<pg.Client> {
  const [first, second] = encryptions(place, context);
  try {
    return await login(place, first!, context);
  } catch (error) {
    if (second === undefined || context.signal?.aborted || !isOfEncryption(error)) throw error;
    return login(place, second, context);
  }
}

/**
 * The ways to connect to a host, in the order to try them: the options of TLS, or false for a connection without TLS. PostgreSQL never
 * speaks TLS on a Unix socket, whatever the `sslmode`.
 */
function encryptions({ host }: DatabaseHost, { target, files }: LoginContext): (ConnectionOptions | false)[] {
  if (host.startsWith("/")) return [false];
  const unverified = { ...files, rejectUnauthorized: false };
  const byAuthority = { ...files, checkServerIdentity: () => undefined };
  switch (target.sslmode) {
    case "disable":
      return [false];
    case "allow":
      return [false, unverified];
    case "prefer":
      return [unverified, false];
    case "require":
      // As in libpq, `require` with sslrootcert means the same as `verify-ca`.
      return [target.sslrootcert === undefined ? unverified : byAuthority];
    case "verify-ca":
      return [byAuthority];
    case "verify-full":
      return [files];
  }
}

async function login(
  { host, port }: DatabaseHost,
  ssl: ConnectionOptions | false,
  { target, options, signal }: LoginContext,
): Promise<pg.Client> {
  signal?.throwIfAborted();
  const client = new pg.Client({
    host,
    port,
    ssl,
    ...defined({ user: target.user, password: target.password, database: target.database }),
    ...defined({ options: target.options, query_timeout: options.queryTimeoutMs }),
    ...(ssl !== false && target.channelBinding ? { enableChannelBinding: true } : {}),
    ...(ssl === false ? {} : { sslnegotiation: target.sslnegotiation }),
    application_name: target.applicationName ?? options.applicationName,
    keepAlive: target.keepAlive ?? true,
    connectionTimeoutMillis: Math.min(options.timeoutMs, target.connectTimeoutMs ?? options.timeoutMs),
  });
  // A broken connection emits an error event. Without a listener, the event would end the process.
  client.on("error", () => undefined);
  const end = () => void client.end().catch(() => undefined);
  signal?.addEventListener("abort", end, { once: true });
  try {
    // While pg connects, a call of `end` and then an orderly close by the server leave the promise of `connect` pending for ever. So an
    // abort of the signal also ends the wait for the promise.
    await orAborted(client.connect(), signal);
    await orAborted(checkSession(client, target), signal);
    signal?.throwIfAborted();
    return client;
  } catch (error) {
    end();
    throw error;
  } finally {
    signal?.removeEventListener("abort", end);
  }
}

async function checkSession(client: pg.Client, { session }: DatabaseTarget): Promise<void> {
  if (session === "any") return;
  const { rows } = await client.query<{ standby: boolean; readonly: string }>(
    "select pg_is_in_recovery() as standby, current_setting('transaction_read_only') as readonly",
  );
  const { standby, readonly } = rows[0]!;
  if (standby || (session === "read-write" && readonly === "on")) throw new NotWantedError(session);
}

/** Thrown when the host is not the kind of server that `target_session_attrs` asks for. Another host may be such a server. */
class NotWantedError extends Error {
  override readonly name = "NotWantedError";
  readonly code = "25006";
  constructor(session: string) {
    super(`no host is a ${session} server, as target_session_attrs=${session} demands`);
  }
}

/**
 * True for an error that every host would answer with, such as a wrong password. False for the error of a server that is still starting
 * (57P03), because another host may be up.
 */
function isOfServer(error: unknown): boolean {
  const { code, severity } = error as { code?: string; severity?: string };
  return severity !== undefined && code !== "57P03";
}

/**
 * True when a connection with TLS failed and a connection without TLS may succeed, or the other way round. `pg_hba.conf` can demand or
 * forbid TLS (SQLSTATE 28000).
 */
function isOfEncryption(error: unknown): boolean {
  const { code, message } = error as { code?: string; message: string };
  return (
    code === "28000" || /does not support SSL|establishing an SSL connection/.test(message) || isOfTls(code)
  );
}

const isOfTls = (code: string | undefined) => code === "EPROTO" || /^ERR_(SSL|TLS|OSSL)/.test(code ?? "");

/** Reads the certificate files. They are read again for each connection, because certificates are renewed while the process runs. */
async function readFiles(target: DatabaseTarget): Promise<ConnectionOptions> {
  const { sslrootcert, sslcert, sslkey, sslpassword, tlsVersions } = target;
  const [ca, cert, key] = await Promise.all([
    readNamed("sslrootcert", sslrootcert),
    readNamed("sslcert", sslcert),
    readNamed("sslkey", sslkey),
  ]);
  return defined({
    ca,
    cert,
    key,
    passphrase: sslpassword,
    minVersion: tlsVersions.min,
    maxVersion: tlsVersions.max,
  });
}

async function readNamed(name: string, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new DatabaseUrlError(`the file ${path} of ${name} cannot be read (${code})`);
  }
}

/** Leaves out undefined values, because pg and node:tls treat an option that is undefined differently from an option that is absent. */
function defined<T extends object>(values: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}

function beginningAt<T>(index: number, list: readonly T[]): T[] {
  const first = index % list.length;
  return [...list.slice(first), ...list.slice(0, first)];
}

function shuffled<T>(list: readonly T[]): T[] {
  return list
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
