import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { expect, test } from "vitest";
import { PostgresStore } from "../../src/inbox/store.ts";
import { silentLog } from "../../src/log.ts";
import { temporaryDirectory } from "../support/controlplane/directory.ts";
import { newDatabase } from "../support/database.ts";

// These tests run `smschannel migrate` as a Job runs it: settings come from the environment.

const PROGRAM = join(import.meta.dirname, "../../bin/smschannel.mjs");

function migrate(env: Record<string, string>): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [PROGRAM, "migrate"], {
    env: { PATH: process.env.PATH ?? "", DATABASE_WAIT: "10s", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
}

/** The URL of the same database for another role, with a password that a URL must escape. */
function urlAs(url: string, name: string, password: string): string {
  const login = new URL(url);
  login.username = encodeURIComponent(name);
  login.password = encodeURIComponent(password);
  return login.href;
}

test("smschannel migrate takes roles and passwords from the URLs that the processes will use", async () => {
  const ownerUrl = await newDatabase();
  const name = `role@${randomBytes(4).toString("hex")}`;
  const receiverUrl = urlAs(ownerUrl, name, "p@ss/w:rd%25");
  const env = { DATABASE_URL: ownerUrl, RECEIVER_DATABASE_URL: receiverUrl, CREATE_ROLES: "true" };
  const { code, output } = await migrate(env);
  expect([code, output.includes("p@ss")]).toEqual([0, false]);
  const store = new PostgresStore({ url: receiverUrl, statementTimeoutMs: 1000, log: silentLog });
  await store.connect();
  await store.close();
  const client = new pg.Client({ connectionString: receiverUrl });
  await client.connect();
  await expect(client.query("select 1 from smschannel.inbox")).rejects.toThrow("permission denied");
  await client.end();
});

test("smschannel migrate reads the URLs of the owner and of the roles from files", async () => {
  const folder = await temporaryDirectory("sms-urls");
  const ownerUrl = await newDatabase();
  const receiverUrl = urlAs(ownerUrl, `role_${randomBytes(4).toString("hex")}`, "p@ss/w:rd%25");
  const file = async (name: string, text: string) => {
    await writeFile(join(folder, name), `${text}\n`);
    return join(folder, name);
  };
  const env = {
    DATABASE_URL_FILE: await file("owner", ownerUrl),
    RECEIVER_DATABASE_URL_FILE: await file("receiver", receiverUrl),
    CREATE_ROLES: "true",
  };
  const { code, output } = await migrate(env);
  expect([code, output.includes("p@ss")]).toEqual([0, false]);
  const store = new PostgresStore({ url: receiverUrl, statementTimeoutMs: 1000, log: silentLog });
  await store.connect();
  await store.close();
  await rm(folder, { recursive: true });
});

test("the error for a database URL that is missing or given twice names the variables", async () => {
  const url = "postgres://owner@db/sms";
  const rows: [Record<string, string>, string][] = [
    [{}, "DATABASE_URL or DATABASE_URL_FILE is required: the owner's URL"],
    [
      { DATABASE_URL: url, DATABASE_URL_FILE: "/x" },
      "DATABASE_URL and DATABASE_URL_FILE are both set: choose one",
    ],
    [
      { DATABASE_URL: url, RECEIVER_DATABASE_URL: url, RECEIVER_DATABASE_URL_FILE: "/x" },
      "RECEIVER_DATABASE_URL and RECEIVER_DATABASE_URL_FILE are both set: choose one",
    ],
  ];
  for (const [env, want] of rows)
    expect(await migrate(env)).toEqual({ code: 2, output: `smschannel: ${want}\n` });
});

test("the error for a database URL without a user does not quote the URL", async () => {
  const { code, output } = await migrate({
    DATABASE_URL: "postgres://owner@db/sms",
    RECEIVER_DATABASE_URL: "postgres://db.example.com/sms",
  });
  expect([code, output]).toEqual([
    2,
    "smschannel: RECEIVER_DATABASE_URL: expected a URL with a user: postgres://user:password@host/database\n",
  ]);
});
