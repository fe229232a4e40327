import { readFile } from "node:fs/promises";
import type { ConnectionOptions } from "node:tls";
import pg from "pg";
import { orAborted } from "../aborted.ts";
import { currentUrl, type DatabaseUrl } from "./database-url.ts";
import { DatabaseUrlError } from "./database-url-error.ts";
import { type DatabaseTarget, parseDatabaseUrl } from "./parse-database-url.ts";

export interface ConnectOptions {
  /** For each host, unless the URL has a shorter `connect_timeout`. */
  readonly timeoutMs: number;
  /** Shown in `pg_stat_activity`, unless the URL has an `application_name`. */
  readonly applicationName: string;
  /** For each query on the connection. */
  readonly queryTimeoutMs?: number;
  /** For callers that try again and again, and may abort a try before every host was tried. */
  readonly turn?: HostTurn;
}

/**
 * At which host the next try begins: at the first, or after the host at which the last try was aborted. Without it, hosts that do not
 * answer would use up the time of every try, and the hosts after them would never be reached.
 */
export interface HostTurn {
  begin: number;
}

/**
 * Connects to the database of `url` as libpq would: tries the hosts in their order (from `turn` on) until one accepts us, with or
 * without TLS as `sslmode` says. Throws the error of the last host. When the connection breaks later, only its next query tells. When
 * `signal` aborts first, ends what is under way.
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
      // About role, password and database the next host would say the same.
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

/** What to try in this order: TLS with these options, or no TLS (false). PostgreSQL's sockets never speak TLS, whatever the mode. */
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
      // As in libpq: with sslrootcert, `require` means the same as `verify-ca`.
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
  // A broken connection emits an error event; without a listener that would end the process.
  client.on("error", () => undefined);
  const end = () => void client.end().catch(() => undefined);
  signal?.addEventListener("abort", end, { once: true });
  try {
    // pg never settles this promise when `end` is called meanwhile and the server closes the connection in order.
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

/** This host is not what `target_session_attrs` asks for; another one may be. */
class NotWantedError extends Error {
  override readonly name = "NotWantedError";
  readonly code = "25006";
  constructor(session: string) {
    super(`no host is a ${session} server, as target_session_attrs=${session} demands`);
  }
}

/** Is this an error that every host would answer with? Not while a server is starting (57P03): another host may be up. */
function isOfServer(error: unknown): boolean {
  const { code, severity } = error as { code?: string; severity?: string };
  return severity !== undefined && code !== "57P03";
}

/** May it work with TLS instead of without, or the other way round? `pg_hba.conf` can demand or forbid TLS (28000). */
function isOfEncryption(error: unknown): boolean {
  const { code, message } = error as { code?: string; message: string };
  return (
    code === "28000" || /does not support SSL|establishing an SSL connection/.test(message) || isOfTls(code)
  );
}

const isOfTls = (code: string | undefined) => code === "EPROTO" || /^ERR_(SSL|TLS|OSSL)/.test(code ?? "");

/** Read for each connection, because certificates are renewed. */
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

/** Leaves out undefined values: pg and node:tls treat an undefined option differently from one that is absent. */
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
