import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/inbox/embedded.ts";
import { releaseDataDirectory } from "../../src/inbox/embedded-lock.ts";
import { accountFor, installedPrograms, programsFor } from "../../src/inbox/embedded-programs.ts";
import { silentLog as log } from "../../src/log.ts";

let dataDir: string;
let running: EmbeddedPostgres[];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "sms-embedded-test-"));
  running = [];
});
afterEach(async () => {
  await Promise.all(running.map((server) => server.stop()));
  await rm(dataDir, { recursive: true, force: true });
});

async function start(): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir, log });
  running.push(server);
  return server;
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

describe("an embedded PostgreSQL server", () => {
  test("accepts connections only on the loopback address and with a password", async () => {
    const { ownerUrl, port } = await start();
    expect(await query(ownerUrl, "show listen_addresses")).toEqual([{ listen_addresses: "127.0.0.1" }]);
    expect(await query(ownerUrl, "show unix_socket_directories")).toEqual([{ unix_socket_directories: "" }]);
    expect(await query(ownerUrl, "show password_encryption")).toEqual([
      { password_encryption: "scram-sha-256" },
    ]);
    const guess = `postgres://smschannel:password@127.0.0.1:${port}/smschannel`;
    await expect(query(guess, "select 1")).rejects.toMatchObject({ code: "28P01" });
    expect((await stat(join(dataDir, "password"))).mode & 0o777).toBe(0o600);
    expect((await stat(join(dataDir, "data"))).mode & 0o077).toBe(0);
  });

  test("keeps committed data and the owner's password when it is stopped and started", async () => {
    const first = await start();
    await query(first.ownerUrl, "create table kept as select 42 as answer");
    await first.stop();
    await first.stop();
    await expect(query(first.ownerUrl, "select 1")).rejects.toMatchObject({ code: "ECONNREFUSED" });
    const second = await start();
    expect(await query(second.ownerUrl, "select answer from kept")).toEqual([{ answer: 42 }]);
    expect(new URL(second.ownerUrl).password).toBe(new URL(first.ownerUrl).password);
  });

  test("starts after a first start that was killed half way", async () => {
    await mkdir(join(dataDir, "data.new"));
    await writeFile(join(dataDir, "data.new", "PG_VERSION"), "18\n");
    await writeFile(join(dataDir, "password.new"), "");
    expect(await query((await start()).ownerUrl, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  test("fails to start when the given port is in use, and the error says so", async () => {
    const taken: Server = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    await expect(startEmbeddedPostgres({ dataDir, log, port })).rejects.toThrow(
      /ended at once.*Address already in use/s,
    );
    taken.close();
  });
});

describe("the lock file in PostgreSQL's data folder", () => {
  test("is removed when it names a living process that is not a server of this folder", async () => {
    await (await start()).stop();
    await writeFile(join(dataDir, "data/postmaster.pid"), `${process.pid}\n${join(dataDir, "data")}\n`);
    expect(await query((await start()).ownerUrl, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  test("is removed when the process that it names does not exist", async () => {
    await (await start()).stop();
    await writeFile(join(dataDir, "data/postmaster.pid"), `${2 ** 22 + 1}\n`);
    expect(await query((await start()).ownerUrl, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  test("stays while the server that it names runs, and the error gives the process id of this server", async () => {
    const { ownerUrl } = await start();
    const data = join(dataDir, "data");
    const [pid] = (await readFile(join(data, "postmaster.pid"), "utf8")).split("\n");
    await expect(releaseDataDirectory(data, log, 200)).rejects.toThrow(`process id ${pid}`);
    expect(await query(ownerUrl, "select 1 as one")).toEqual([{ one: 1 }]);
  });
});

test("an embedded PostgreSQL server ends when its parent process is killed, and the next server finds the data", async () => {
  const { parent, ownerUrl } = await startInAnotherProcess();
  await query(ownerUrl, "create table kept as select 42 as answer");
  parent.kill("SIGKILL");
  // The test does not wait here: the next start must cope with a server that is still ending.
  const next = await start();
  expect(await query(next.ownerUrl, "select answer from kept")).toEqual([{ answer: 42 }]);
  await expect(query(ownerUrl, "select 1")).rejects.toMatchObject({ code: "ECONNREFUSED" });
});

async function startInAnotherProcess(): Promise<{ parent: ChildProcess; ownerUrl: string }> {
  const module = resolve(import.meta.dirname, "../../src/inbox/embedded.ts");
  const script = `
    const { startEmbeddedPostgres } = await import(${JSON.stringify(module)});
    const { silentLog: log } = await import(${JSON.stringify(resolve(import.meta.dirname, "../../src/log.ts"))});
    const { ownerUrl } = await startEmbeddedPostgres({ dataDir: ${JSON.stringify(dataDir)}, log });
    console.log(ownerUrl);
    setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(parent.stdout, "data")) as [Buffer];
  return { parent, ownerUrl: line.toString().trim() };
}

test("symbolic links of PostgreSQL's libraries are created when npm, run without install scripts, left them out", async () => {
  const { native, version } = await installedPrograms();
  const bare = join(dataDir, "native");
  await cp(native, bare, { recursive: true, verbatimSymlinks: true });
  const links = (await readdir(join(bare, "lib"), { withFileTypes: true })).filter((entry) =>
    entry.isSymbolicLink(),
  );
  expect(links.length).toBeGreaterThan(5);
  for (const { name } of links) await rm(join(bare, "lib", name));
  expect(() => execFileSync(join(bare, "bin/postgres"), ["--version"], { stdio: "pipe" })).toThrow();
  const programs = await programsFor(dataDir, undefined, { native: bare, version });
  expect(execFileSync(programs.postgres, ["--version"]).toString()).toContain("PostgreSQL");
});

// Only root runs the server under another account, so only root can test an account that cannot enter a folder.
test.runIf(process.getuid?.() === 0)(
  "PostgreSQL programs that the account cannot reach are copied to a folder that it can reach",
  async () => {
    const { native, version } = await installedPrograms();
    const closed = await mkdtemp(join(tmpdir(), "sms-embedded-closed-"));
    await cp(native, join(closed, "native"), { recursive: true, verbatimSymlinks: true });
    const account = accountFor(0)!;
    const programs = await programsFor(dataDir, account, { native: join(closed, "native"), version });
    expect(programs.postgres.startsWith(dataDir)).toBe(true);
    expect(execFileSync(programs.postgres, ["--version"]).toString()).toContain("PostgreSQL");
    await rm(closed, { recursive: true });
  },
);
