import pg from "pg";
import { currentUrl, type DatabaseUrl } from "./database-url.ts";

/** Is this text in the inbox? Asked as the receiver's role, which cannot read, but may ask what it has not stored. */
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
    const { rowCount } = await client.query(
      "select smschannel.missing_texts(array[$1], array[$2], array[''])",
      [accountSid, messageSid],
    );
    return rowCount === 0;
  } finally {
    await client.end().catch(() => undefined);
  }
}
