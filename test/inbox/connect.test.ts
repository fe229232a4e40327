import { randomBytes } from "node:crypto";
import { chmod, chown, copyFile, mkdir, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { connect } from "../../src/inbox/connect.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/inbox/embedded.ts";
import { accountFor } from "../../src/inbox/embedded-programs.ts";
import { migrate } from "../../src/inbox/migrate.ts";
import { createLog, silentLog } from "../../src/log.ts";
import { temporaryDirectory } from "../support/controlplane/directory.ts";

// These tests use a PostgreSQL server with TLS and a Unix socket, and reach it by different URLs.

const TLS = join(import.meta.dirname, "../fixtures/tls");
const AUTHORITY = join(TLS, "self-signed.crt");

let postgres: EmbeddedPostgres;
let sockets: string;
let base: string;
let login: string;
/** A port on which no server listens. */
let closed: number;

beforeAll(async () => {
  const dataDir = await temporaryDirectory("sms-connect");
  base = dataDir;
  const account = accountFor(process.getuid?.());
  const own = async (path: string) => {
    if (account !== undefined) await chown(path, account.uid, account.gid);
  };
  sockets = join(dataDir, "sockets");
  await mkdir(sockets);
  await own(sockets);
  for (const [from, mode] of [
    ["self-signed.crt", 0o644],
    ["self-signed.key", 0o600],
  ] as const) {
    await copyFile(join(TLS, from), join(dataDir, from));
    await chmod(join(dataDir, from), mode);
    await own(join(dataDir, from));
  }
  postgres = await startEmbeddedPostgres({
    dataDir,
    log: silentLog,
    settings: {
      fsync: "off",
      ssl: "on",
      ssl_cert_file: join(dataDir, "self-signed.crt"),
      ssl_key_file: join(dataDir, "self-signed.key"),
      unix_socket_directories: sockets,
    },
  });
  const { username, password } = new URL(postgres.ownerUrl);
  login = `${username}:${password}`;
  closed = await closedPort();
});
afterAll(async () => {
  await postgres.stop();
  await rm(base, { recursive: true, force: true });
});

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Connects and returns how: with TLS ("tls"), without TLS ("plain") or by a Unix socket ("socket"). */
async function reached(url: string): Promise<string> {
  const client = await connect(url, { timeoutMs: 5000, applicationName: "test" });
  try {
    const { rows } = await client.query(
      "select ssl, client_addr from pg_stat_ssl join pg_stat_activity using (pid) where pid = pg_backend_pid()",
    );
    return rows[0].client_addr === null ? "socket" : rows[0].ssl ? "tls" : "plain";
  } finally {
    await client.end();
  }
}

const at = (rest: string, place = `localhost:${postgres.port}`) => `postgres://${login}@${place}/${rest}`;

describe("connect() reaches the database as libpq does", () => {
  const rows: Record<string, [() => string, string]> = {
    "with TLS when there is no sslmode and the server has TLS": [() => at("smschannel"), "tls"],
    "without TLS if sslmode=disable": [() => at("smschannel?sslmode=disable"), "plain"],
    "without TLS if sslmode=allow": [() => at("smschannel?sslmode=allow"), "plain"],
    "with TLS if sslmode=prefer, whatever the certificate": [() => at("smschannel?sslmode=prefer"), "tls"],
    "with TLS if sslmode=require, whatever the certificate": [() => at("smschannel?sslmode=require"), "tls"],
    "with TLS if sslmode=require and the authority is given": [
      () => at(`smschannel?sslmode=require&sslrootcert=${AUTHORITY}`),
      "tls",
    ],
    "with TLS if sslmode=verify-ca, although the certificate is for another name": [
      () => at(`smschannel?sslmode=verify-ca&sslrootcert=${AUTHORITY}`, `127.0.0.1:${postgres.port}`),
      "tls",
    ],
    "with TLS if sslmode=verify-full": [
      () => at(`smschannel?sslmode=verify-full&sslrootcert=${AUTHORITY}`),
      "tls",
    ],
    "by a Unix socket": [() => at(`smschannel?host=${sockets}&port=${postgres.port}`, ""), "socket"],
    "by a Unix socket, whatever the sslmode": [
      () => at(`smschannel?host=${sockets}&port=${postgres.port}&sslmode=verify-full`, ""),
      "socket",
    ],
    "at the second host when the first refuses connections": [
      () => at("smschannel", `127.0.0.1:${closed},localhost:${postgres.port}`),
      "tls",
    ],
    "at the second host when the first does not resolve": [
      () => at("smschannel", `nowhere.invalid,localhost:${postgres.port}`).replace("d,", "d:1,"),
      "tls",
    ],
    "at a host that takes writes": [() => at("smschannel?target_session_attrs=read-write"), "tls"],
    "at a primary": [() => at("smschannel?target_session_attrs=primary"), "tls"],
    "with blanks around the URL": [() => `  ${at("smschannel")}\n`, "tls"],
  };
  for (const [name, [url, want]] of Object.entries(rows))
    test(name, async () => expect(await reached(url())).toBe(want));

  test("a password may contain every special character of URLs, some of them without encoding", async () => {
    const name = `role_${randomBytes(4).toString("hex")}`;
    const admin = new pg.Client({ connectionString: postgres.ownerUrl });
    await admin.connect();
    await admin.query(`create role ${name} login password 'p#?: +@/%x'`);
    await admin.end();
    expect(await reached(`postgres://${name}:p#?: +%40%2F%25x@localhost:${postgres.port}/smschannel`)).toBe(
      "tls",
    );
  });
});

/** Runs the migration and returns its error and its log. The migration may wait for an hour, so a test passes only if it ends at once. */
async function endOf(url: string) {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const log = createLog({ level: "trace", process: "test", destination });
  const ended = migrate({ url, waitMs: 3_600_000, log, clock: systemClock });
  const message = await ended.then(
    () => "migrated",
    (error: Error) => {
      log.fatal({ err: error }, "ended");
      return error.message;
    },
  );
  return { message, log: lines.join("") };
}

test("an aborted login ends immediately, also when the server closes the connection afterwards", async () => {
  const began = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    socket.once("data", () => began.resolve());
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const giveUp = new AbortController();
  const options = { timeoutMs: 600_000, applicationName: "test" };
  const connected = connect(at("x?sslmode=disable", `127.0.0.1:${port}`), options, giveUp.signal);
  await began.promise;
  giveUp.abort(new Error("given up"));
  await expect(connected).rejects.toThrow("given up");
  await new Promise((resolve) => server.close(resolve));
});

describe("an error that waiting does not cure ends a migration immediately, with a message of our own", () => {
  const SECRET = "geheim";
  const rows: Record<string, [() => string, RegExp]> = {
    "a wrong password": [
      () => at("smschannel").replace(login, `smschannel:${SECRET}`),
      /refuses the owner's role \(28P01\): wrong password/,
    ],
    "a role that does not exist": [
      () => at("smschannel").replace(login, `nobody:${SECRET}`),
      /refuses the owner's role \(28P01\)/,
    ],
    "no password": [() => at("smschannel").replace(login, "smschannel"), /asks for a password/],
    "a database that does not exist": [() => at("nothing"), /the database does not exist \(3D000\)/],
    "a self-signed certificate": [
      () => at("smschannel?sslmode=verify-full"),
      /is not trusted: its certificate is signed by itself.*sslrootcert/,
    ],
    "a certificate for another name": [
      () => at(`smschannel?sslmode=verify-full&sslrootcert=${AUTHORITY}`, `127.0.0.1:${postgres.port}`),
      /its certificate is for another host name/,
    ],
    "an authority that did not sign the certificate": [
      () => at(`smschannel?sslmode=require&sslrootcert=${join(TLS, "private-authority.crt")}`),
      /is not trusted: its certificate/,
    ],
    "a missing file of an authority": [
      () => at("smschannel?sslmode=verify-full&sslrootcert=/nowhere.crt"),
      /the file \/nowhere.crt of sslrootcert cannot be read \(ENOENT\)/,
    ],
    "an @ in the password": [
      () => `postgres://u:p@${SECRET}/w@localhost:${postgres.port}/smschannel`,
      /write %40 for @/,
    ],
    "an unknown sslmode": [() => at("smschannel?sslmode=bogus"), /sslmode must be one of/],
  };
  for (const [name, [url, want]] of Object.entries(rows))
    test(name, async () => {
      const { message, log } = await endOf(url());
      expect(message).toMatch(want);
      expect(log).not.toMatch(/geheim|waiting for the database/);
    });

  test("a server without TLS when the URL demands TLS", async () => {
    const plain = createServer((socket) =>
      socket.once("data", () => socket.write("N")).on("error", () => undefined),
    );
    await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
    const { port } = plain.address() as AddressInfo;
    expect((await endOf(at("smschannel?sslmode=require", `127.0.0.1:${port}`))).message).toMatch(
      /does not speak TLS/,
    );
    plain.close();
  });
});

describe("when the owner may not change a role, the error of the migration names the remedy", () => {
  const name = (of: string) => `${of}_${randomBytes(4).toString("hex")}`;

  async function owned(owner: string, attributes: string) {
    const admin = new pg.Client({ connectionString: postgres.ownerUrl });
    await admin.connect();
    await admin.query(`create role ${owner} login ${attributes} password 'o'`);
    await admin.query(`create database ${owner} owner ${owner}`);
    return { admin, url: `postgres://${owner}:o@localhost:${postgres.port}/${owner}` };
  }
  const run = (url: string, receiver: string) =>
    migrate({
      url,
      roles: { receiver: { name: receiver, password: "r" }, create: true },
      waitMs: 1000,
      log: silentLog,
      clock: systemClock,
    });

  test("the missing grant for a role that a DBA created, and the migration succeeds after this grant", async () => {
    const [owner, receiver] = [name("owner"), name("receiver")];
    const { admin, url } = await owned(owner, "createrole");
    await admin.query(`create role ${receiver} login password 'x'`);
    const grant = `grant "${receiver}" to "${owner}" with admin option`;
    await expect(run(url, receiver)).rejects.toThrow(grant);
    await admin.query(grant);
    await run(url, receiver);
    await admin.end();
  });

  test("the attribute CREATEROLE for an owner that lacks it, and the migration succeeds with this attribute", async () => {
    const [owner, receiver] = [name("owner"), name("receiver")];
    const { admin, url } = await owned(owner, "");
    await expect(run(url, receiver)).rejects.toThrow(
      `"${owner}" may not create the role "${receiver}"; either a superuser runs alter role "${owner}" createrole`,
    );
    await admin.query(`alter role ${owner} createrole`);
    await run(url, receiver);
    await admin.end();
  });
});
