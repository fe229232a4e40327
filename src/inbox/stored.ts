import pg from "pg";
import { currentUrl, type DatabaseUrl } from "./database-url.ts";

/**
 * Is this text in the inbox? Asked as the receiver's role, which can only insert, and so needs no right to read: the same row
 * is inserted, and taken back. When the text is there, its unique key turns the insert into nothing.
 */
export async function isStored(
  url: DatabaseUrl,
  { accountSid, messageSid }: { accountSid: string; messageSid: string },
): Promise<boolean> {
  const client = new pg.Client({
    connectionString: await currentUrl(url),
    connectionTimeoutMillis: 5000,
    query_timeout: 10_000,
  });
  await client.connect();
  try {
    await client.query("begin");
    const { rowCount } = await client.query(
      `insert into smschannel.inbox (kind, namespace_uid, stream, route_generation, account_sid, message_sid, event, body)
       values ('unrouted', '', '', 0, $1, $2, '', '') on conflict do nothing`,
      [accountSid, messageSid],
    );
    await client.query("rollback");
    return rowCount === 0;
  } finally {
    await client.end().catch(() => undefined);
  }
}
