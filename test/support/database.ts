import { randomBytes } from "node:crypto";
import pg from "pg";
import { inject } from "vitest";

/** Creates an empty database for one test. Returns the URL with which its owner connects. */
export async function newDatabase(): Promise<string> {
  const url = new URL(inject("postgresUrl"));
  const name = `test_${inject("runId")}_${randomBytes(5).toString("hex")}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    await client.query(`create database "${name}"`);
  } finally {
    await client.end();
  }
  url.pathname = `/${name}`;
  return url.href;
}
