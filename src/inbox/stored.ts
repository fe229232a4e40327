import { connect } from "./connect.ts";
import type { DatabaseUrl } from "./database-url.ts";

/**
 * True when the text is in the inbox. The receiver's role can find that out without the right to read, because it may call the function
 * missing_texts.
 */
export async function isStored(
  url: DatabaseUrl,
  { accountSid, messageSid }: { accountSid: string; messageSid: string },
): Promise<boolean> {
  const client = await connect(url, {
    timeoutMs: 5000,
    queryTimeoutMs: 10_000,
    applicationName: "smschannel-test-text",
  });
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
